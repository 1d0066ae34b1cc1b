//! The clock that the benchmarks of this crate go by.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time that this thread has had: other processes do not count.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().expect("no time before the beginning"), time.tv_nsec.try_into().expect("less than a second"))
}
