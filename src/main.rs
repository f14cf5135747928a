mod cli;
mod config;
mod daemon;
mod http;
mod ingest;
mod metrics;
mod record;
mod search;
mod sphinx;
mod time;
mod values;
fn main() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let path = std::env::args().nth(1).expect("path");
    let config = config::Config::load(std::path::Path::new(&path)).expect("config");
    daemon::run(config, daemon::Parts { collect: true, web: false }).expect("run");
}
