//! The site as its clients see it, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod misbehaviour;
mod site;
