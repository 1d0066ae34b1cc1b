//! `mockserver`: the practice site as a program. See the library for what it serves.

mod args;

use std::fs::OpenOptions;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use mockserver::Site;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

use crate::args::Start;

/// It could not start: wrong usage, or the address or a file is not to be had.
const COULD_NOT_START: u8 = 2;

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program speaks to the person who started it")]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match serve(args::start(std::env::args_os())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            // Help and version come as errors too; clap knows which go to stdout.
            Ok(usage) => {
                // A closed stdout or stderr leaves nobody to tell.
                let _printed = usage.print();
                if usage.use_stderr() { ExitCode::from(COULD_NOT_START) } else { ExitCode::SUCCESS }
            }
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::from(COULD_NOT_START)
            }
        },
    }
}

#[allow(clippy::print_stderr, reason = "a program speaks to the person who started it")]
async fn serve(start: anyhow::Result<Start>) -> anyhow::Result<()> {
    let Start { addresses, config, arrival_log } = start?;
    let site = Arc::new(Site::new(config)?);
    if let Some(path) = arrival_log {
        let file = OpenOptions::new().append(true).create(true).open(&path);
        site.log_arrivals_to(file.with_context(|| format!("cannot open {}", path.display()))?);
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = watch::channel(());
    let mut serving = JoinSet::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot bind {address}"))?;
        eprintln!("Listening on {}", listener.local_addr()?);
        let mut stopped = stopped.clone();
        serving.spawn(mockserver::run(listener, Arc::clone(&site), async move { stopped.changed().await }));
    }
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    drop(stop);
    serving.join_all().await.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}
