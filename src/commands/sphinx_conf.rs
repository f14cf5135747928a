//! `alco sphinx-conf`: prints searchd's configuration for this alco.ini and today.

use argh::{ArgsInfo, FromArgs};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, Failure, WRONG_USAGE_STATUS};
use crate::commands::searchd_program;
use crate::config::Dialect;
use crate::sphinx::conf::sphinx_conf;

/// Print the configuration for searchd.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "sphinx-conf",
    help_triggers("-h", "--help"),
    note = "The script sphinx.conf, which searchd reads as its configuration, runs this command. The output depends on \
            alco.ini, on the day, and on the engine: with `dialect = auto`, that of the searchd which runs the script, else that of \
            the searchd on the PATH.",
    example = "alco sphinx-conf | less",
    error_code(0, "the configuration was printed"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct SphinxConf {}

impl SphinxConf {
    pub fn run(&self, environment: &Environment) -> Result<Done, Failure> {
        let config = environment.config_without_secrets()?;
        let engine = config.sphinx.dialect.or_else(searchd_program::dialect).unwrap_or_else(|| {
            log::warn!(
                "cannot find searchd to ask for its version; this is the configuration for Sphinx 2; for Manticore, set \
                 [sphinx] dialect"
            );
            Dialect::Sphinx
        });
        let refused = config.sphinx.refused_by(engine);
        if !refused.is_empty() {
            return Err(Failure { text: refused.join("\n") + "\n", status: WRONG_USAGE_STATUS });
        }
        Ok(Done::text(sphinx_conf(&config, engine, (environment.now)().day())))
    }
}
