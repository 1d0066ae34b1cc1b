//! A client that sees the bytes themselves, and a site to point it at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mockserver::{Site, SiteConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far beyond what any answer takes here; a test that reaches it has found a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A site served for one test.
pub(crate) struct Served {
    pub(crate) site: Arc<Site>,
    pub(crate) host: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case; of repeated ones the last.
    pub(crate) headers: HashMap<String, String>,
    /// What followed the head until the server closed.
    pub(crate) raw_body: Vec<u8>,
}

impl Served {
    pub(crate) async fn start(config: SiteConfig) -> Self {
        let site = Arc::new(Site::new(config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(mockserver::run(listener, Arc::clone(&site), stopped));
        Self { site, host, stop, running }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.host)
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(LIMIT, self.running).await.unwrap().unwrap().unwrap();
    }

    /// A connection on which a request has been sent.
    pub(crate) async fn open(&self, method: &str, target: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.host);
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// All bytes of an answer, until the server closes.
    pub(crate) async fn bytes(&self, method: &str, target: &str, headers: &str) -> Vec<u8> {
        let mut stream = self.open(method, target, &format!("Connection: close\r\n{headers}")).await;
        let mut bytes = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &str) -> Answer {
        Answer::parse(&self.bytes(method, target, headers).await)
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: headers.collect(), raw_body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn announced(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }

    /// The body of an honest answer.
    pub(crate) fn body(&self) -> &[u8] {
        assert_eq!(self.announced(), Some(self.raw_body.len()));
        &self.raw_body
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body()).unwrap()
    }
}
