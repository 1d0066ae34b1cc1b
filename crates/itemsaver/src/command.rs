//! What the program does once its command line is understood.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use itemsaver::export::{ExportError, ExportFormat, Exported, ItemWriter, OutputFile, export};
use itemsaver::history::{ChangeJson, history_text};
use itemsaver::import::{Imported, import};
use itemsaver::listing::{counts_table, items_table};
use itemsaver::search::ItemQuery;
use itemsaver::store::{ItemFilter, Reindexed, StoredItem, reindex};
use itemsaver::{AnyStore, ItemSaver, Store, StoreSpec};
use model::search::{MAX_HITS, SearchRequest};
use rpcsupport::process::shutdown_signal;

use crate::args::{Config, Task, one_line, place_of};

/// Output collected before it is written: fewer calls, little memory.
const BUFFER: usize = 64 * 1024;

/// Searches in a row, each of which lets the index catch up for a moment: a million items.
const CATCH_UPS: usize = 3000;

/// Columns of another type than told, of which each is named.
const TOLD: usize = 10;

/// Why the program ends otherwise than well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not start; nothing was done.
    Start(String),
    /// It was begun and not finished.
    Midway(String),
}

impl Failure {
    fn start(error: impl ToString) -> Failure {
        Failure::Start(error.to_string())
    }

    fn midway(error: impl ToString) -> Failure {
        Failure::Midway(error.to_string())
    }
}

/// Which items an export writes.
type Wanted<'a> = (&'a ItemFilter, Option<&'a ItemQuery>);

/// Does the task.
pub(crate) async fn run(config: Config) -> Result<ExitCode, Failure> {
    match config.task {
        Task::Serve { address, grace, history } => serve(&config.store, address, grace, history).await,
        Task::Export { filter, query, format, output } => {
            if let Some(path) = output.as_deref().filter(|path| config.store.is_at(path)) {
                return Err(Failure::Start(format!("cannot write {}: it is part of the store {}", path.display(), config.store)));
            }
            let store = AnyStore::open_to_read(&config.store).await.map_err(Failure::start)?;
            export_to(&store, (&filter, query.as_ref()), format, output).await
        }
        Task::List { filter, limit } => {
            let store = AnyStore::open_to_read(&config.store).await.map_err(Failure::start)?;
            list(&store, &filter, limit).await
        }
        Task::Count { filter } => {
            let store = AnyStore::open_to_read(&config.store).await.map_err(Failure::start)?;
            let mut stats = store.stats().await.map_err(Failure::midway)?;
            stats.items_by_type.retain(|(item_type, _)| filter.item_type.as_ref().is_none_or(|wanted| wanted == item_type));
            print(&counts_table(&stats))
        }
        Task::Search { query, sort, limit, json } => {
            let store = AnyStore::open_to_read(&config.store).await.map_err(Failure::start)?;
            let request =
                SearchRequest { query, sort, limit: u32::try_from(limit).unwrap_or(MAX_HITS).min(MAX_HITS), ..SearchRequest::default() };
            find(&config.store, &store, request, json).await
        }
        Task::History { item_type, id, json } => {
            let store = AnyStore::open_to_read(&config.store).await.map_err(Failure::start)?;
            past(&store, &item_type, &id, json).await
        }
        Task::Import { input, history } => {
            let open = |path: PathBuf| match std::fs::File::open(&path) {
                Ok(file) => Ok((Box::new(BufReader::with_capacity(BUFFER, file)) as Box<dyn BufRead>, path.display().to_string())),
                Err(error) => Err(Failure::Start(format!("cannot read {}: {error}", path.display()))),
            };
            // Read whole lines at a time: nobody else reads standard input.
            let (mut input, name) = match input {
                Some(path) => open(path)?,
                None => (Box::new(io::stdin().lock()) as Box<dyn BufRead>, "standard input".to_owned()),
            };
            let opened = if history { AnyStore::open_with_history(&config.store).await } else { AnyStore::open(&config.store).await };
            let store = opened.map_err(Failure::start)?;
            let imported = import(&store, &mut input, &name).await;
            store.close().await;
            imports(&imported.map_err(Failure::midway)?, &config.store)
        }
        Task::Reindex => match &config.store {
            StoreSpec::Server(server) => reindexed(reindex(server).await.map_err(Failure::midway)?),
            StoreSpec::Sqlite(_) => Err(Failure::Start(format!("{} has no index to move: its columns follow the schemas", config.store))),
        },
    }
}

