//! `alco sphinx-conf`: prints searchd's configuration for this alco.ini and today.

use argh::{ArgsInfo, FromArgs};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, Failure};
use crate::sphinx::conf::sphinx_conf;

/// Print the configuration for searchd.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "sphinx-conf",
    help_triggers("-h", "--help"),
    note = "The script sphinx.conf, which searchd reads as its configuration, runs this command. The output depends on \
            alco.ini and on the day.",
    example = "alco sphinx-conf | less",
    error_code(0, "the configuration was printed"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct SphinxConf {}

impl SphinxConf {
    pub fn run(&self, environment: &Environment) -> Result<Done, Failure> {
        let config = environment.config_without_secrets()?;
        Ok(Done::text(sphinx_conf(&config, (environment.now)().day())))
    }
}
