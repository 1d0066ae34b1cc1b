//! `engine frontier copy`: a crawl goes into a database and back, and every page and item is there once.

use std::path::{Path, PathBuf};

use engine::frontier::Address;
use mockserver::Section;
use services::postgres;
use tests::ask::{ask, assert_sound, assert_sound_in, status, status_in};
use tests::crawl::Crawl;
use tests::exact::{assert_complete, assert_fetched_once, assert_stored};
use tests::process::Exit;
use tests::program::Program;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store;

/// A crawl of people that is taken from place to place, its items in one store.
struct World {
    site: PracticeSite,
    folder: tempfile::TempDir,
    itemsaver: Server,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let itemsaver = Server::itemsaver(&folder.path().join("items.db"));
        World { site: PracticeSite::small(), folder, itemsaver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The crawl with this state directory, up to so many pages.
    fn crawl(&self, state: &str, pages: usize) -> Crawl {
        let crawl = Crawl::in_state(&self.path(state)).spider("zhenai").arg(self.site.people_seed());
        crawl.itemsaver(&self.itemsaver).args(["--max-pages", &pages.to_string()])
    }

    fn people(&self) -> Section {
        self.site.people()
    }
}

/// A database as it is told.
fn told_as(database: &str) -> String {
    Address::parse(database).unwrap().to_string()
}

fn copy(arguments: &[&str]) -> Exit {
    let nowhere = tempfile::tempdir().unwrap();
    let program = Program::new("engine").env("GOSSAMER_FRONTIER_PASSWORD", postgres::PASSWORD).within(nowhere.path());
    program.args(["frontier", "copy"]).args(arguments).run()
}

/// Copies, which must succeed. Answers what is told.
fn copied(arguments: &[&str]) -> String {
    let exit = copy(arguments);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""), "{}", exit.stdout);
    exit.stdout
}

fn refused(arguments: &[&str], sentence: &str) {
    let exit = copy(arguments);
    assert_eq!((exit.code, exit.stdout.as_str()), (Some(2), ""), "{}", exit.stderr);
    assert!(exit.stderr.contains(sentence), "{}", exit.stderr);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_crawl_goes_into_a_database_and_back_and_every_page_is_fetched_once() {
    let (world, database) = (World::new(), postgres::database());
    let (first, last) = (world.path("first"), world.path("last"));
    assert_eq!(world.crawl("first", 30).run().report.pages, 30);
    let before = status(&first);
    let told = copied(&["--state", text(&first), "--to-frontier", &database]);
    assert!(told.starts_with(&format!("crawl zhenai is copied to {}, and sound there: ", told_as(&database))), "{told}");
    assert!(told.contains(&format!(" = 30 done + 0 dead + 0 skipped + {} queued; to go on there, ", before.urls.queued)), "{told}");
    assert!(told.contains(&format!("--frontier {}, over another state directory", told_as(&database))), "{told}");
    assert_eq!((status_in(&database).urls, status(&first).urls), (before.urls, before.urls));
    assert_sound(&first);
    assert_sound_in(&database);

    for (pages, restarts) in [(45, 1), (60, 2)] {
        let finished = world.crawl("middle", pages).frontier(&database).run();
        assert_eq!((finished.report.pages, finished.report.restarts), (pages as u64, restarts), "{}", finished.exit.stderr);
    }
    let told = copied(&["--frontier", &database, "--to-state", text(&last)]);
    assert!(told.contains(" = 60 done + 0 dead + 0 skipped + "), "{told}");
    assert!(told.ends_with(&format!("with the same arguments and --state {}, without --frontier\n", last.display())), "{told}");
    assert_eq!(status(&last).urls, status_in(&database).urls);
    assert_sound(&last);

    let finished = world.crawl("last", 100_000).run();
    assert!(finished.exit.stderr.contains("goes on where it was cut short"), "{}", finished.exit.stderr);
    assert_complete(&finished, &world.people());
    assert_eq!((finished.report.restarts, finished.report.fetches), (3, finished.report.pages - 60));
    assert_fetched_once(&world.site, &world.people());
    assert_stored(&store::items(&world.path("items.db")), &world.people());
    assert_sound(&last);
    // Where it was copied from it still stands as it stood then.
    assert_eq!((status(&first).urls, status_in(&database).urls.done), (before.urls, 60));
    assert_sound_in(&database);
}

#[test]
fn a_crawl_goes_from_one_database_to_another_and_ends_there() {
    let (world, [one, other]) = (World::new(), [postgres::database(), postgres::database()]);
    assert_eq!(world.crawl("one", 30).frontier(&one).run().report.pages, 30);
    // Its directory says which database it is in.
    let password = world.path("password");
    std::fs::write(&password, postgres::PASSWORD).unwrap();
    copied(&["--state", text(&world.path("one")), "--to-frontier", &other, "--to-frontier-password-file", text(&password)]);
    let finished = world.crawl("other", 100_000).frontier(&other).run();
    assert_complete(&finished, &world.people());
    assert_fetched_once(&world.site, &world.people());
    assert_stored(&store::items(&world.path("items.db")), &world.people());
    assert_sound_in(&one);
    assert_sound_in(&other);
}

#[test]
fn a_place_that_has_a_crawl_and_a_crawl_that_runs_are_left_alone() {
    let (world, database) = (World::new(), postgres::database());
    let [first, second] = ["first", "second"].map(|name| world.path(name));
    for name in ["first", "second"] {
        world.crawl(name, 3).run();
    }
    let (first, second, empty) = (text(&first), text(&second), world.path("empty"));
    copied(&["--state", first, "--to-frontier", &database]);
    let taken = "already: a copy needs a place without one";
    refused(&["--state", first, "--to-state", second], &format!("there is a crawl in {second} {taken}"));
    refused(&["--state", first, "--to-state", first], &format!("there is a crawl in {first} {taken}"));
    let there = format!("there is a crawl in {}, crawl zhenai {taken}", told_as(&database));
    refused(&["--state", second, "--to-frontier", &database], &there);
    refused(&["--frontier", &database, "--to-frontier", &database], &there);
    refused(&["--state", first], "<--to-state <DIR>|--to-frontier <URL>>");
    refused(&["--state", first, "--to-state", text(&empty), "--to-frontier", &database], "cannot be used with");
    refused(&["--state", text(&empty), "--to-state", second], "there is a crawl in");
    refused(&["--state", text(&empty), "--to-frontier", &database], "there is no crawl in");
    let visible = database.replace("@", ":visible@");
    refused(&["--state", first, "--to-frontier", &visible], "--to-frontier: there is a password in it");
    assert!(!copy(&["--state", first, "--to-frontier", &visible]).stderr.contains("visible"));

    for (crawl, source) in
        [(world.crawl("first", 60), ["--state", first]), (world.crawl("third", 60).frontier(&database), ["--frontier", &database])]
    {
        world.site.hold_after(0);
        let engine = crawl.start();
        // It has the crawl by then.
        engine.process.line("crawl zhenai goes on");
        refused(&[source[0], source[1], "--to-state", text(&empty)], " is in use by the engine ");
        engine.process.kill();
        world.site.release();
    }
    assert!(!empty.join("frontier").exists());
    assert_eq!(ask(&world.path("second"), ["check"]).code, Some(0));
}