#[allow(clippy::print_stderr, reason = "a program tells the person who started it where it listens and stores")]
async fn serve(store: &StoreSpec, address: SocketAddr, grace: Duration, history: bool) -> Result<ExitCode, Failure> {
    let opened = if history { ItemSaver::open_with_history(store).await } else { ItemSaver::open(store).await };
    let saver = opened.map_err(Failure::start)?;
    let listener = rpcsupport::bind(address).await.map_err(Failure::start)?;
    let address = listener.local_addr().map_err(Failure::start)?;
    if !address.ip().is_loopback() {
        eprintln!("warning: other machines reach {address}, and nothing on this wire is encrypted or authenticated");
    }
    let mut shutdown = pin!(shutdown_signal());
    // Polled before anybody is told the address: a signal sent from then on is heard, and does not kill.
    tokio::select! { biased; () = &mut shutdown => return Ok(ExitCode::SUCCESS), () = async {} => {} }
    eprintln!("storing in {store}{}", if history { ", with what changes in items" } else { "" });
    eprintln!("Listening on {address}");
    let drained = itemsaver::run(listener, saver, shutdown, grace).await;
    match drained.left {
        0 => Ok(ExitCode::SUCCESS),
        left => Err(Failure::Midway(format!(
            "{left} batches were cut off after {} s of grace; they were not acknowledged",
            grace.as_secs_f32()
        ))),
    }
}

