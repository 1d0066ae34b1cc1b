//! A page takes every process with it that parses it: it ends as a dead letter, and all others are fetched.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tests::aborting::{ABORT_PARSER, MARK};
use tests::crawl::{Crawl, Finished};
use tests::exact::assert_same;
use tests::program::Program;
use tests::report::Dead;
use tests::restarted::Restarted;
use tests::server::Server;
use tests::static_site::StaticSite;
use tests::store::{self, StoredItem};

/// Pages that the first page leads to, and that the parser `abort` reads. Each leads to another one, read by `page`.
const PAGES: usize = 40;

/// How often a page that aborts is parsed: three times among others, three times alone.
const ABORTS: u64 = 6;

/// A site, the spider that reads it, and a place for what is kept of it.
struct Book {
    folder: TempDir,
    site: StaticSite,
}

impl Book {
    /// With the page that aborts in the middle of the others.
    fn that_aborts() -> Book {
        Book::new(Some(PAGES / 2))
    }

    fn harmless() -> Book {
        Book::new(None)
    }

    fn new(abort_at: Option<usize>) -> Book {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        let mut links = String::new();
        for number in 0..PAGES {
            if abort_at == Some(number) {
                write!(links, "<a href=\"{MARK}.html\">abort</a>").unwrap();
                write(&format!("{MARK}.html"), "<title>never read</title>".to_owned());
            }
            write!(links, "<a href=\"page-{number}.html\">page</a>").unwrap();
            write(&format!("page-{number}.html"), format!("<title>page {number}</title><a href=\"note-{number}.html\">note</a>"));
            write(&format!("note-{number}.html"), format!("<title>note {number}</title>"));
        }
        write("index.html", links);
        let site = StaticSite::serve(folder.path());
        Book { folder, site }
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.site.base())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the spider. `head` stands before its parsers.
    fn spider(&self, head: &str) -> PathBuf {
        let seed = self.url("index.html");
        let parsers = format!("[parsers.index]\nlinks = [{{ css = \"a\", parser = \"{ABORT_PARSER}\" }}]\n");
        let file = self.path("book.toml");
        std::fs::write(&file, format!("name = \"book\"\nseeds = [\"{seed}\"]\n{head}\n{parsers}")).unwrap();
        file
    }

    /// Titles by the page they are on: what is stored in the end.
    fn titles(&self) -> BTreeMap<String, String> {
        let both = |number| ["page", "note"].map(|kind| (self.url(&format!("{kind}-{number}.html")), format!("{kind} {number}")));
        (0..PAGES).flat_map(both).collect()
    }

    /// All but the page that aborts was fetched and stored. Returns how many requests of these pages were repetitions.
    fn assert_all_else(&self, finished: &Finished, items: &[StoredItem]) -> u64 {
        let title = |item: &StoredItem| (item.source.page.clone(), item.payload["title"].as_str().unwrap().to_owned());
        let expected = self.titles();
        assert_eq!(items.len(), expected.len(), "each page is stored once");
        assert_same(&items.iter().map(title).collect(), &expected);
        let mut fetched = self.site.fetched();
        fetched.remove(&format!("/{MARK}.html"));
        let once = |paths: &mut dyn Iterator<Item = String>| paths.map(|path| (path, 1)).collect::<BTreeMap<String, u64>>();
        let names = expected.keys().cloned().chain([self.url("index.html")]);
        let path = |url: String| url.strip_prefix(self.site.base()).unwrap().to_owned();
        assert_same(&once(&mut fetched.keys().cloned()), &once(&mut names.map(path)));
        let report = &finished.report;
        assert_eq!((report.urls.done, report.pages, report.urls.skipped), (fetched.len() as u64, fetched.len() as u64, 0));
        fetched.values().sum::<u64>() - fetched.len() as u64
    }

    /// The page that aborts was asked for as often as it may abort, and is the one dead letter.
    fn assert_one_dead_letter(&self, finished: &Finished) {
        assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
        assert!(finished.report.complete);
        let url = self.url(&format!("{MARK}.html"));
        assert_eq!(finished.report.dead, [Dead { url, reason: "lost its worker".to_owned() }]);
        assert_eq!(self.site.fetched()[&format!("/{MARK}.html")], ABORTS);
    }
}

fn by_engine_of_its_own(state: &Path, spider: &Path) -> Crawl {
    Crawl::by("aborting_engine", state).arg("--spider").arg(spider)
}

#[test]
fn a_page_that_aborts_its_worker_is_given_up_after_six_workers_and_costs_no_other_page() {
    let book = Book::that_aborts();
    let spider = book.spider(&format!("worker-parsers = [\"{ABORT_PARSER}\"]"));
    let store = book.path("items.db");
    let itemsaver = Server::itemsaver(&store);
    let workers = [(); 2].map(|()| Restarted::start("aborting_worker"));
    let hosts = workers.each_ref().map(Restarted::host).join(",");
    let finished = Crawl::new().arg("--spider").arg(spider).args(["--worker-hosts", &hosts]).itemsaver(&itemsaver).run();
    book.assert_one_dead_letter(&finished);
    let repeated = book.assert_all_else(&finished, &store::items(&store));
    let lost: u64 = finished.report.workers.iter().map(|worker| worker.failed).sum();
    assert!(repeated <= lost - ABORTS, "{repeated} repeated, {lost} lost");
    assert_eq!(workers.map(Restarted::end).iter().sum::<u64>(), ABORTS);
}

#[test]
fn an_engine_with_a_parser_of_its_own_knows_it_and_reads_with_it() {
    let book = Book::harmless();
    let spider = book.spider("");
    let refused = Program::new("engine").arg("--spider").arg(&spider).within(book.folder.path()).run();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains(&format!("unknown parser name `{ABORT_PARSER}`")), "{}", refused.stderr);
    let finished = by_engine_of_its_own(Path::new("state"), &spider).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_eq!(book.assert_all_else(&finished, &finished.items()), 0);
}

#[test]
fn a_page_that_aborts_the_engine_itself_is_given_up_after_six_starts_and_costs_no_other_page() {
    let book = Book::that_aborts();
    let (spider, state) = (book.spider(""), book.path("state"));
    let mut aborts = 0;
    let finished = loop {
        let engine = by_engine_of_its_own(&state, &spider).start();
        if !engine.process.exit().aborted {
            break engine.finish();
        }
        aborts += 1;
        assert!(aborts <= ABORTS, "a page may abort {ABORTS} engines, not more");
    };
    assert_eq!((aborts, finished.report.restarts), (ABORTS, ABORTS));
    book.assert_one_dead_letter(&finished);
    book.assert_all_else(&finished, &store::items(&state.join("items.db")));
}
