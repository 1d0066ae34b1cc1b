//! Frames that are ready at about the same time are written together.
//!
//! A write of its own for each frame costs two system calls and a wake-up at the other end, which is more than most frames take to make. So
//! what is to be flushed waits until the tasks that are ready to run have had their turn, or until whoever flushes asks once more, as one does
//! that has read something meanwhile: under load others add frames of their own, and without load nobody is waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Sink, SinkExt, Stream, StreamExt};

/// A transport whose flush lets the other tasks go first.
pub(crate) struct Together<T> {
    inner: Pin<Box<T>>,
    flush: Flush,
}

/// How far the next flush is.
enum Flush {
    /// Nothing was written since the last one.
    Clean,
    /// Something was, and nobody was let go first yet.
    Due,
    /// Others were let go first.
    Now,
}

/// Wraps a transport.
pub(crate) fn together<T>(transport: T) -> Together<T> {
    Together { inner: Box::pin(transport), flush: Flush::Clean }
}

impl<T, Item, E> Stream for Together<T>
where
    T: Stream<Item = Result<Item, E>>,
{
    type Item = Result<Item, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.poll_next_unpin(context)
    }
}

impl<T, Item, E> Sink<Item> for Together<T>
where
    T: Sink<Item, Error = E>,
{
    type Error = E;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready_unpin(context)
    }

    fn start_send(mut self: Pin<&mut Self>, item: Item) -> Result<(), E> {
        if let Flush::Clean = self.flush {
            self.flush = Flush::Due;
        }
        self.inner.start_send_unpin(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        if let Flush::Due = self.flush {
            self.flush = Flush::Now;
            // A task that wakes itself comes after all that are ready.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let flushed = ready!(self.inner.poll_flush_unpin(context));
        self.flush = Flush::Clean;
        Poll::Ready(flushed)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_close_unpin(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is flushed.
    #[derive(Clone, Default)]
    struct Counting {
        sent: Arc<AtomicUsize>,
        flushes: Arc<AtomicUsize>,
    }

    impl Sink<u8> for Counting {
        type Error = ();

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(self: Pin<&mut Self>, _: u8) -> Result<(), ()> {
            self.sent.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            self.flushes.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// As the ends of a connection do with what they write: all there is, and a flush when there is nothing more.
    async fn write_all(mut messages: tokio::sync::mpsc::Receiver<u8>, sink: Counting) {
        let mut sink = together(sink);
        std::future::poll_fn(|context| {
            loop {
                match messages.poll_recv(context) {
                    Poll::Ready(Some(message)) => sink.start_send_unpin(message).expect("it takes all"),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        ready!(sink.poll_flush_unpin(context)).expect("it takes all");
                        return Poll::Pending;
                    }
                }
            }
        })
        .await;
    }

    #[tokio::test]
    async fn what_tasks_that_are_ready_write_goes_out_at_once_and_a_single_frame_waits_for_nobody() {
        let counting = Counting::default();
        let (sender, messages) = tokio::sync::mpsc::channel(64);
        let writer = tokio::spawn(write_all(messages, counting.clone()));
        let flushed = |times| {
            let flushes = Arc::clone(&counting.flushes);
            async move {
                while flushes.load(Ordering::Relaxed) < times {
                    tokio::task::yield_now().await;
                }
            }
        };
        sender.send(0).await.unwrap();
        flushed(1).await;
        for n in 1..=20 {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(n).await.unwrap() });
        }
        flushed(2).await;
        assert_eq!((counting.sent.load(Ordering::Relaxed), counting.flushes.load(Ordering::Relaxed)), (21, 2));
        drop(sender);
        writer.await.unwrap();
    }
}