#[allow(clippy::print_stderr, reason = "standard output is for the items")]
async fn export_to(store: &AnyStore, wanted: Wanted<'_>, format: ExportFormat, output: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let exported = match &output {
        Some(path) => export_to_file(store, wanted, format, path).await?,
        None => {
            let out = BufWriter::with_capacity(BUFFER, io::stdout());
            match export(store, wanted.0, wanted.1, format, out, "standard output").await {
                // Whoever reads has read enough, as `head` does.
                Err(ExportError::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                exported => exported.map_err(Failure::midway)?,
            }
        }
    };
    let Exported { items, left_out, widened } = exported;
    if let Some(path) = output {
        eprintln!("{items} items in {}", path.display());
    }
    for column in widened.iter().take(TOLD) {
        eprintln!("{}", one_line(&column.to_string()));
    }
    if let Some(more) = widened.len().checked_sub(TOLD).filter(|more| *more > 0) {
        eprintln!("and {more} columns more");
    }
    if left_out > 0 {
        return Err(Failure::Midway(format!(
            "{left_out} values are missing: their fields are new since the export began and had no column yet, or they did not fit into it; export again"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

async fn export_to_file(store: &AnyStore, wanted: Wanted<'_>, format: ExportFormat, path: &Path) -> Result<Exported, Failure> {
    let name = path.display().to_string();
    let mut file = OutputFile::create(path).map_err(|error| Failure::Start(format!("cannot write {name}: {error}")))?;
    let out = BufWriter::with_capacity(BUFFER, &mut file);
    let exported = export(store, wanted.0, wanted.1, format, out, &name).await.map_err(Failure::midway)?;
    file.finish().map_err(|error| Failure::Midway(format!("cannot write {name}: {error}")))?;
    Ok(exported)
}

#[allow(clippy::print_stderr, reason = "standard output is for the items")]
async fn list(store: &AnyStore, filter: &ItemFilter, limit: usize) -> Result<ExitCode, Failure> {
    let mut after = None;
    let mut left = limit;
    loop {
        let chunk = store.items(filter, after.as_ref()).await.map_err(Failure::midway)?;
        let shown: &[StoredItem] = &chunk.items[..chunk.items.len().min(left)];
        left -= shown.len();
        if !shown.is_empty() {
            print(&items_table(shown))?;
        }
        let more = shown.len() < chunk.items.len() || chunk.next.is_some();
        after = chunk.next;
        if left == 0 && more {
            eprintln!("the first {limit} items; --limit shows more, --count counts them");
        } else if left == limit {
            eprintln!("no items");
        }
        if left == 0 || after.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

#[allow(clippy::print_stderr, reason = "standard output is for the items")]
async fn find(spec: &StoreSpec, store: &AnyStore, request: SearchRequest, json: bool) -> Result<ExitCode, Failure> {
    let mut answer = itemsaver::search::answer(store, &request).await.map_err(Failure::midway)?;
    if answer.behind > 0
        && let Ok(writer) = AnyStore::open(spec).await
    {
        // What a crawl left to be indexed when it ended. Another process that stores all the time need not be caught up with.
        for _ in 0..CATCH_UPS {
            answer = itemsaver::search::answer(&writer, &request).await.map_err(Failure::midway)?;
            if answer.behind == 0 {
                break;
            }
        }
        writer.close().await;
    }
    if let Some(mistake) = &answer.mistake {
        return Err(Failure::Start(place_of(&request.query, mistake)));
    }
    let more = if answer.more { "more than " } else { "" };
    let (shown, count) = (answer.hits.len(), answer.count);
    let stored: Vec<StoredItem> = answer.hits.into_iter().map(|hit| StoredItem { item: hit.item, source: hit.source }).collect();
    if json {
        let mut lines = Vec::new();
        let mut writer = ItemWriter::jsonl(&mut lines);
        stored.iter().try_for_each(|stored| writer.write(&stored.item, &stored.source)).map_err(Failure::midway)?;
        print(&String::from_utf8_lossy(&lines))?;
    } else if shown > 0 {
        print(&items_table(&stored))?;
    }
    eprintln!("{shown} of {more}{count} items");
    if answer.behind > 0 {
        eprintln!("{} items stored lately cannot be found yet: an itemsaver that has the store open makes up for it", answer.behind);
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stderr, reason = "standard output is for the changes")]
async fn past(store: &AnyStore, item_type: &str, id: &str, json: bool) -> Result<ExitCode, Failure> {
    let changes = store.history(item_type, id).await.map_err(Failure::midway)?;
    if json {
        let lines = changes.iter().map(|change| serde_json::to_string(&ChangeJson::of(item_type, id, change)));
        let lines = lines.map(|line| line.map(|line| line + "\n")).collect::<Result<String, _>>();
        print(&lines.map_err(Failure::midway)?)?;
    } else {
        print(&history_text(&changes))?;
    }
    if changes.is_empty() {
        eprintln!("no changes of {item_type} {id} are known; an itemsaver keeps them that is started with --history");
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stderr, reason = "standard output is for the items")]
fn imports(imported: &Imported, store: &StoreSpec) -> Result<ExitCode, Failure> {
    let Imported { items, rejected, first } = imported;
    eprintln!("{items} items in {store}");
    if *rejected == 0 {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::Midway(format!("{rejected} items were rejected:\n  {}", first.join("\n  "))))
    }
}

#[allow(clippy::print_stderr, reason = "standard output is for the items")]
fn reindexed(done: Reindexed) -> Result<ExitCode, Failure> {
    match done {
        Reindexed::Moved { from, to, items } => {
            eprintln!("{items} items are in {to}; {from} is still there, unused: delete it when nobody needs it");
            Ok(ExitCode::SUCCESS)
        }
        Reindexed::DoNotFit { items, first } => {
            let first = first.join("\n  ");
            Err(Failure::Midway(format!("{items} items do not fit the fields told now; nothing was moved. The first are:\n  {first}")))
        }
    }
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Midway(format!("cannot write standard output: {error}"))),
        _ => Ok(ExitCode::SUCCESS),
    }
}
