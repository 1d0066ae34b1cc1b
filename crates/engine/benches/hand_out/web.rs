//! A made-up web without pages: only the addresses, and which page links where.

use model::CrawlUrl;

/// Links of a page.
const LINKS: u64 = 50;

/// Seeds, so that there is always enough to hand out.
const SEEDS: u64 = 2_000;

/// Folders of a host: URLs that differ in a number alone are taken for a trap some time.
const FOLDERS: u64 = 256;

/// URL `n` is on host `n % hosts`, and each page has so many links to URLs that no other page has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Web {
    pub(crate) hosts: u64,
    pub(crate) new: u64,
}

impl Web {
    /// Where a crawl begins.
    pub(crate) fn seeds(self) -> impl Iterator<Item = CrawlUrl> {
        (0..SEEDS).map(move |n| self.url(n))
    }

    /// Whether a crawl that knows so many URLs after so many pages can be right. With many hosts the order of pages is not that of their
    /// numbers, so some URLs are found by another page before the one that they are new to: a twentieth and more.
    pub(crate) fn is_right(self, pages: u64, discovered: u64) -> bool {
        let expected = SEEDS + pages * self.new;
        let part = if self.hosts == 1 { 50 } else { 10 };
        discovered.abs_diff(expected) * part <= expected
    }

    fn url(self, n: u64) -> CrawlUrl {
        let letter = |n: u64| char::from(b'a' + (n % 16) as u8);
        let (first, second) = (letter(n % FOLDERS / 16), letter(n));
        let text = format!("http://host-{}.example/articles/{first}{second}/{n:08}/a-title-of-usual-length.html", n % self.hosts);
        // The way of what comes over the wire: not parsed anew, which would cost the fakes more than all else.
        CrawlUrl::try_from(text).expect("a URL")
    }

    /// The number of a URL of this web.
    pub(crate) fn number(url: &CrawlUrl) -> Option<u64> {
        url.path_and_query().split('/').nth(3)?.parse().ok()
    }

    /// Where page `n` leads: first to what only it links to, then to URLs that are known since long.
    pub(crate) fn links(self, n: u64) -> impl Iterator<Item = CrawlUrl> {
        let new = (0..self.new).map(move |i| SEEDS + n * self.new + i);
        // Pages are handed out in about the order in which they were found, so nearly all far before this one have been found by now.
        let known_to = SEEDS.max(n / 4);
        let mut random = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let known = (self.new..LINKS).map(move |_| {
            random ^= random >> 12;
            random ^= random << 25;
            random ^= random >> 27;
            random.wrapping_mul(0x2545_F491_4F6C_DD1D) % known_to
        });
        new.chain(known).map(move |n| self.url(n))
    }
}
