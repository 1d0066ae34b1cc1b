//! Records what a worker answers, see `tests::recorded`.

use std::path::PathBuf;

use clap::Parser;

/// Stands between an engine and a worker and records the conversation, until the engine ends.
#[derive(Debug, Parser)]
#[command(name = "record", max_term_width = 100)]
struct Args {
    /// Port to listen on
    #[arg(long)]
    port: u16,
    /// The worker, as HOST:PORT
    #[arg(long)]
    worker: String,
    /// The file to write
    file: PathBuf,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let Args { port, worker, file } = Args::parse();
    tests::recorded::record(port, &worker, &file).await
}
