//! The signals by which this process is told to end, none of which is lost between those who wait for one.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// See the module. Every copy is the same.
#[derive(Clone, Debug, Default)]
pub struct Interrupts {
    count: watch::Sender<u32>,
    listening: Arc<OnceLock<()>>,
}

impl Interrupts {
    /// Whether there was one since somebody listens.
    pub fn any(&self) -> bool {
        *self.count.borrow() > 0
    }

    /// Resolves once there were so many SIGINT and SIGTERM since the first call, from which on none of them ends the process by itself.
    pub fn reached(&self, count: u32) -> impl Future<Output = ()> + Send + use<> {
        self.listening.get_or_init(|| listen(self.count.clone()));
        let mut counted = self.count.subscribe();
        async move {
            if counted.wait_for(|counted| *counted >= count).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn listen(count: watch::Sender<u32>) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        tracing::error!("cannot listen for signals; end this process with SIGKILL");
        return;
    };
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            count.send_modify(|count| *count += 1);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_signal_that_came_before_anybody_waited_for_it_is_there_for_all_who_do() {
        let interrupts = Interrupts::default();
        let first = interrupts.reached(1);
        assert!(!interrupts.any());
        interrupts.count.send_modify(|count| *count += 1);
        first.await;
        interrupts.clone().reached(1).await;
        assert!(interrupts.any() && interrupts.reached(2).now_or_never().is_none());
    }
}
