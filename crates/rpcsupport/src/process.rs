//! What every binary does at its edge: read its arguments, log, take what it may of the system, notice that it should end.

use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The command line, with `--worker_hosts` spelled `--worker-hosts`: both spellings of every flag work, as in the Go course.
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().map(dashed).collect()
}

fn dashed(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if text.starts_with("--") && text.len() > 2 => {
            let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
            OsString::from(name.replace('_', "-") + value)
        }
        _ => argument,
    }
}

/// A time as flags have it: `400ms`, `30s`, `5min`, `1h`. A number without its unit is none.
///
/// # Errors
/// A sentence that says what was expected.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "expected a time with its unit, such as 400ms, 30s, 5min or 1h")
}

/// Logs to standard error: warnings for -1, the story of the process for 0, every page for 1, everything for 2.
/// `GOSSAMER_LOG` (`worker=debug,tarpc=info`) says it in detail instead.
pub fn init_log(verbosity: i8) {
    init_log_to(verbosity, std::io::stderr);
}

/// As [`init_log`], to a writer that ends on standard error, such as one that keeps lines and a progress bar apart.
pub fn init_log_to(verbosity: i8, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    let ours = match verbosity {
        ..=-1 => "warn",
        0 => "info",
        1 => "debug",
        2.. => "trace",
    };
    let (libraries, tarpc) = if verbosity >= 2 { ("debug", "debug") } else { ("warn", "off") };
    // tarpc tells of every call that a lost connection takes along; the engine says it once.
    let default = format!(
        "{libraries},tarpc={tarpc},engine={ours},worker={ours},itemsaver={ours},rpcsupport={ours},frontend={ours},mockserver={ours}"
    );
    let filter = EnvFilter::try_from_env("GOSSAMER_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    log.with_ansi(colours).with_target(false).with_timer(TimeOfDay).init();
}

/// The time of day, UTC, to the millisecond: a crawl's log is read by the person who started it.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
        write!(writer, "{hours:02}:{minutes:02}:{:02}.{:03}Z", seconds % 60, since.subsec_millis())
    }
}

/// Lets this process open as many files and connections as it may at all. The usual limit, 1,024, is a suggestion that is less than a thousand
/// requests in flight need, and a frontier that gets no file any more is at its end.
pub fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, "cannot raise the number of files that may be open");
    }
}

/// Resolves on the first SIGINT or SIGTERM after this call, whenever it is awaited first. Called again it is about the next one.
///
/// # Panics
/// Outside of a runtime.
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::error!("cannot listen for signals; end this process with SIGKILL");
            return std::future::pending().await;
        };
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        for (text, seconds) in
            [("400ms", 0.4), ("30s", 30.0), ("5min", 300.0), ("5m", 300.0), ("1h", 3600.0), ("1h 30m", 5400.0), ("1.5s", 1.5), ("0s", 0.0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for bad in ["30", "s", "-1s", "", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_process_may_open_all_that_it_is_allowed_at_all() {
        raise_file_limit();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
    }

    #[test]
    fn both_spellings_of_a_flag_are_one_and_values_are_left_alone() {
        for (given, read) in [
            ("--worker_hosts", "--worker-hosts"),
            ("--worker_hosts=a_b:1", "--worker-hosts=a_b:1"),
            ("a_b", "a_b"),
            ("-a_b", "-a_b"),
            ("--", "--"),
        ] {
            assert_eq!(dashed(given.into()), read);
        }
    }
}
