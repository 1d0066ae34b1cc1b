//! A robots.txt for each host under which the site is reached, when its config asks for that.
//!
//! The host's number N decides all: the last byte of its IPv4 address, or 1 for any other name. So `127.0.0.1` to `127.0.0.50` are fifty hosts
//! with rules of their own, on one listener of `0.0.0.0` or a listener each.
//!
//! | N | `/robots.txt` |
//! |---|---|
//! | ends in 8 | 404: everything is allowed, without a delay |
//! | ends in 9 | a redirect to `/robots-moved.txt`, which has the rules |
//! | any other | the rules |
//!
//! The rules: `Crawl-delay` of (N mod 20 + 1) × 0.1 s, so 0.1 to 2 s; profiles whose id ends in the digit N mod 10 are disallowed, and cars
//! whose number does not end in the digit (N + 3) mod 10; every other crawler than the one asked about has the same rules, but for one by name
//! that may fetch nothing. A disallowed page leads to no other, so all else can still be reached.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::address::{CAR_LIST, PROFILES};
use crate::reply::{Reply, TEXT};
use crate::truth::Section;

/// Where the rules of a host are whose robots.txt redirects.
pub(crate) const MOVED: &str = "/robots-moved.txt";

/// What a host's robots.txt asks of every crawler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRules {
    /// The host's number.
    pub number: u8,
    /// Milliseconds between two requests; `None`: nothing is asked.
    pub crawl_delay_ms: Option<u64>,
    /// Those of the truth's pages that may not be fetched, sorted.
    pub disallowed: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct HostRobots {
    number: u8,
}

impl HostRobots {
    /// The rules of a `Host` header.
    pub(crate) fn of(host: &str) -> Self {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        Self { number: name.parse::<Ipv4Addr>().map_or(1, |address| address.octets()[3]) }
    }

    /// What `/robots.txt` answers.
    pub(crate) fn reply(self, base: &str) -> Reply {
        match self.number % 10 {
            8 => Reply::not_found(),
            9 => Reply::redirect(301, MOVED),
            _ => Reply::new(200, TEXT, self.text(base)),
        }
    }

    pub(crate) fn text(self, base: &str) -> String {
        let (profile, car) = (self.number % 10, (self.number % 10 + 3) % 10);
        let delay = self.delay_ms() as f64 / 1_000.0;
        format!(
            "# Host number {}\nUser-agent: *\nCrawl-delay: {delay}\nDisallow: {PROFILES}*{profile}$\nDisallow: {CAR_LIST}m\n\
             Allow: {CAR_LIST}m*{car}/$\n\nUser-agent: UnwantedBot\nDisallow: /\n\nSitemap: {base}/sitemap.xml\n",
            self.number
        )
    }

    /// The truth about a host, of the sections' pages.
    pub(crate) fn rules<'s>(self, base: &str, sections: impl Iterator<Item = &'s Section>) -> HostRules {
        if self.number % 10 == 8 {
            return HostRules { number: self.number, crawl_delay_ms: None, disallowed: Vec::new() };
        }
        let pages = sections.flat_map(|section| &section.pages);
        let disallowed = pages.filter(|page| page.strip_prefix(base).is_some_and(|path| self.disallows(path)));
        let mut disallowed: Vec<String> = disallowed.cloned().collect();
        disallowed.sort_unstable();
        HostRules { number: self.number, crawl_delay_ms: Some(self.delay_ms()), disallowed }
    }

    fn delay_ms(self) -> u64 {
        (u64::from(self.number) % 20 + 1) * 100
    }

    /// Not by the text of the rules but by what they mean, so that the truth does not depend on a parser.
    fn disallows(self, path: &str) -> bool {
        let ends_in = |text: &str, digit: u8| text.ends_with(char::from(b'0' + digit));
        if let Some(id) = path.strip_prefix(PROFILES) {
            return ends_in(id, self.number % 10);
        }
        match path.strip_prefix(CAR_LIST).and_then(|rest| rest.strip_prefix('m')) {
            Some(car) => !ends_in(car.trim_end_matches('/'), (self.number % 10 + 3) % 10),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_number_is_the_last_byte_of_its_address() {
        for (host, number) in [("127.0.0.7:80", 7), ("127.0.0.250", 250), ("localhost:1", 1), ("[::1]:80", 1)] {
            assert_eq!(HostRobots::of(host).number, number, "{host}");
        }
    }

    #[test]
    fn rules_differ_by_host_in_delay_and_paths() {
        let seven = HostRobots::of("127.0.0.7");
        assert!(seven.text("http://127.0.0.7").contains("Crawl-delay: 0.8\nDisallow: /mock/album.zhenai.com/u/*7$\n"));
        for (path, expected) in [
            ("/mock/album.zhenai.com/u/17", true),
            ("/mock/album.zhenai.com/u/71", false),
            ("/mock/newcar.xcar.com.cn/m10/", false),
            ("/mock/newcar.xcar.com.cn/m11/", true),
            ("/mock/newcar.xcar.com.cn/11/", false),
            ("/mock/newcar.xcar.com.cn/", false),
        ] {
            assert_eq!(seven.disallows(path), expected, "{path}");
        }
        assert_eq!(HostRobots::of("127.0.0.8").reply("").status, 404);
        assert_eq!(HostRobots::of("127.0.0.19").reply("").status, 301);
    }
}
