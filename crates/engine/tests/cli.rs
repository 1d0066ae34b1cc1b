//! The command line of the binary: a mistake starts nothing, exits 2, and is told with what would be right.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use itemsaver::{ItemSaver, StoreSpec};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use worker::{Config, Registry, Worker};

/// A folder to run in, with no `GOSSAMER_…` from outside.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().expect("a place for temporary files") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Desk {
        fs::write(self.path(name), text).expect("the folder can be written");
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(args).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the engine is built")
    }

    /// What is in the folder.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut names: Vec<String> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("what is said is UTF-8")
}

/// It exits 2, says nothing on standard output, and each fragment stands in what it says.
fn assert_refused(output: &Output, fragments: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    for fragment in fragments {
        assert!(said.contains(fragment), "{fragment:?} is not in:\n{said}");
    }
}

/// Exit code and last line of an audit.
fn audit(desk: &Desk, args: &[&str]) -> (i32, String) {
    let output = desk.run(&[&["audit", "log.jsonl"], args].concat());
    let said = String::from_utf8(output.stdout).expect("what is said is UTF-8");
    (output.status.code().expect("it has ended"), said.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn the_fetch_log_proves_that_a_clock_was_kept_and_that_none_was() {
    let desk = Desk::new();
    let crawl = |args: &[&str]| {
        let output = desk.run(&[&["--fetch-log", "log.jsonl", "--quiet"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    crawl(&["--delay", "20ms", "--max-pages", "5"]);
    let told = |requests, starts, end: &str| {
        format!("{requests} requests under 1 clocks in {starts} starts, 0 without an end, 0 lines cut short: {end}")
    };
    // Five pages and the robots.txt.
    assert_eq!(audit(&desk, &[]), (0, told(6, 1, "no limit was broken")));
    assert_eq!(audit(&desk, &["--delay", "1s"]), (1, told(6, 1, "5 breaches")));
    // The log of a second crawl follows on that of the first.
    crawl(&["--delay", "0s", "--max-pages", "50"]);
    assert_eq!(audit(&desk, &[]), (0, told(57, 2, "no limit was broken")));
    assert_eq!(audit(&desk, &["--delay", "1s"]).0, 1);
    let output = desk.run(&["audit", "none.jsonl", "--delay", "1s"]);
    assert_refused(&output, &["cannot open the fetch log none.jsonl"]);
    assert_refused(&desk.run(&["audit", "log.jsonl", "--delay", "1"]), &["--delay \"1\": expected a time"]);
}

#[test]
fn a_fetch_log_that_cannot_be_written_stops_the_crawl() {
    let output = Desk::new().run(&["--fetch-log", "/dev/full"]);
    assert_refused(&output, &["cannot write the fetch log /dev/full"]);
}

const SEED: &str = "http://127.0.0.1:9/";

#[test]
fn every_mistake_exits_2_with_what_would_be_right_and_starts_nothing() {
    let cases: &[(&[&str], &str)] = &[
        (&["example.org"], "did you mean https://example.org/ ?"),
        (&["localhost:8080/a"], "did you mean http://localhost:8080/a ?"),
        (&["ftp://example.org/"], "scheme ftp is not crawled (http and https are)"),
        (&["http://"], "cannot crawl \"http://\""),
        (&["nonsense"], "cannot crawl \"nonsense\""),
        (&[""], "cannot crawl \"\""),
        (&["-"], "no URL to begin with"),
        (&["--max-page", "5"], "--max-pages"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&[SEED, "--history", "--itemsaver-host", ":1"], "--history is for the itemsaver in this process"),
        (&[SEED, "--max-pages", "0"], "--max-pages \"0\""),
        (&[SEED, "--max-pages", "-1"], "-1"),
        (&[SEED, "--max-pages", "many"], "--max-pages \"many\""),
        (&[SEED, "--max-pages"], "--max-pages"),
        (&[SEED, "--max-items", "0"], "--max-items \"0\""),
        (&[SEED, "--max-errors", "1.5"], "--max-errors \"1.5\""),
        (&[SEED, "--max-depth", "-2"], "-2"),
        (&[SEED, "--max-depth", "deep"], "--max-depth \"deep\""),
        (&[SEED, "--max-time", "90"], "--max-time \"90\": expected a time with its unit, such as 400ms"),
        (&[SEED, "--delay", "1"], "--delay \"1\": expected a time with its unit"),
        (&[SEED, "--delay", "fast"], "--delay \"fast\""),
        (&[SEED, "--retry-pause", "soon"], "--retry-pause \"soon\""),
        (&[SEED, "--host-give-up", "never"], "--host-give-up \"never\""),
        (&[SEED, "--wait-for-workers", "0x"], "--wait-for-workers \"0x\""),
        (&[SEED, "--per-host", "0"], "--per-host \"0\""),
        (&[SEED, "--per-host", "2", "--delay", "1s"], "--per-host and --delay contradict each other"),
        (&[SEED, "--worker-count", "0"], "--worker-count \"0\": expected a whole number, 1 or more"),
        (&[SEED, "--worker-count", "1000000"], "--worker-count 1000000 is more than 100000"),
        (&[SEED, "--attempts", "0"], "--attempts \"0\""),
        (&[SEED, "--max-body", "10"], "--max-body \"10\": expected a size with its unit, such as 500kB"),
        (&[SEED, "--max-body", "0MB"], "--max-body \"0MB\""),
        (&[SEED, "--max-body", "20GB"], "at most 1GB"),
        (&[SEED, "--fetch-timeout", "0s"], "must be longer than 0s"),
        (&[SEED, "--connect-timeout", "40s"], "--connect-timeout 40s is longer than --fetch-timeout 30s"),
        (&[SEED, "--grace", "1s"], "--grace 1s is too short"),
        (&[SEED, "--allow", "("], "--allow \"(\": not a regular expression"),
        (&[SEED, "--deny", "[z-a]"], "--deny \"[z-a]\": not a regular expression"),
        (&[SEED, "--header", "X-Team"], "expected `Name: value`"),
        (&[SEED, "--header", "a b: c"], "\"a b\" is no header name"),
        (&[SEED, "--header", "Host: elsewhere"], "the crawler sets Host itself"),
        (&[SEED, "--user-agent", ""], "--user-agent"),
        (&[SEED, "--user-agent", "né"], "visible ASCII"),
        (&[SEED, "--allow-net", "10.0.0.0/99"], "expected HOST, HOST:PORT or NETWORK/BITS"),
        (&[SEED, "--page", "images"], "expected any of text, headings, links"),
        (&[SEED, "--worker-hosts", "9000"], "the port is missing, as in :9000 or worker-3:9000"),
        (&[SEED, "--worker-hosts", ":0"], "port 0 cannot be dialled"),
        (&[SEED, "--worker-hosts", ":99999"], "the port is not a number from 1 to 65535"),
        (&[SEED, "--worker-hosts", "http://localhost:9000"], "leave the scheme and slashes out"),
        (&[SEED, "--worker-hosts", "::1:9000"], "in brackets"),
        (&[SEED, "--worker-hosts", ":9000,127.0.0.1:9000"], "127.0.0.1:9000 is named twice"),
        (&[SEED, "--worker-hosts", ","], "--worker-hosts names no worker"),
        (&[SEED, "--worker-hosts", ""], "--worker-hosts"),
        (&[SEED, "--itemsaver-host", "1234"], "the port is missing"),
        (&[SEED, "--itemsaver-host", ":1,:2"], "--itemsaver-host"),
        (&["--worker-hosts", "worker-3:9000"], "where the worker worker-3:9000 cannot reach it"),
        (&["--spider", "missing.toml"], "cannot read the spider missing.toml"),
        (&["--spider", "."], "cannot read the spider ."),
        (&["--fetch-log", "none/log.jsonl", SEED], "--fetch-log none/log.jsonl: there is no folder none"),
        (&["--scope", "site", SEED], "--scope \"site\": expected host, subdomain, domain or any"),
        (&["--max-url-length", "9000", SEED], "a URL is at most 8192 bytes in any case"),
        (&["--skip-extensions", "a b", SEED], "such as zip,pdf, or none"),
        (&["--drop-params", "a,*b*", SEED], "--drop-params \"*b*\": expected"),
        (&["--jitter", "2", SEED], "expected a number from 0 to 1"),
        (&["--throttle", "0", SEED], "expected a number from 0.01 to 100"),
        (&["--politeness-by", "site", SEED], "expected host, domain or ip"),
        (&["--proxy", "proxy:3128", SEED], "expected http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT"),
        (&["--proxy", "http://me:hidden@proxy:3128", SEED], "set GOSSAMER_PROXY_AUTH=USER:PASSWORD"),
        (&["--proxies", "missing", SEED], "--proxies missing: it cannot be read"),
        (&["--proxy", "http://proxy:1", "--politeness-by", "ip", SEED], "--politeness-by ip needs the addresses of sites"),
        (&["--skip-types", "pdf", SEED], "\"pdf\" is no media type: expected some, comma-separated, such as application/pdf,image/*"),
        (&["--config", "missing.toml"], "cannot read the config file missing.toml"),
        (&[SEED, "-o", "no/such/folder.jsonl"], "there is no folder no/such"),
        (&[SEED, "-o", "."], "--output . is a folder"),
        (&[SEED, "-o", "items.parquet"], "itemsaver export --format parquet -o items.parquet"),
        (&[SEED, "--report", "no/such/report.json"], "there is no folder no/such"),
        (&[SEED, "-v", "-q"], "cannot be used with"),
    ];
    for (args, fragment) in cases {
        let desk = Desk::new();
        let output = desk.run(args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(!said.contains("hidden"), "{said}");
        assert!(said.contains(fragment), "{args:?} should say {fragment:?}, and says:\n{said}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert_eq!(desk.files(), [""; 0], "{args:?} leaves nothing behind");
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let desk = Desk::new();
    let output = desk.run(&[
        "example.org",
        "ftp://example.org/",
        "--delay",
        "1",
        "--max-pages",
        "0",
        "--worker-hosts",
        "9000",
        "--header",
        "X-Team",
        "-o",
        "x.parquet",
    ]);
    let fragments =
        ["did you mean https://example.org/ ?", "scheme ftp", "--delay", "--max-pages", "--worker-hosts", "--header", "--format parquet"];
    assert_refused(&output, &fragments);
    let errors = stderr(&output).lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, fragments.len(), "{}", stderr(&output));
}

#[test]
fn help_is_grouped_and_names_units_defaults_and_exit_codes() {
    let desk = Desk::new();
    for flag in ["--help", "-h"] {
        let output = desk.run(&[flag]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
        let help = String::from_utf8(output.stdout).expect("help is UTF-8");
        for fragment in [
            "What to crawl:",
            "Processes:",
            "Politeness:",
            "Fetching:",
            "Budgets:",
            "Results:",
            "This program:",
            "Exit codes:",
            "[default: 30s]",
            "GOSSAMER_",
            "engine https://example.org/ -o pages.jsonl",
        ] {
            assert!(help.contains(fragment), "{flag}: {fragment} is not in\n{help}");
        }
    }
    let version = desk.run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("engine "));
}

#[test]
fn an_output_that_is_there_is_not_written_over_unasked() {
    let desk = Desk::new();
    desk.write("items.jsonl", "precious\n");
    assert_refused(&desk.run(&[SEED, "-o", "items.jsonl"]), &["--output items.jsonl is there already and not empty: add --overwrite"]);
    assert_eq!(fs::read_to_string(desk.path("items.jsonl")).expect("it is there"), "precious\n");
    assert_eq!(desk.files(), ["items.jsonl"]);
}

#[test]
fn a_bad_spider_is_told_with_every_mistake_and_its_line() {
    let desk = Desk::new();
    desk.write(
        "bad.toml",
        "name = \"bad\"\nseeds = [\"example.org\"]\nstart = \"nobody\"\n[parsers.list]\nlinks = [{ css = \"a[\" }]\nlimks = []\n",
    );
    let output = desk.run(&["--spider", "bad.toml", "--delay", "1"]);
    assert_refused(
        &output,
        &["bad.toml:2: seeds[0]", "did you mean https://example.org/ ?", "bad.toml:3: start", "bad.toml:5: ", "bad.toml:6: "],
    );
    assert!(stderr(&output).contains("--delay \"1\""), "mistakes of flags are told with it: {}", stderr(&output));
    desk.write("broken.toml", "name = \"x\nseeds = []\n");
    assert_refused(&desk.run(&["--spider", "broken.toml"]), &["broken.toml:1"]);
    desk.write("seedless.toml", "name = \"x\"\n[parsers.list]\nlinks = [{ css = \"a\", parser = \"list\" }]\n");
    assert_refused(&desk.run(&["--spider", "seedless.toml"]), &["no seeds", "name URLs on the command line"]);
    assert_refused(&desk.run(&["--spider", "seedless.toml", SEED, "--page", "text"]), &["--page is for URLs without a --spider"]);
}

#[test]
fn mistakes_of_the_config_file_are_told_at_once_and_flags_win_over_it() {
    let desk = Desk::new();
    desk.write("bad.toml", "max-pagse = 5\noverwrite = \"yes\"\nconfig = \"other.toml\"\n");
    assert_refused(
        &desk.run(&["--config", "bad.toml", SEED]),
        &[
            "bad.toml: max-pagse is no setting; did you mean max-pages ?",
            "overwrite = \"yes\": expected true or false",
            "config is no setting",
        ],
    );
    desk.write("broken.toml", "= 1\n");
    assert_refused(&desk.run(&["--config", "broken.toml", SEED]), &["broken.toml: "]);
    desk.write("hosts.toml", "dealy = \"1s\"\n[[host]]\ndelay = [1]\n[[host]]\npattern = \"a\"\nper_hots = 1\n");
    assert_refused(
        &desk.run(&["--config", "hosts.toml", SEED]),
        &["did you mean delay ?", "hosts.toml:2: [[host]] has no pattern", "hosts.toml:3: [[host]] delay: expected", "hosts.toml:6: "],
    );
    desk.write("values.toml", "delay = \"1\"\nmax_pages = 0\n");
    assert_refused(&desk.run(&["--config", "values.toml", SEED]), &["--delay \"1\"", "--max-pages \"0\""]);
    let said = stderr(&desk.run(&["--config", "values.toml", SEED, "--delay", "fast", "--max-pages", "3"]));
    assert!(said.contains("--delay \"fast\"") && !said.contains("--max-pages"), "{said}");
}

#[test]
fn the_environment_stands_between_the_config_file_and_the_flags() {
    let desk = Desk::new();
    desk.write("c.toml", "delay = \"file\"\nretry-pause = \"file\"\n");
    let environment = [("GOSSAMER_DELAY", "environment"), ("GOSSAMER_CONFIG", "c.toml"), ("GOSSAMER_MAX_TIME", "environment")];
    let output = desk.command(&[SEED, "--max-time", "flag"]).envs(environment).output().expect("the engine is built");
    assert_refused(&output, &["--delay \"environment\"", "--retry-pause \"file\"", "--max-time \"flag\""]);
}

#[test]
fn both_spellings_of_a_flag_are_known() {
    assert_refused(&Desk::new().run(&[SEED, "--worker_hosts", "9000"]), &["the port is missing"]);
    assert_refused(&Desk::new().run(&[SEED, "--max_pages=0"]), &["--max-pages \"0\""]);
}

#[test]
fn urls_of_standard_input_are_checked_too() {
    let desk = Desk::new();
    let mut engine = desk.command(&["-"]);
    let mut engine = engine.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the engine is built");
    engine.stdin.take().expect("it is piped").write_all(b"# seeds\nexample.org\nmailto:a@b\n").expect("it reads its input");
    let output = engine.wait_with_output().expect("it ends");
    assert_refused(&output, &["did you mean https://example.org/ ?", "scheme mailto"]);
}

#[test]
fn where_nothing_listens_each_address_is_told_once_the_patience_is_over() {
    let desk = Desk::new();
    let patience = ["--wait-for-workers", "300ms"];
    let (first, second) = (unheard(), unheard());
    let hosts = format!(":{},:{}", first.1, second.1);
    let output = desk.run(&[&[SEED, "--worker-hosts", &hosts], &patience[..]].concat());
    let errors = [first.1, second.1].map(|port| format!("error connecting to 127.0.0.1:{port}: connection refused: nothing listens there"));
    assert_refused(&output, &["no connections available", &errors[0], &errors[1]]);
    let host = format!(":{}", first.1);
    let output = desk.run(&[&[SEED, "--itemsaver-host", &host], &patience[..]].concat());
    assert_refused(&output, &[&errors[0]]);
    let output = desk.run(&[SEED, "--worker-hosts", "no-such-host.invalid:9000", "--wait-for-workers", "300ms"]);
    assert_refused(&output, &["no connections available", "error connecting to no-such-host.invalid:9000: cannot resolve"]);
}

#[test]
fn max_time_bounds_the_wait_for_the_first_worker_too() {
    let (_port, port) = unheard();
    let output = Desk::new().run(&[SEED, "--worker-hosts", &format!(":{port}"), "--max-time", "300ms"]);
    assert_refused(&output, &["no connections available", &format!("error connecting to 127.0.0.1:{port}")]);
}

/// A port that refuses connections for as long as the first part is kept: bound, and never listened on.
fn unheard() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let port = socket.local_addr().expect("a bound socket has an address").port();
    (socket, port)
}

/// A worker and an itemsaver in this process, on ports of their own.
struct Peers {
    _runtime: tokio::runtime::Runtime,
    worker: String,
    itemsaver: String,
}

impl Peers {
    fn serve(store: &Path) -> Peers {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let bind = || runtime.block_on(rpcsupport::bind("127.0.0.1:0".parse().expect("an address"))).expect("a free port");
        let (at_worker, at_itemsaver) = (bind(), bind());
        let address = |listener: &tokio::net::TcpListener| listener.local_addr().expect("it is bound").to_string();
        let (worker, itemsaver) = (address(&at_worker), address(&at_itemsaver));
        let forever = std::future::pending::<()>;
        let grace = Duration::ZERO;
        runtime.spawn(async move {
            let config = Config { capacity: NonZeroU32::MIN, ..Config::standard() };
            let own = Worker::new(&config, Registry::builtin()).expect("threads");
            worker::run(at_worker, &config, own, forever(), grace).await
        });
        let spec = StoreSpec::Sqlite(store.to_owned());
        runtime.spawn(async move {
            let saver = ItemSaver::open(&spec).await.expect("a store");
            itemsaver::run(at_itemsaver, saver, forever(), grace).await
        });
        Peers { _runtime: runtime, worker, itemsaver }
    }
}

#[test]
fn a_peer_of_the_wrong_role_is_refused_by_name() {
    let desk = Desk::new();
    let stores = tempfile::tempdir().expect("a place for temporary files");
    let Peers { worker, itemsaver, .. } = &Peers::serve(&stores.path().join("items.db"));
    let output = desk.run(&[SEED, "--worker-hosts", itemsaver]);
    assert_refused(&output, &[&format!("error connecting to {itemsaver}: {itemsaver} is an itemsaver, expected a worker")]);
    let output = desk.run(&[SEED, "--itemsaver-host", worker]);
    assert_refused(&output, &[&format!("error connecting to {worker}: {worker} is a worker, expected an itemsaver")]);
}

#[test]
fn a_peer_that_is_no_peer_is_told_as_such() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let host = listener.local_addr().expect("it is bound").to_string();
    let web = Arc::clone(&listener);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = web.accept() {
            let _left = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    for flag in ["--worker-hosts", "--itemsaver-host"] {
        let output = Desk::new().run(&[SEED, flag, &host]);
        assert_refused(&output, &[&format!("error connecting to {host}: "), "is something else listening there?"]);
    }
}
