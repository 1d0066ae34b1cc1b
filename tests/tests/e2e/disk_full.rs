//! A full disk: it is said which place is full, and nothing is lost.

use std::path::{Path, PathBuf};

use tests::exact::{assert_complete_report, assert_fetched, assert_stored};
use tests::process::Exit;
use tests::program::{Program, workspace};
use tests::report::Report;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::small_disk::SmallDisk;
use tests::store;

/// Room for the beginning of a store.
const TOO_SMALL_KIB: u64 = 700;
const ENOUGH_KIB: u64 = 512 * 1024;

fn engine(disk: &SmallDisk, state: &Path, report: &Path, site: &PracticeSite) -> Program {
    let spider = workspace().join("spiders/zhenai.toml");
    let program = disk.program("engine").arg("--state").arg(state).arg("--report").arg(report).arg("--spider").arg(spider);
    program.arg(site.people_seed())
}

fn assert_exact(exit: &Exit, report: &Path, items: &[store::StoredItem], site: &PracticeSite) {
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert_complete_report(&Report::read(report), &site.people());
    assert_fetched(site, &site.people());
    assert_stored(items, &site.people());
}

/// Large enough that it does not fit.
fn site() -> PracticeSite {
    PracticeSite::serve(mockserver::SiteConfig { cars: 0, ..mockserver::SiteConfig::practice() })
}

#[test]
fn an_itemsaver_on_a_full_disk_is_waited_for_with_the_reason_and_nothing_is_lost() {
    let (site, disk, folder) = (site(), SmallDisk::of_kib(TOO_SMALL_KIB), tempfile::tempdir().unwrap());
    let stored: PathBuf = disk.path().join("items.db");
    let itemsaver = Server::of(disk.program("itemsaver").arg("--store").arg(format!("sqlite:{}", stored.display())));
    let (state, report) = (folder.path().join("state"), folder.path().join("report.json"));
    let engine = engine(&disk, &state, &report, &site).args(["--itemsaver-host", itemsaver.host()]).start();
    let line = engine.line("the disk is full");
    assert!(line.contains(&stored.display().to_string()) && line.contains("pages wait for the itemsaver"), "{line}");
    disk.grow_to_kib(ENOUGH_KIB);
    engine.line("the itemsaver is back");
    let exit = engine.exit();
    let store = format!("sqlite:{}", stored.display());
    let export = disk.program("itemsaver").args(["export", "--store", &store, "--format", "jsonl"]).run();
    assert_exact(&exit, &report, &store::of_lines(&export.stdout), &site);
}
