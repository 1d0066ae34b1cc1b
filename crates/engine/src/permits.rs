//! Which addresses beyond the public ones a crawl may reach: what its user named, as a seed or by `--allow-net`.

use std::collections::HashMap;

use model::CrawlUrl;
use model::job::NetPermit;

/// The permits, found by host: a job carries only those of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetPermits {
    hosts: HashMap<String, Vec<NetPermit>>,
    networks: Vec<NetPermit>,
}

impl NetPermits {
    /// Permits the hosts and ports of these seeds, and what else the user named.
    pub fn new<'u>(seeds: impl IntoIterator<Item = &'u CrawlUrl>, further: Vec<NetPermit>) -> NetPermits {
        let of_seed = |url: &CrawlUrl| NetPermit { host: url.host_str().to_owned(), port: Some(url.port()) };
        let mut permits = NetPermits::default();
        for permit in seeds.into_iter().map(of_seed).chain(further) {
            let same = match permit.host.contains('/') {
                true => &mut permits.networks,
                false => permits.hosts.entry(permit.host.clone()).or_default(),
            };
            if !same.contains(&permit) {
                same.push(permit);
            }
        }
        permits
    }

    /// Permits these too.
    pub fn extend(&mut self, further: &[NetPermit]) {
        for permit in further {
            let of_host = self.hosts.entry(permit.host.clone()).or_default();
            if !of_host.contains(permit) {
                of_host.push(permit.clone());
            }
        }
    }

    /// Permits what a further seed needs. Answers the permit if it is new.
    pub fn add_seed(&mut self, seed: &CrawlUrl) -> Option<NetPermit> {
        let permit = NetPermit { host: seed.host_str().to_owned(), port: Some(seed.port()) };
        let of_host = self.hosts.entry(permit.host.clone()).or_default();
        if of_host.contains(&permit) {
            return None;
        }
        of_host.push(permit.clone());
        Some(permit)
    }

    /// The permits that can matter for a URL: those of its host, and networks, which any name may lead to.
    pub fn of(&self, url: &CrawlUrl) -> Vec<NetPermit> {
        self.hosts.get(url.host_str()).into_iter().flatten().chain(&self.networks).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_carries_the_permits_of_its_host_and_all_networks() {
        let url = |text| CrawlUrl::parse(text).unwrap();
        let permit = |host: &str, port| NetPermit { host: host.to_owned(), port };
        let seeds = [url("http://a:1/x"), url("http://a:1/y"), url("http://a:2/"), url("http://b/")];
        let permits = NetPermits::new(&seeds, vec![permit("10.0.0.0/8", None), permit("c", None), permit("10.0.0.0/8", None)]);
        assert_eq!(permits.of(&url("http://a:9/")), [permit("a", Some(1)), permit("a", Some(2)), permit("10.0.0.0/8", None)]);
        assert_eq!(permits.of(&url("http://c/")), [permit("c", None), permit("10.0.0.0/8", None)]);
        assert_eq!(permits.of(&url("http://d/")), [permit("10.0.0.0/8", None)]);
        let mut permits = permits;
        assert_eq!((permits.add_seed(&url("http://d:3/")), permits.add_seed(&url("http://a:1/"))), (Some(permit("d", Some(3))), None));
        assert_eq!(permits.of(&url("http://d/")), [permit("d", Some(3)), permit("10.0.0.0/8", None)]);
    }
}
