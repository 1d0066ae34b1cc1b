//! The runtime that sites are served on, one for all tests of a program.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use crate::LIMIT;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the system gives two threads"));

/// The runtime, to spawn servers on.
pub(crate) fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// Waits for a future on the test's own thread.
///
/// # Panics
/// When it is not done in time, naming `what`.
pub fn within_limit<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = RUNTIME.block_on(async { tokio::time::timeout(LIMIT, future).await });
    waited.unwrap_or_else(|_| panic!("waited for {what} in vain"))
}
