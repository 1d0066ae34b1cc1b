//! A folder of files, served as a documentation site is.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::runtime::{runtime, within_limit};

/// A folder on a port of its own until dropped.
#[derive(Debug)]
pub struct StaticSite {
    base: String,
    fetched: Arc<Mutex<BTreeMap<String, u64>>>,
    server: JoinHandle<()>,
}

impl StaticSite {
    /// Serves a folder and all below it. A file is read when it is asked for.
    ///
    /// # Panics
    /// When there is no such folder.
    pub fn serve(folder: &Path) -> StaticSite {
        StaticSite::serve_late(folder, Duration::ZERO)
    }

    /// The same, each answer this much later.
    ///
    /// # Panics
    /// When there is no such folder.
    pub fn serve_late(folder: &Path, latency: Duration) -> StaticSite {
        assert!(folder.is_dir(), "there is no folder {}", folder.display());
        let listener = within_limit("a port", TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let base = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let fetched: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let (folder, log) = (folder.to_owned(), Arc::clone(&fetched));
        let server = runtime().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer_all(stream, folder.clone(), latency, Arc::clone(&log)));
            }
        });
        StaticSite { base, fetched, server }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How often each path was asked for; robots.txt, which comes before the pages, is left out.
    pub fn fetched(&self) -> BTreeMap<String, u64> {
        self.fetched.lock().expect("no holder of this lock panics").clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.fetched.lock().expect("no holder of this lock panics").clear();
    }
}

impl Drop for StaticSite {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer_all(stream: TcpStream, folder: PathBuf, latency: Duration, log: Arc<Mutex<BTreeMap<String, u64>>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path != "/robots.txt" {
            *log.lock().expect("no holder of this lock panics").entry(path.to_owned()).or_default() += 1;
        }
        tokio::time::sleep(latency).await;
        let path = path.split('?').next().unwrap_or_default();
        let file = folder.join(path.trim_start_matches('/'));
        let (status, body) = match path.contains("..") {
            false => tokio::fs::read(&file).await.map_or_else(|_| ("404 Not Found", Vec::new()), |body| ("200 OK", body)),
            true => ("404 Not Found", Vec::new()),
        };
        let (kind, length) = (content_type(&file), body.len());
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).await?;
    }
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}
