//! Ports that are known before anything listens on them, for processes that come later or come back.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what systems give out by themselves (from 32768 on here), so that no connection takes one between reservation and use.
const FIRST: u32 = 20_000;
const COUNT: u32 = 10_000;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 that nothing listens on and that this process has not reserved before. Test programs that run at the same time
/// begin at different places.
///
/// # Panics
/// When none is free.
pub fn reserve() -> u16 {
    let start = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + start.wrapping_add(taken) % COUNT).expect("all of them are ports");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {FIRST} to {} is free", FIRST + COUNT);
}
