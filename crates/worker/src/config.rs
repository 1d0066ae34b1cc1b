//! What a worker is told, checked.

use std::num::{NonZeroU32, NonZeroUsize};

use ipnet::IpNet;

/// Jobs worked on at a time unless said otherwise: pages mostly wait for their servers, so this is many more than there are cores.
pub const DEFAULT_CAPACITY: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// Bytes of bodies in memory unless said otherwise.
pub const DEFAULT_BODY_BYTES: u64 = 256 * 1024 * 1024;

/// Seconds' worth of jobs that a worker with a rate takes in advance.
const QPS_AHEAD: f64 = 5.0;

/// How a worker works. Two workers with equal values differ in nothing but what they are given to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Jobs worked on at a time; [`Config::announced`] is what callers are told.
    pub capacity: NonZeroU32,
    /// Fetches a second at most, more than 0; `None`: as fast as the jobs come.
    pub qps: Option<f64>,
    /// Networks that are never connected to, whatever an engine permits.
    pub deny_net: Vec<IpNet>,
    /// Certificates, PEM, of authorities that are trusted beside the public ones.
    pub authorities: Vec<String>,
    /// Threads that parse.
    pub parse_threads: NonZeroUsize,
    /// Bytes of bodies in memory at a time, exceeded by one body at most.
    pub body_bytes: u64,
}

impl Config {
    /// What a worker without flags does: 100 jobs at a time, as fast as they come, a parsing thread for each core, 256 MiB.
    pub fn standard() -> Config {
        Config {
            capacity: DEFAULT_CAPACITY,
            qps: None,
            deny_net: Vec::new(),
            authorities: Vec::new(),
            parse_threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            body_bytes: DEFAULT_BODY_BYTES,
        }
    }

    /// The capacity callers are told. With a rate it is at most five seconds' worth of jobs, so that none waits long for its moment.
    pub fn announced(&self) -> NonZeroU32 {
        let Some(qps) = self.qps else { return self.capacity };
        let ahead = (qps * QPS_AHEAD).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
        NonZeroU32::new(ahead).unwrap_or(NonZeroU32::MIN).min(self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_with_a_rate_announces_five_seconds_of_work_at_most() {
        let announced = |qps, capacity| {
            let config = Config { qps, capacity: NonZeroU32::new(capacity).unwrap(), ..Config::standard() };
            config.announced().get()
        };
        assert_eq!(announced(None, 100), 100);
        assert_eq!(announced(Some(2.0), 100), 10);
        assert_eq!(announced(Some(0.1), 100), 1);
        assert_eq!(announced(Some(1000.0), 100), 100);
        assert_eq!(announced(Some(1e300), 7), 7);
    }
}
