//! The command line: from raw words to an address and a site.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use mockserver::SiteConfig;

/// The practice site: invented people and cars to crawl, a known truth, and one page per misbehaviour.
///
/// People start at /mock/www.zhenai.com/zhenghun, cars at /mock/newcar.xcar.com.cn/, misbehaviour at /misbehave/. What a site
/// with --pages holds is at /truth as JSON, who came is at /arrivals as JSON lines. The same options give the same site.
/// Exit codes: 0 ended by Ctrl-C or SIGTERM, 2 it could not start.
#[derive(Debug, Parser)]
#[command(name = "mockserver", version, max_term_width = 100)]
struct Args {
    /// Port to listen on, on this machine only unless --listen says otherwise
    #[arg(long, value_name = "PORT", help_heading = "Where")]
    port: Option<u16>,
    /// Address to listen on: an IP address for --port, or ADDRESS:PORT (port 0: any free one, said at start) [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR", help_heading = "Where")]
    listen: Option<String>,

    /// Cities on the city list, 1 to 2304
    #[arg(long, value_name = "N", default_value_t = SiteConfig::endless().cities, help_heading = "What")]
    cities: u32,
    /// Pages of 20 people per city; the site is then finite and has a truth [default: no end]
    #[arg(long, value_name = "N", help_heading = "What")]
    pages: Option<u32>,
    /// Car models on the car list, at most 100000, with 3 to 6 cars each
    #[arg(long, value_name = "N", default_value_t = SiteConfig::endless().cars, help_heading = "What")]
    cars: u32,
    /// Number that all people and cars are derived from
    #[arg(long, value_name = "N", default_value_t = SiteConfig::endless().seed, help_heading = "What")]
    seed: u64,
    /// The site that `engine` crawls when given nothing: 12 cities of 4 pages, 40 car models
    #[arg(long, conflicts_with_all = ["cities", "pages", "cars"], help_heading = "What")]
    practice: bool,

    /// Delay of every answer, with its unit: 50ms, 2s; at most 10m
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = duration, help_heading = "How")]
    latency: Duration,
    /// File to serve as /robots.txt, read once at start [default: that path answers 404]
    #[arg(long, value_name = "FILE", help_heading = "How")]
    robots: Option<PathBuf>,
    /// Serve another /robots.txt to each host, derived from the last byte N of its address: Crawl-delay (N mod 20 + 1) * 0.1 s, and paths of
    /// its own; none where N ends in 8, a redirect where it ends in 9. /truth says what each host asks
    #[arg(long, conflicts_with = "robots", help_heading = "How")]
    robots_by_host: bool,
    /// Listen on so many addresses, 127.0.0.1 to 127.0.0.N, all on --port, 1 to 254: one site under many hosts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..255), conflicts_with = "listen", help_heading = "Where")]
    hosts: u8,

    /// Append every arrival to this file, a JSON line each, written before it is answered
    #[arg(long, value_name = "FILE", help_heading = "Record")]
    log_arrivals: Option<PathBuf>,
    /// Arrivals kept in memory for /arrivals, about 250 bytes each; 0: none
    #[arg(long, value_name = "N", default_value_t = SiteConfig::endless().recorded_arrivals, help_heading = "Record")]
    record_arrivals: usize,
}

/// What the program starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Where to listen, at least one.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) config: SiteConfig,
    pub(crate) arrival_log: Option<PathBuf>,
}

