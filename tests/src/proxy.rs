//! A proxy of the tests: it answers every request itself, with a page, and records what it was sent.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::runtime::{runtime, within_limit};

/// What it answers with.
const PAGE: &str = "<!DOCTYPE html><title>A page through a proxy</title>";

/// A proxy on a port until dropped.
#[derive(Debug)]
pub struct Proxy {
    heads: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on this port of 127.0.0.1.
    ///
    /// # Panics
    /// When the port is not free.
    pub fn on(port: u16) -> Proxy {
        let listener = within_limit("a port", TcpListener::bind((Ipv4Addr::LOCALHOST, port))).expect("the port is free");
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&heads);
        let server = runtime().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer_all(stream, Arc::clone(&log)));
            }
        });
        Proxy { heads, server }
    }

    /// The heads of all requests so far, in lower case.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no holder of this lock panics").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer_all(stream: TcpStream, log: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head).await? == 0 {
                return Ok(());
            }
        }
        log.lock().expect("no holder of this lock panics").push(String::from_utf8_lossy(&head).to_lowercase());
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{PAGE}", PAGE.len());
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}
