//! What a person sees while it runs: a line that moves on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing_subscriber::fmt::MakeWriter;

use crate::ledger::{ItemCounts, UrlCounts};

/// How often the line on a terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);

/// How often a line is printed where there is no terminal.
const PRINT: Duration = Duration::from_secs(5);

/// What the engine shows of itself, a few times a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Since the process started.
    pub elapsed: Duration,
    /// Pages done, over all starts.
    pub pages: u64,
    /// Those of earlier starts.
    pub pages_before: u64,
    /// Requests by state.
    pub urls: UrlCounts,
    /// Requests at the workers.
    pub in_flight: usize,
    /// Items so far.
    pub items: ItemCounts,
    /// What it waits for, if nothing is being fetched.
    pub waiting_for: Option<String>,
}

/// Whether and how to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A moving line on a terminal, lines elsewhere.
    Auto,
    /// Nothing.
    Nothing,
}

/// Standard error, shared by the log and the line that moves: the one makes way for the other. Clones are the same screen.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    bars: MultiProgress,
}

/// Writes one log line, above the progress line.
#[derive(Debug)]
pub struct LogLine {
    bars: MultiProgress,
}

impl MakeWriter<'_> for Screen {
    type Writer = LogLine;

    fn make_writer(&self) -> LogLine {
        LogLine { bars: self.bars.clone() }
    }
}

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows snapshots on standard error until the engine drops the sender.
pub async fn show(snapshots: watch::Receiver<Snapshot>, show: Show, screen: Screen) {
    match show {
        Show::Nothing => {}
        Show::Auto if io::stderr().is_terminal() => bar(snapshots, &screen).await,
        Show::Auto => lines(snapshots).await,
    }
}

async fn bar(snapshots: watch::Receiver<Snapshot>, screen: &Screen) {
    let bar = screen.bars.add(ProgressBar::no_length());
    let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is fixed");
    bar.set_style(style);
    follow(snapshots, REDRAW, |line| {
        bar.set_message(line);
        bar.tick();
    })
    .await;
    bar.finish_and_clear();
}

async fn lines(snapshots: watch::Receiver<Snapshot>) {
    follow(snapshots, PRINT, |line| tracing::info!("{line}")).await;
}

async fn follow(mut snapshots: watch::Receiver<Snapshot>, every: Duration, mut tell: impl FnMut(String)) {
    let mut rate = Rate::default();
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = gone(&mut snapshots) => return,
        }
        let snapshot = snapshots.borrow().clone();
        let pages_a_second = rate.update(&snapshot);
        tell(line(&snapshot, pages_a_second));
    }
}

/// Returns when the engine has dropped the sender.
async fn gone(snapshots: &mut watch::Receiver<Snapshot>) {
    while snapshots.changed().await.is_ok() {}
}

/// Pages a second over the last while, so that a stall shows and a hiccup does not.
#[derive(Debug, Default)]
struct Rate {
    average: f64,
    last: Option<(Duration, u64)>,
}

/// Time over which the rate is averaged.
const SMOOTHING: Duration = Duration::from_secs(5);

impl Rate {
    fn update(&mut self, snapshot: &Snapshot) -> f64 {
        let now = (snapshot.elapsed, snapshot.pages);
        let before = snapshot.pages_before;
        let last = self.last.replace(now);
        let Some((then, pages)) = last.filter(|_| snapshot.elapsed > SMOOTHING) else {
            self.average = (snapshot.pages - before) as f64 / snapshot.elapsed.as_secs_f64().max(0.001);
            return self.average;
        };
        let seconds = (snapshot.elapsed - then).as_secs_f64();
        if seconds > 0.0 {
            let weight = 1.0 - (-seconds / SMOOTHING.as_secs_f64()).exp();
            self.average += weight * ((snapshot.pages - pages) as f64 / seconds - self.average);
        }
        self.average
    }
}

fn line(snapshot: &Snapshot, pages_a_second: f64) -> String {
    let Snapshot { elapsed, pages, pages_before: _, urls, in_flight, items, waiting_for } = snapshot;
    let waiting = urls.queued.saturating_sub(*in_flight as u64);
    let mut line = format!(
        "{} | {pages} pages, {pages_a_second:.0}/s | {waiting} queued, {in_flight} in flight | {} done, {} failed, {} skipped | {} items",
        clock(*elapsed),
        urls.done,
        urls.dead,
        urls.skipped,
        items.saved,
    );
    if let Some(what) = waiting_for {
        line.push_str(&format!(" | waiting for {what}"));
    }
    line
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(seconds: u64, pages: u64) -> Snapshot {
        let urls = UrlCounts { discovered: 100, done: pages, dead: 2, skipped: 3, queued: 95 - pages };
        Snapshot { elapsed: Duration::from_secs(seconds), pages, urls, in_flight: 5, ..Snapshot::default() }
    }

    #[test]
    fn a_line_tells_rate_queue_flight_and_what_it_waits_for() {
        let mut waiting = snapshot(3661, 20);
        waiting.waiting_for = Some("a worker".to_owned());
        assert_eq!(
            line(&waiting, 7.4),
            "1:01:01 | 20 pages, 7/s | 70 queued, 5 in flight | 20 done, 2 failed, 3 skipped | 0 items | waiting for a worker"
        );
    }

    #[test]
    fn the_rate_follows_and_falls_when_nothing_happens() {
        let mut rate = Rate::default();
        assert_eq!(rate.update(&snapshot(1, 0)), 0.0);
        assert_eq!(rate.update(&snapshot(4, 40)), 10.0);
        assert!((rate.update(&snapshot(6, 60)) - 10.0).abs() < 1e-9);
        assert!(rate.update(&snapshot(26, 60)) < 0.5);
    }
}
