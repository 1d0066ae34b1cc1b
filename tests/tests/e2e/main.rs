//! End-to-end tests: the real programs against sites of our own, by property. What a single crate can show alone is tested there.

#![allow(clippy::unwrap_used, reason = "this is a test program, helpers included")]

/// Every page once, every item once, whatever the processes are: nothing is killed here.
mod exactness;

/// Processes are killed, frozen, drained and late: nothing is lost, and nothing is stored twice.
mod failures;

/// Several engines have one worker: it is divided among them.
mod shared_worker;

/// Fleets of mixed versions.
mod mixed_versions;

/// A page takes every process with it that parses it: it ends as a dead letter, and all others are fetched.
mod aborts;

/// Every way in which a site can misbehave, and the exact end of each URL.
mod misbehaviour;

/// Many hosts with clocks and robots of their own: the site's log, the fetch log and its audit.
mod politeness;

/// How pages are fetched by option: wishes of pages, types, logins, proxies, cookies.
mod fetch_options;

/// Limits that the user sets on a crawl: pages, items, time, pace, scope, memory.
mod budgets;

/// Signals to the engine, and what they leave behind.
mod interrupt;

/// Crawls that are cut short and go on: killed engines, budgets, changed scope and spiders.
mod resume;

/// The frontier in a database: engines die, are frozen and take over, and so does the database.
mod shared_frontier;

/// A crawl is copied from the state directory into a database and back.
mod frontier_copy;

/// A crawl is asked while it runs and afterwards.
mod inquiry;

/// What a first crawl needs is looked at before it.
mod doctor;

/// A running crawl is told what to do.
mod control;

/// Disks that are full: it is said, and nothing is lost.
mod disk_full;

/// Items in real search servers, which die too.
mod stores;

/// Random trouble over all processes, a handful of seeds.
mod chaos;

/// A real documentation site, compared with an independent walk of its files.
mod documentation_site;

/// Every command of the README.
mod readme;
