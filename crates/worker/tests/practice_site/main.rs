//! A worker against the practice site: `spiders` compares what it finds with what the site knows of itself, `misbehave` goes through the
//! ways in which a server can go wrong, `robots` asks for rules, `sitemaps` for lists of pages, `options` goes through what a job can ask for, `safety` is about addresses, `tls` about certificates, `serving` is about the worker behind its listener, `watching` about who is told of parses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod site;

mod spiders;

mod misbehave;

mod options;

mod robots;

mod sitemaps;

mod safety;

mod serving;

mod tls;

mod watching;
