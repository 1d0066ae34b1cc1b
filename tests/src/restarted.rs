//! A worker that is started again whenever it aborts.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::port;
use crate::program::Program;
use crate::server::Server;

/// A worker that comes back on its port as often as it aborts. Dropped, it is killed and stays away.
#[derive(Debug)]
pub struct Restarted {
    host: String,
    kept: Kept,
    keeper: Option<JoinHandle<u64>>,
}

/// The process of now; none once it is to stay away.
type Kept = Arc<Mutex<Option<Arc<Server>>>>;

impl Restarted {
    /// The first start of a worker binary.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start(program: &'static str) -> Restarted {
        let port = port::reserve();
        let server = Arc::new(Server::listening(Program::new(program), port));
        let host = server.host().to_owned();
        let kept: Kept = Arc::new(Mutex::new(Some(server)));
        let keeper = std::thread::spawn({
            let kept = Arc::clone(&kept);
            move || keep(&kept, program, port)
        });
        Restarted { host, kept, keeper: Some(keeper) }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Kills it for good. Returns how often it has aborted.
    ///
    /// # Panics
    /// When it ended in another way, or did not listen again in time.
    pub fn end(mut self) -> u64 {
        self.stay_away();
        let keeper = self.keeper.take().expect("it is taken here alone");
        keeper.join().expect("the worker ends by aborting and listens again")
    }

    fn stay_away(&self) {
        // Poisoned: the keeper has failed, and the process is killed as it is dropped.
        let server = self.kept.lock().ok().and_then(|mut kept| kept.take());
        if let Some(server) = server {
            server.process().kill();
        }
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        self.stay_away();
    }
}

/// Starts it again until it is to stay away. Returns how often it has aborted.
fn keep(kept: &Kept, program: &str, port: u16) -> u64 {
    let mut aborts = 0;
    loop {
        let Some(server) = kept.lock().expect("no holder of this lock panics").clone() else { return aborts };
        let exit = server.process().exit();
        // It may have aborted a moment before it was killed: that counts as well.
        aborts += u64::from(exit.aborted);
        let mut kept = kept.lock().expect("no holder of this lock panics");
        if kept.is_none() {
            return aborts;
        }
        assert!(exit.aborted, "{program} ended by itself:\n{}", exit.stderr);
        *kept = Some(Arc::new(Server::listening(Program::new(program), port)));
    }
}
