//! The crawl's cookies: taken in with every answer, sent with every request they are for.

use model::{CrawlUrl, Secret};

use super::Engine;
use crate::clock::wall_clock;
use crate::request::Request;

impl Engine {
    /// The `Cookie` header of a request. All that a chain of redirects has set is in the jar, if there is one, with what its server said of
    /// path, time and encryption.
    pub(super) fn cookie_for(&self, request: &Request) -> Option<Secret> {
        let header = match &self.jar {
            Some(jar) => jar.header(&request.url, wall_clock()),
            None => request.cookie_header(),
        };
        header.map(Secret::new)
    }

    /// Keeps what an answer has set. It is committed before its page, or with it.
    pub(super) fn keep_cookies(&mut self, url: &CrawlUrl, set_cookie: &[String]) {
        if let Some(jar) = &mut self.jar
            && !set_cookie.is_empty()
        {
            jar.take_in(url, set_cookie, wall_clock(), &mut self.notes.cookies);
        }
    }
}