/// Reads the command line. Wrong usage, and the wish for help, is a [`clap::Error`] or a sentence.
pub(crate) fn start(words: impl IntoIterator<Item = OsString>) -> anyhow::Result<Start> {
    let args = Args::try_parse_from(with_dashes(words))?;
    let site = if args.practice { SiteConfig::practice() } else { SiteConfig::endless() };
    let robots = match &args.robots {
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let address = address(args.port, args.listen.as_deref())?;
    let robots_by_host = args.robots_by_host;
    let config =
        SiteConfig { seed: args.seed, latency: args.latency, robots, robots_by_host, recorded_arrivals: args.record_arrivals, ..site };
    let config = if args.practice { config } else { SiteConfig { cities: args.cities, pages: args.pages, cars: args.cars, ..config } };
    let hosts = 1..=args.hosts;
    let addresses =
        if args.hosts == 1 { vec![address] } else { hosts.map(|host| (Ipv4Addr::new(127, 0, 0, host), address.port()).into()).collect() };
    Ok(Start { addresses, config, arrival_log: args.log_arrivals })
}

/// Flags may be spelt with underscores, as the course's are: `--log_arrivals` is `--log-arrivals`. Values stay as they are.
fn with_dashes(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut only_values = false;
    let spell = |word: OsString| {
        only_values |= word == "--";
        match word.to_str() {
            Some(text) if !only_values && text.starts_with("--") => {
                let (flag, value) = text.split_at(text.find('=').unwrap_or(text.len()));
                OsString::from(flag.replace('_', "-") + value)
            }
            _ => word,
        }
    };
    words.into_iter().map(spell).collect()
}

/// Port 0 is taken only where it is written out with an address: there it is meant.
fn address(port: Option<u16>, listen: Option<&str>) -> anyhow::Result<SocketAddr> {
    let with_port = |ip| match port {
        None | Some(0) => bail!("must specify a port"),
        Some(port) => Ok(SocketAddr::new(ip, port)),
    };
    let Some(listen) = listen else { return with_port(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
    if let Ok(ip) = listen.parse() {
        return with_port(ip);
    }
    let spelt_out = match listen.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => listen.to_owned(),
    };
    match (spelt_out.parse(), port) {
        (Ok(address), None) => Ok(address),
        (Ok(_), Some(_)) => bail!("--listen {listen} has a port already, leave out --port"),
        (Err(_), _) => bail!("--listen {listen} is no address: write 127.0.0.1, 127.0.0.1:8080 or [::1]:8080"),
    }
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "write a number and its unit: 50ms, 2s, 1min")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(words: &[&str]) -> Result<Start, String> {
        let words = std::iter::once("mockserver").chain(words.iter().copied()).map(OsString::from);
        start(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_is_needed_and_zero_is_none_unless_written_with_an_address() {
        for words in [&[][..], &["--port", "0"], &["--listen", "0.0.0.0"], &["--listen", "::1", "--port=0"]] {
            assert_eq!(started(words).unwrap_err(), "must specify a port", "{words:?}");
        }
        let address = |words: &[&str]| started(words).unwrap().addresses[0].to_string();
        assert_eq!(address(&["--port", "8080"]), "127.0.0.1:8080");
        assert_eq!(address(&["--listen", "127.0.0.1:0"]), "127.0.0.1:0");
        assert_eq!(address(&["--listen", ":9000"]), "127.0.0.1:9000");
        assert_eq!(address(&["--listen", "::1", "--port", "9000"]), "[::1]:9000");
        assert!(started(&["--listen", ":1", "--port", "2"]).unwrap_err().contains("leave out --port"));
        assert!(started(&["--listen", "here"]).unwrap_err().contains("is no address"));
    }

    #[test]
    fn a_site_of_many_hosts_listens_on_each() {
        let addresses: Vec<String> = started(&["--port=81", "--hosts=3"]).unwrap().addresses.iter().map(SocketAddr::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:81", "127.0.0.2:81", "127.0.0.3:81"]);
        assert!(started(&["--listen=127.0.0.1:0", "--hosts=3"]).is_err());
        assert!(started(&["--port=81", "--hosts=255"]).is_err());
    }

    #[test]
    fn flags_may_have_underscores_and_values_keep_theirs() {
        let start = started(&["--port=1", "--log_arrivals", "my_file", "--record_arrivals=5"]).unwrap();
        assert_eq!(start.arrival_log, Some(PathBuf::from("my_file")));
        assert_eq!(start.config.recorded_arrivals, 5);
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert!(duration("50").is_err());
    }

    #[test]
    fn the_practice_site_is_the_librarys() {
        assert_eq!(started(&["--port=1", "--practice"]).unwrap().config, SiteConfig::practice());
        assert!(started(&["--port=1", "--practice", "--pages=3"]).unwrap_err().contains("cannot be used with"));
    }
}
