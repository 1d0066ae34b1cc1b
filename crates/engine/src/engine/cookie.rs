//! The crawl's cookies: taken in with every answer, sent with every request they are for.

use model::{CrawlUrl, Secret};

use super::Engine;
use crate::clock::wall_clock;
use crate::request::Request;

impl Engine {
    /// The `Cookie` header of a request.
    pub(super) fn cookie_for(&self, request: &Request) -> Option<Secret> {
        let of_chain = request.cookie_header();
        let header = match &self.jar {
            Some(jar) => jar.header(&request.url, of_chain.as_deref(), wall_clock()),
            None => of_chain,
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
