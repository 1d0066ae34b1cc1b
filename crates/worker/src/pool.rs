//! Threads that parse.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use crate::parse::ParseError;

/// Stack of a parsing thread. Parsing does not recurse, matching a selector does so by the length of the selector; regular expressions
/// are bounded when compiled.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// Jobs that wait for a thread, per thread: enough that no thread idles between two jobs. More wait as futures, holding their bodies,
/// which the byte budget bounds.
const WAITING_PER_THREAD: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// A fixed number of threads on which work that takes long runs, so that neither pings nor fetches wait behind it. They end when the last
/// clone of the pool is dropped and what was begun is done.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    work: mpsc::Sender<Work>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system has no thread to give.
    pub(crate) fn start(threads: NonZeroUsize) -> std::io::Result<Pool> {
        let (work, waiting) = mpsc::channel::<Work>(threads.get() * WAITING_PER_THREAD);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.get() {
            let waiting = Arc::clone(&waiting);
            let next = move || waiting.lock().expect("no holder of this lock panics").blocking_recv();
            let run = move || {
                while let Some(work) = next() {
                    work();
                }
            };
            std::thread::Builder::new().name(format!("parse-{number}")).stack_size(STACK_BYTES).spawn(run)?;
        }
        Ok(Pool { work })
    }

    /// Runs some work. Work whose caller has gone before it began is not run. Work that takes long looks at the flag it is given: it is
    /// set once the caller is gone.
    ///
    /// # Errors
    /// [`ParseError::Panicked`] with what the panic said.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce(Arc<AtomicBool>) -> T + Send + 'static) -> Result<T, ParseError> {
        let (answer, result) = oneshot::channel();
        let caller = Caller(Arc::default());
        let abandoned = Arc::clone(&caller.0);
        let work = move || {
            if answer.is_closed() {
                return;
            }
            let result = caught(|| work(abandoned));
            // A caller that has gone meanwhile wants no answer.
            let _ = answer.send(result);
        };
        let gone = || ParseError::Panicked("the parsing threads are gone".to_owned());
        self.work.send(Box::new(work)).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

/// Runs work that parses on this thread.
///
/// # Errors
/// [`ParseError::Panicked`] with what the panic said.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, ParseError> {
    // What the work leaves half done is its own: nobody looks at it afterwards.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| ParseError::Panicked(message(panic.as_ref())))
}

/// Whoever waits for work; says so when it does not any more.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> Pool {
        Pool::start(NonZeroUsize::new(threads).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_thread_lives_on() {
        let pool = pool(1);
        let panicked = pool.run(|_| -> u8 { panic!("at page {}", 7) }).await;
        assert_eq!(panicked, Err(ParseError::Panicked("at page 7".into())));
        assert_eq!(pool.run(|_| 5).await, Ok(5));
    }

    #[tokio::test]
    async fn work_learns_that_its_caller_is_gone() {
        let pool = pool(1);
        let (begun, begins) = oneshot::channel();
        let (proceed, proceeds) = oneshot::channel();
        let (told, tells) = oneshot::channel();
        let work = pool.run(move |abandoned| {
            begun.send(abandoned.load(Ordering::Relaxed)).unwrap();
            proceeds.blocking_recv().unwrap();
            told.send(abandoned.load(Ordering::Relaxed)).unwrap();
        });
        tokio::select! {
            _ = work => panic!("the work waits for what comes after"),
            before = begins => assert_eq!(before, Ok(false)),
        }
        proceed.send(()).unwrap();
        assert_eq!(tells.await, Ok(true));
    }

    #[tokio::test]
    async fn work_beyond_the_threads_waits_and_all_of_it_is_done() {
        let pool = pool(2);
        let work = (0..100u32).map(|n| pool.run(move |_| n * 2));
        let results: Vec<u32> = futures::future::join_all(work).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..100).map(|n| n * 2).collect::<Vec<_>>());
    }
}
