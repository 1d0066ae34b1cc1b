//! The command line, as typed and as checked.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Parser;
use clap::builder::FalseyValueParser;
use ipnet::IpNet;
use rpcsupport::{listen_address, process};

use crate::config::{Config, DEFAULT_BODY_BYTES, DEFAULT_CAPACITY};
use crate::fetch::certificates;

/// Fetches pages and parses them, for engines that ask.
#[derive(Parser, Debug)]
#[command(name = "worker", version, max_term_width = 100)]
#[command(after_help = "Every flag can be given as GOSSAMER_WORKER_FLAG in the environment (GOSSAMER_WORKER_PORT=9000). \
                        The first SIGTERM or Ctrl-C lets jobs in flight finish, the second ends at once.")]
pub(crate) struct Args {
    /// Listen on this port of this machine (127.0.0.1).
    #[arg(long, value_name = "PORT", env = "GOSSAMER_WORKER_PORT", help_heading = "Listening")]
    port: Option<String>,

    /// Listen on this address instead, such as 0.0.0.0:9000; port 0 lets the system choose one.
    #[arg(long, value_name = "IP:PORT", env = "GOSSAMER_WORKER_LISTEN", help_heading = "Listening")]
    listen: Option<String>,

    /// Accept that nothing between engine and worker is encrypted or authenticated; needed to listen beyond this machine.
    #[arg(long, env = "GOSSAMER_WORKER_INSECURE_PLAINTEXT", value_parser = FalseyValueParser::new(), help_heading = "Listening")]
    insecure_plaintext: bool,

    /// Jobs worked on at a time, divided among the engines that are connected [default: 100]. More are refused as busy.
    #[arg(long, value_name = "JOBS", env = "GOSSAMER_WORKER_CAPACITY", help_heading = "Work")]
    capacity: Option<String>,

    /// Fetches per second of this worker at most, such as 10 or 0.5, at least 0.2 [default: as fast as jobs come]. Lowers the capacity to 5 seconds' worth.
    #[arg(long, value_name = "N", env = "GOSSAMER_WORKER_QPS", help_heading = "Work")]
    qps: Option<String>,

    /// Threads that parse pages [default: one per core].
    #[arg(long, value_name = "THREADS", env = "GOSSAMER_WORKER_PARSE_THREADS", help_heading = "Work")]
    parse_threads: Option<String>,

    /// Memory for page bodies, in MiB, exceeded by one body at most [default: 256]. Jobs beyond it wait.
    #[arg(long, value_name = "MIB", env = "GOSSAMER_WORKER_BODY_MEMORY", help_heading = "Work")]
    body_memory: Option<String>,

    /// How long jobs in flight may take to finish after SIGTERM or Ctrl-C, such as 500ms, 30s or 1h [default: 40s].
    #[arg(long, value_name = "DURATION", env = "GOSSAMER_WORKER_GRACE", help_heading = "Work")]
    grace: Option<String>,

    /// Never connect to this network, such as 10.0.0.0/8, whatever an engine permits; may be repeated.
    /// Addresses that are not public are out of reach anyway unless the engine's user named them.
    #[arg(long, value_name = "CIDR", env = "GOSSAMER_WORKER_DENY_NET", value_delimiter = ',', help_heading = "Safety")]
    deny_net: Vec<String>,

    /// File with certificates (PEM) of authorities to trust beside the public ones, for sites with certificates of their own; may be
    /// repeated. Certificates are verified in any case.
    #[arg(long, value_name = "FILE", env = "GOSSAMER_WORKER_CA_FILE", value_delimiter = ',', help_heading = "Safety")]
    ca_file: Vec<String>,

    /// Log every page; twice: everything.
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    verbose: u8,

    /// Log warnings only.
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    quiet: bool,
}

/// A checked command line.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) listen: SocketAddr,
    pub(crate) config: Config,
    pub(crate) grace: Duration,
    pub(crate) verbosity: i8,
    pub(crate) beyond_loopback: bool,
}

const DEFAULT_GRACE: Duration = Duration::from_secs(40);

/// Slowest rate: the capacity is 5 s worth of jobs and never less than one, so at a slower rate a job would wait for its moment longer
/// than its engine waits for it.
const SLOWEST_QPS: f64 = 0.2;
const MIB: u64 = 1024 * 1024;

