//! The workers and the itemsaver of a run.

use tokio::time::Instant;

use super::{DRAIN, Fleet};
use crate::chaos::schedule::{What, Who};
use crate::server::Server;

/// A worker or the itemsaver.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) who: Who,
    pub(super) port: u16,
    pub(super) server: Option<Server>,
    pub(super) told_to_end: bool,
    pub(super) thaw_at: Option<Instant>,
}

impl Fleet<'_> {
    /// Starts a worker or the itemsaver unless it runs. One that was told to end gets its time, and is killed then.
    pub(super) fn start_server(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        if let Some(server) = seat.server.as_ref().filter(|_| seat.told_to_end) {
            seat.thaw_at = None;
            server.process().thaw();
            let in_time = server.process().ends_within(DRAIN);
            if !in_time {
                server.process().kill();
            }
            let exit = server.process().exit();
            assert!(!in_time || exit.code == Some(0), "{} ended with {:?}:\n{}", seat.who, exit.code, exit.stderr);
            self.keep_log(at);
            self.seats[at].server = None;
        }
        let store = self.store();
        let seat = &mut self.seats[at];
        seat.told_to_end = false;
        if seat.server.is_none() {
            seat.server = Some(match seat.who {
                Who::Itemsaver => Server::itemsaver_on(seat.port, &store),
                Who::Worker(_) | Who::Engine(_) | Who::Database => Server::worker_on(seat.port),
            });
        }
    }

    pub(super) fn harm_server(&mut self, at: usize, what: What) {
        let seat = &mut self.seats[at];
        let Some(server) = &seat.server else { return };
        match what {
            What::Kill => {
                server.process().kill();
                self.keep_log(at);
                self.seats[at].server = None;
            }
            What::Terminate => {
                server.process().terminate();
                seat.told_to_end = true;
            }
            What::Freeze(time) => {
                server.process().freeze();
                seat.thaw_at = Some(Instant::now() + time);
            }
            What::Outage(_) | What::Start => unreachable!("to start is no harm, and an outage is one of the database"),
        }
    }

    /// Ends all servers, which must be there still and well.
    pub(super) fn close(&mut self) {
        for at in 0..self.seats.len() {
            let Seat { who, server, .. } = &self.seats[at];
            let process = server.as_ref().expect("all are there").process();
            assert!(process.is_running(), "{who} ended by itself:\n{}", process.exit().stderr);
            process.terminate();
            let exit = process.exit();
            assert_eq!(exit.code, Some(0), "{who}:\n{}", exit.stderr);
            self.keep_log(at);
        }
    }

    fn keep_log(&self, at: usize) {
        let Seat { who, server, .. } = &self.seats[at];
        let process = server.as_ref().expect("who ended was there").process();
        self.write_log(&format!("{who}-{}", process.id()), &process.exit());
    }
}
