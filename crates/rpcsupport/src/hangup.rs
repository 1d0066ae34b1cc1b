//! Notices that a caller has hung up.
//!
//! tarpc's channel goes on after the end of its input for as long as a call is in flight, that is until the call's deadline. What a caller
//! that is gone has asked for is worth nothing, and costs a site and a lease; so the end of the input is told beside the channel.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::oneshot;

/// A transport that tells when its input has ended.
pub(crate) struct Telling<T> {
    inner: Pin<Box<T>>,
    /// Dropped at the end of the input.
    open: Option<oneshot::Sender<()>>,
}

/// Resolves when the input has ended, however it did.
#[derive(Debug)]
pub(crate) struct HungUp(oneshot::Receiver<()>);

/// Wraps a transport.
pub(crate) fn telling<T>(transport: T) -> (Telling<T>, HungUp) {
    let (open, closed) = oneshot::channel();
    (Telling { inner: Box::pin(transport), open: Some(open) }, HungUp(closed))
}

impl HungUp {
    /// Waits for the end. May be dropped and called again until it has resolved.
    pub(crate) async fn wait(&mut self) {
        // Nothing is ever sent: the sender's end is the message.
        let _ = (&mut self.0).await;
    }
}

impl<T, Item, E> Stream for Telling<T>
where
    T: Stream<Item = Result<Item, E>>,
{
    type Item = Result<Item, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.inner.poll_next_unpin(context);
        if let Poll::Ready(None | Some(Err(_))) = next {
            self.open = None;
        }
        next
    }
}

impl<T, Item, E> Sink<Item> for Telling<T>
where
    T: Sink<Item, Error = E>,
{
    type Error = E;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready_unpin(context)
    }

    fn start_send(mut self: Pin<&mut Self>, item: Item) -> Result<(), E> {
        self.inner.start_send_unpin(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_flush_unpin(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_close_unpin(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tarpc::transport::channel;

    #[tokio::test]
    async fn the_end_of_the_input_is_told_and_messages_pass_until_then() {
        let (mut ours, theirs) = channel::bounded::<u8, u8>(1);
        let (mut theirs, mut hung_up) = telling(theirs);
        ours.send(1).await.unwrap();
        assert_eq!(theirs.next().await.unwrap().unwrap(), 1);
        theirs.send(2).await.unwrap();
        assert_eq!(ours.next().await.unwrap().unwrap(), 2);
        assert!(hung_up.wait().now_or_never().is_none());
        drop(ours);
        assert!(theirs.next().await.is_none());
        assert!(hung_up.wait().now_or_never().is_some());
    }
}
