//! One client's connection: reads requests one after the other, and answers each as the routes say.
//!
//! The wire is written by hand because much of what this site must do is what an HTTP library exists to prevent: lie
//! about lengths, stop in the middle, send nothing at all.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::address::PRACTICE;
use crate::gates::Passage;
use crate::reply::{Answer, Reply, Step};
use crate::request::{Head, Request};
use crate::site::Site;
use crate::{control, markup, routes};

/// A request head longer than this is answered 431; requests for this site are far shorter.
const MOST_HEAD: usize = 64 * 1024;
/// A request body longer than this is answered 413; nothing here reads bodies.
const MOST_BODY: u64 = 64 * 1024;
/// How long a connection may be idle between requests, longer than clients keep one in their pools.
const IDLE: Duration = Duration::from_secs(120);
/// How long a client may leave one write unread.
const STALLED: Duration = Duration::from_secs(60);

pub(crate) struct Connection {
    stream: TcpStream,
    site: Arc<Site>,
    source_port: u16,
    /// Stands in for a missing `Host` header.
    local: String,
    /// What was read and not yet used.
    input: Vec<u8>,
}

/// Whether another request can follow.
enum After {
    Next,
    Close,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, site: Arc<Site>) -> io::Result<Self> {
        // An answer is one write: waiting to fill a segment would only delay it.
        stream.set_nodelay(true)?;
        let source_port = stream.peer_addr()?.port();
        let local = stream.local_addr()?.to_string();
        Ok(Self { stream, site, source_port, local, input: Vec::with_capacity(2 * 1024) })
    }

    /// Serves until either side closes. An error is the client's leaving in the middle.
    pub(crate) async fn serve(mut self) -> io::Result<()> {
        while let Some(request) = self.next_request().await? {
            match self.serve_one(&request).await? {
                After::Next => {}
                After::Close => break,
            }
        }
        self.stream.shutdown().await
    }

    /// The next request with its body read and dropped; `None` when the client is done, idle for too long, or was
    /// answered that its request is bad.
    async fn next_request(&mut self) -> io::Result<Option<Request>> {
        let (request, head_length) = loop {
            if !self.input.is_empty() {
                match Request::parse(&self.input, &self.local) {
                    Head::Whole(request, length) => break (request, length),
                    Head::Partial => {}
                    Head::Bad(why) => return self.refuse(400, why).await,
                }
            }
            if self.input.len() > MOST_HEAD {
                return self.refuse(431, "request head too long").await;
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        };
        self.input.drain(..head_length);
        if request.body_length > MOST_BODY {
            return self.refuse(413, "request body too long").await;
        }
        let body_length = usize::try_from(request.body_length).expect("checked to be small");
        while self.input.len() < body_length {
            if !self.read_more().await? {
                return Ok(None);
            }
        }
        self.input.drain(..body_length);
        Ok(Some(request))
    }

    /// False at the end of the client's bytes, or when it is idle for too long.
    async fn read_more(&mut self) -> io::Result<bool> {
        match timeout(IDLE, self.stream.read_buf(&mut self.input)).await {
            Ok(read) => Ok(read? > 0),
            Err(_elapsed) => Ok(false),
        }
    }

    async fn refuse(&mut self, status: u16, why: &str) -> io::Result<Option<Request>> {
        self.send_reply(&Reply::text(status, why), false, false).await?;
        Ok(None)
    }

    async fn serve_one(&mut self, request: &Request) -> io::Result<After> {
        let site = Arc::clone(&self.site);
        if let Some(order) = control::Order::of(request) {
            let reply = self.unless_client_leaves(control::obey(&site, request, order)).await?;
            return self.finish(request, &reply).await;
        }
        let recording = site.arrivals.record(request, self.source_port);
        tracing::debug!(method = request.method, path = request.target, source_port = self.source_port, "request");
        if request.target.starts_with(PRACTICE) && !self.unless_client_leaves(site.hold.pass()).await? {
            return self.finish(request, &Reply::text(504, "the hold was not released in time")).await;
        }
        if !site.config().latency.is_zero() {
            self.unless_client_leaves(sleep(site.config().latency)).await?;
        }
        match routes::answer(&site, request) {
            Answer::Reply(reply) => {
                recording.answered();
                self.finish(request, &reply).await
            }
            Answer::Later(delay, reply) => {
                self.unless_client_leaves(sleep(delay)).await?;
                recording.answered();
                self.finish(request, &reply).await
            }
            Answer::Gate(name) => {
                let reply = match self.unless_client_leaves(site.gates.pass(&name)).await? {
                    Passage::Passed => Reply::html(markup::document("gate", "<p>the gate is open</p>")),
                    Passage::TimedOut => Reply::text(504, "the gate was not opened in time"),
                    Passage::NoSuchGate => Reply::text(503, "there are too many gates"),
                };
                self.finish(request, &reply).await
            }
            Answer::Script(steps) => {
                for step in steps {
                    self.play(step).await?;
                }
                Ok(After::Close)
            }
        }
    }

    async fn finish(&mut self, request: &Request, reply: &Reply) -> io::Result<After> {
        let keep_alive = request.keep_alive && !reply.is_interim();
        self.send_reply(reply, keep_alive, request.method == "HEAD").await?;
        Ok(if keep_alive { After::Next } else { After::Close })
    }

    async fn send_reply(&mut self, reply: &Reply, keep_alive: bool, head_only: bool) -> io::Result<()> {
        let mut bytes = reply.head(keep_alive);
        if !head_only && !reply.has_no_body() {
            bytes.extend_from_slice(&reply.body);
        }
        self.send(&bytes).await
    }

    async fn play(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Send(bytes) => self.send(&bytes).await,
            Step::Pause(pause) => self.unless_client_leaves(sleep(pause)).await,
            Step::Repeat(bytes, times) => self.repeat(&bytes, times).await,
            Step::Forever(bytes) => loop {
                self.send(&bytes).await?;
            },
            Step::Hang => self.unless_client_leaves(std::future::pending()).await,
        }
    }

    async fn repeat(&mut self, bytes: &Bytes, times: u64) -> io::Result<()> {
        for _ in 0..times {
            self.send(bytes).await?;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match timeout(STALLED, self.stream.write_all(bytes)).await {
            Ok(written) => written,
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Runs something that may take long, but no longer than the client stays: an error when it closes its side.
    async fn unless_client_leaves<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            // A client that pipelines past the limit is not watched any more until this answer is out.
            let watched = self.input.len() <= MOST_HEAD;
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                read = self.stream.read_buf(&mut self.input), if watched => {
                    if read? == 0 {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                }
            }
        }
    }
}
