//! The command line, and what it means.

use std::net::SocketAddr;

use clap::Parser;
use clap::builder::FalseyValueParser;
use rpcsupport::{PeerAddress, listen_address};

/// A page to search the items of an itemsaver with.
///
/// /search is the page, /api/search the same as JSON. Exit codes: 0 ended by SIGTERM or Ctrl-C; 2 it could not start.
#[derive(Debug, Parser)]
#[command(name = "frontend", version, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Port to listen on, of 127.0.0.1.
    #[arg(long, value_name = "PORT", env = "GOSSAMER_FRONTEND_PORT", hide_env_values = true, help_heading = "Listening")]
    port: Option<String>,
    /// Address to listen on instead, such as 127.0.0.1:8888; port 0 lets the system choose.
    #[arg(long, value_name = "IP:PORT", env = "GOSSAMER_FRONTEND_LISTEN", hide_env_values = true, help_heading = "Listening")]
    listen: Option<String>,
    /// Allow an address that other machines reach. Whoever reaches it sees all items.
    #[arg(long, env = "GOSSAMER_FRONTEND_INSECURE_PLAINTEXT", value_parser = FalseyValueParser::new(), hide_env_values = true, help_heading = "Listening")]
    insecure_plaintext: bool,
    /// The itemsaver: HOST:PORT, or :PORT on this machine. It may be started later.
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = ":1234",
        env = "GOSSAMER_FRONTEND_ITEMSAVER_HOST",
        hide_env_values = true,
        help_heading = "Items"
    )]
    itemsaver_host: String,
    /// Log more; twice, everything.
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    verbose: u8,
    /// Log warnings and errors only.
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Logging")]
    quiet: bool,
}

/// What to do.
#[derive(Debug)]
pub(crate) struct Config {
    /// As [`rpcsupport::process::init_log`] takes it.
    pub(crate) verbosity: i8,
    pub(crate) address: SocketAddr,
    pub(crate) itemsaver: PeerAddress,
}

impl Config {
    /// Checks the command line.
    ///
    /// # Errors
    /// All mistakes, each a sentence.
    pub(crate) fn of(arguments: Arguments) -> Result<Config, Vec<String>> {
        let verbosity = if arguments.quiet { -1 } else { i8::try_from(arguments.verbose).unwrap_or(i8::MAX) };
        let port = arguments
            .port
            .map(|text| text.parse::<u16>().map_err(|_| format!("--port {text:?} is no port: expected a number from 1 to 65535")));
        let address = match port.transpose() {
            Ok(port) => listen_address(port, arguments.listen.as_deref(), arguments.insecure_plaintext).map_err(|error| error.to_string()),
            Err(mistake) => Err(mistake),
        };
        let itemsaver = arguments.itemsaver_host.parse::<PeerAddress>().map_err(|error| format!("--itemsaver-host: {error}"));
        match (address, itemsaver) {
            (Ok(address), Ok(itemsaver)) => Ok(Config { verbosity, address, itemsaver }),
            (address, itemsaver) => Err([address.err(), itemsaver.err()].into_iter().flatten().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, Vec<String>> {
        Config::of(Arguments::try_parse_from(std::iter::once("frontend").chain(line.split_whitespace())).unwrap())
    }

    #[test]
    fn the_flags_of_the_course_work() {
        let config = config("--port 8888 --itemsaver-host :1235").unwrap();
        assert_eq!((config.address.to_string(), config.itemsaver.port()), ("127.0.0.1:8888".to_owned(), 1235));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = config("--port x --itemsaver-host nowhere").unwrap_err();
        assert_eq!(mistakes[0], "--port \"x\" is no port: expected a number from 1 to 65535");
        assert!(mistakes[1].starts_with("--itemsaver-host: \"nowhere\" is no HOST:PORT"), "{}", mistakes[1]);
        assert!(config("").unwrap_err()[0].starts_with("must specify a port"));
        assert!(config("--listen 0.0.0.0:1").unwrap_err()[0].contains("--insecure-plaintext"));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
