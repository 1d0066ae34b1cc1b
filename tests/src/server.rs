//! Workers and itemsavers of our own.

use std::path::Path;

use crate::process::Process;
use crate::program::Program;

/// A process that listens. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    process: Process,
    host: String,
}

impl Server {
    /// A worker on a free port.
    ///
    /// # Panics
    /// When it does not listen in time; so do the others.
    pub fn worker() -> Server {
        Server::listening(Program::new("worker"), 0)
    }

    /// A worker on this port.
    pub fn worker_on(port: u16) -> Server {
        Server::listening(Program::new("worker"), port)
    }

    /// So many workers.
    pub fn workers(count: usize) -> Vec<Server> {
        (0..count).map(|_| Server::worker()).collect()
    }

    /// So many workers that take so many jobs at a time: more than one of them holds must be shared.
    pub fn workers_with_capacity(count: usize, capacity: usize) -> Vec<Server> {
        let worker = || Server::listening(Program::new("worker").arg(format!("--capacity={capacity}")), 0);
        (0..count).map(|_| worker()).collect()
    }

    /// An itemsaver on a free port that stores in this file.
    pub fn itemsaver(store: &Path) -> Server {
        Server::itemsaver_on(0, store)
    }

    /// An itemsaver on this port that stores in this file.
    pub fn itemsaver_on(port: u16, store: &Path) -> Server {
        Server::listening(Program::new("itemsaver").arg("--store").arg(format!("sqlite:{}", store.display())), port)
    }

    /// A worker or itemsaver with arguments of its own, on a free port.
    pub fn of(program: Program) -> Server {
        Server::listening(program, 0)
    }

    /// A program that says where it listens, on this port.
    pub(crate) fn listening(program: Program, port: u16) -> Server {
        let process = program.args(["--listen", &format!("127.0.0.1:{port}")]).start();
        let line = process.line("Listening on ");
        let (_, host) = line.split_once("Listening on ").expect("the line was asked for");
        Server { host: host.to_owned(), process }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
