//! All that can wake the engine loop.

use crate::control::Ask;
use crate::frontier::{FrontierEvent, OutputMark};
use crate::output::OutputError;
use crate::pool::member::WorkerEvent;
use crate::request_loop::Finished;
use crate::saver::{SavedPage, SaverEvent};

/// What other tasks tell the engine loop. Everything it learns comes through one bounded channel; it never waits for a sender.
#[derive(Debug)]
pub enum Event {
    /// A dispatch ended.
    Finished(Box<Finished>),
    /// The frontier's thread has done something.
    Frontier(FrontierEvent),
    /// Pages are stored, and written to `-o`.
    Saved {
        /// The pages.
        pages: Vec<SavedPage>,
        /// How far `-o` is written, if it is a file.
        output: Option<OutputMark>,
    },
    /// A worker came or went, or takes another number of jobs.
    Worker(WorkerEvent),
    /// The itemsaver came or went.
    Saver(SaverEvent),
    /// Someone asks, or tells it to do something.
    Ask(Ask),
    /// `-o` cannot be written any more.
    Output(OutputError),
    /// The fetch log cannot be written any more, for this reason.
    FetchLog(String),
}

/// Events that may wait for the loop: as many as the default number of request loops can produce at once, ten times over. A sender that
/// finds the channel full waits; the loop takes all that is there at each turn.
pub const EVENTS: usize = 1024;
