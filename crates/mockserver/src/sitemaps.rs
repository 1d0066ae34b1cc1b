//! The site's own sitemaps: every page of its [`Truth`](crate::Truth), in three files of three kinds.
//!
//! | path | answer |
//! |---|---|
//! | `/sitemap.xml` | an index of the other two; without people if those have no end |
//! | `/sitemap-people.xml.gz` | a gzip file of XML: the pages of people, profiles with priority 0.8 and a date |
//! | `/sitemap-cars.txt` | a text file: the pages of cars, one a line |

use std::fmt::Write as _;

use crate::address::PROFILES;
use crate::misbehave::gzipped;
use crate::reply::{Reply, TEXT};
use crate::request::Request;
use crate::site::Site;

const XML: &str = "application/xml";
const START: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

/// What a path of this module answers; `None`: it is none of them.
pub(crate) fn answer(site: &Site, request: &Request, path: &str) -> Option<Reply> {
    let base = request.base();
    match path {
        "/sitemap.xml" => {
            let people = site.people.is_finite().then_some("sitemap-people.xml.gz");
            let files = people.into_iter().chain(["sitemap-cars.txt"]);
            let entries: String = files.map(|file| format!("<sitemap><loc>{base}/{file}</loc></sitemap>\n")).collect();
            Some(Reply::new(200, XML, format!("{START}<sitemapindex xmlns=\"{NAMESPACE}\">\n{entries}</sitemapindex>\n")))
        }
        "/sitemap-people.xml.gz" => {
            let people = site.truth(&base).people?;
            let mut xml = format!("{START}<urlset xmlns=\"{NAMESPACE}\">\n");
            for page in people.pages {
                let more = if page.contains(PROFILES) { "<lastmod>2026-01-02</lastmod><priority>0.8</priority>" } else { "" };
                let _ = writeln!(xml, "<url><loc>{page}</loc>{more}</url>");
            }
            xml.push_str("</urlset>\n");
            Some(Reply::new(200, "application/gzip", gzipped(xml.as_bytes())))
        }
        "/sitemap-cars.txt" => Some(Reply::new(200, TEXT, site.truth(&base).cars.pages.join("\n"))),
        _ => None,
    }
}
