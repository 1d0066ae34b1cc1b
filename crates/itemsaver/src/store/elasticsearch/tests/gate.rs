//! A door before a server that a test can close: it passes requests on, answers them itself, or hangs up. With TLS if wanted.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
pub(super) struct Request {
    /// Method and path.
    pub(super) line: String,
    /// The header `Authorization`, if any.
    pub(super) authorization: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What becomes of a request.
pub(super) enum Verdict {
    Pass,
    /// An answer with this status, and no body that a search server would send.
    Answer(u16),
    /// The connection is closed before the server has it.
    Cut,
    /// The server gets it, and its answer goes nowhere.
    PassAndCut,
}

type Judge = Arc<Mutex<dyn FnMut(&Request) -> Verdict + Send>>;

/// See the module. Closed when dropped.
pub(super) struct Gate {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl Gate {
    /// A door before the server at this URL.
    pub(super) async fn before(url: &str, judge: impl FnMut(&Request) -> Verdict + Send + 'static) -> Gate {
        Gate::open(url, None, judge).await
    }

    /// The same over TLS.
    pub(super) async fn open(url: &str, tls: Option<TlsAcceptor>, judge: impl FnMut(&Request) -> Verdict + Send + 'static) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = url.strip_prefix("http://").unwrap().to_owned();
        let judge: Judge = Arc::new(Mutex::new(judge));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (server, judge, tls) = (server.clone(), Arc::clone(&judge), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &server, &judge).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, &server, &judge).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Gate { port, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request and closes the connection. `None` when a side hung up.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, server: &str, judge: &Judge) -> Option<()> {
    let (head, request) = read(&mut stream).await?;
    let verdict = (judge.lock().unwrap())(&request);
    match verdict {
        Verdict::Cut => return None,
        Verdict::Answer(status) => {
            let answer = format!("HTTP/1.1 {status} Because\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy");
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
        Verdict::Pass | Verdict::PassAndCut => {
            let mut upstream = TcpStream::connect(server).await.ok()?;
            upstream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.ok()?;
            upstream.write_all(&request.body).await.ok()?;
            let mut answer = Vec::new();
            upstream.read_to_end(&mut answer).await.ok()?;
            if matches!(verdict, Verdict::PassAndCut) {
                return None;
            }
            stream.write_all(&answer).await.ok()?;
        }
    }
    stream.shutdown().await.ok()
}

/// The head without its last empty line, and what is in the request.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, Request)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 2;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    body.drain(..2);
    let head = String::from_utf8(bytes).unwrap();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.lines().next().unwrap_or_default().to_owned();
    let authorization = header("authorization");
    Some((head, Request { line, authorization, body }))
}