impl Args {
    /// Checks all flags at once.
    ///
    /// # Errors
    /// One sentence for each that is wrong.
    pub(crate) fn check(self) -> Result<Command, Vec<String>> {
        let mut wrong = Vec::new();
        let listen = match checked(self.port.as_deref(), |text| text.parse::<u16>().ok()) {
            Ok(port) => listen_address(port, self.listen.as_deref(), self.insecure_plaintext).map_err(|error| error.to_string()),
            Err(text) => Err(format!("--port {text}: expected a port, 1 to 65535")),
        };
        let listen = listen.map_err(|error| wrong.push(error));
        let mut note = |flag: &str, value: &str, expected: &str| wrong.push(format!("--{flag} {value}: expected {expected}"));
        let capacity = checked(self.capacity.as_deref(), |text| text.parse::<NonZeroU32>().ok());
        let capacity = capacity.unwrap_or_else(|text| {
            note("capacity", text, "a number of jobs, at least 1");
            None
        });
        let qps = checked(self.qps.as_deref(), |text| text.parse::<f64>().ok().filter(|qps| qps.is_finite() && *qps >= SLOWEST_QPS));
        let qps = qps.unwrap_or_else(|text| {
            note("qps", text, "fetches per second, at least 0.2 (one in 5 s); leave it out for no limit");
            None
        });
        let threads =
            checked(self.parse_threads.as_deref(), |text| text.parse::<NonZeroUsize>().ok().filter(|threads| threads.get() <= 1024));
        let threads = threads.unwrap_or_else(|text| {
            note("parse-threads", text, "a number of threads, 1 to 1024");
            None
        });
        let memory = checked(self.body_memory.as_deref(), |text| text.parse::<u64>().ok().filter(|mib| (1..=1 << 30).contains(mib)));
        let memory = memory.unwrap_or_else(|text| {
            note("body-memory", text, "a number of MiB, at least 1");
            None
        });
        let grace = checked(self.grace.as_deref(), |text| process::duration(text).ok()).unwrap_or_else(|text| {
            note("grace", text, "a duration with its unit, such as 500ms, 30s, 5m or 1h");
            None
        });
        let mut deny_net = Vec::new();
        for text in &self.deny_net {
            match network(text) {
                Some(network) => deny_net.push(network),
                None => note("deny-net", text, "a network such as 10.0.0.0/8 or an address"),
            }
        }
        let mut authorities = Vec::new();
        for path in &self.ca_file {
            match std::fs::read_to_string(path) {
                Ok(pem) if certificates(&pem).is_some() => authorities.push(pem),
                Ok(_) => note("ca-file", path, "a file with certificates as PEM has them"),
                Err(error) => note("ca-file", path, &format!("a file that can be read ({error})")),
            }
        }
        let standard = Config::standard();
        let config = Config {
            capacity: capacity.unwrap_or(DEFAULT_CAPACITY),
            qps,
            deny_net,
            authorities,
            parse_threads: threads.unwrap_or(standard.parse_threads),
            body_bytes: memory.map_or(DEFAULT_BODY_BYTES, |mib| mib * MIB),
        };
        let verbosity = if self.quiet { -1 } else { i8::try_from(self.verbose).unwrap_or(i8::MAX) };
        match listen {
            Ok(listen) if wrong.is_empty() => {
                let beyond_loopback = !listen.ip().is_loopback();
                Ok(Command { listen, config, grace: grace.unwrap_or(DEFAULT_GRACE), verbosity, beyond_loopback })
            }
            Ok(_) | Err(()) => Err(wrong),
        }
    }
}

/// What a flag's text means, nothing if it was not given, or the text if it means nothing.
fn checked<T>(text: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, &str> {
    match text {
        Some(text) => read(text.trim()).map(Some).ok_or(text),
        None => Ok(None),
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(args: &[&str]) -> Result<Command, Vec<String>> {
        Args::try_parse_from([&["worker"], args].concat()).unwrap().check()
    }

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_worker_without_flags_but_a_port_does_the_standard_thing() {
        let command = check(&["--port", "9000"]).unwrap();
        assert_eq!(command.listen.to_string(), "127.0.0.1:9000");
        assert_eq!((command.config, command.grace, command.verbosity), (Config::standard(), Duration::from_secs(40), 0));
    }

    #[test]
    fn every_wrong_flag_is_named_at_once() {
        let wrong =
            check(&["--capacity", "0", "--qps", "0", "--parse-threads", "x", "--grace", "30", "--deny-net", "ten", "--body-memory", "0"]);
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.len(), 7, "{wrong:?}");
        assert!(wrong[0].starts_with("must specify a port"));
        assert_eq!(check(&["--port", "90000"]).unwrap_err(), ["--port 90000: expected a port, 1 to 65535"]);
        assert!(wrong.iter().any(|sentence| sentence.starts_with("--grace 30: expected a duration with its unit")));
    }

    #[test]
    fn a_rate_at_which_jobs_would_wait_for_too_long_is_refused() {
        let expected = "--qps 0.19: expected fetches per second, at least 0.2 (one in 5 s); leave it out for no limit";
        assert_eq!(check(&["--port", "1", "--qps", "0.19"]).unwrap_err(), [expected]);
        let config = check(&["--port", "1", "--qps", "0.2"]).unwrap().config;
        assert_eq!((config.qps, config.announced().get()), (Some(0.2), 1));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        for file in ["/no/such/file", "Cargo.toml"] {
            let wrong = check(&["--port", "1", "--ca-file", file]).unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].starts_with(&format!("--ca-file {file}: expected a file ")), "{wrong:?}");
        }
    }

    #[test]
    fn networks_are_read_with_and_without_a_length() {
        let command = check(&["--port", "1", "--deny-net", "10.0.0.0/8,::1", "--deny-net", "127.0.0.1"]).unwrap();
        assert_eq!(command.config.deny_net.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128", "127.0.0.1/32"]);
    }
}
