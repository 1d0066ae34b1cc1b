//! The practice site: what a crawler is learnt, tested and measured on, so that none of it needs a real site.
//!
//! Everything on it is invented from a seed, in memory: a dating site (city list, city pages, profiles) and a car site
//! (car list, models, details) under `/mock/`, in the shape of the Go course's mock, and under [`misbehave`] one route
//! per way in which a web server can misbehave. Two [`Site`]s of the same [`SiteConfig`] serve the same bytes, up to the
//! host name in the links, which is that of the request.
//!
//! A site with a given number of pages per city is *finite*: [`Site::truth`] states, from the generator and not from a
//! crawl, exactly which pages its seeds lead to and which items those hold. An endless site has no last page within reach.
//!
//! # Routes
//!
//! | path | answer |
//! |---|---|
//! | `/` | explains the site, links to the two seeds |
//! | `/mock/www.zhenai.com/zhenghun` | seed: the city list, on one long line |
//! | `/mock/www.zhenai.com/zhenghun/SLUG`, `…/SLUG/PAGE` | 20 people of a city, and a pager: p−1, p+1, p+2, p+3 |
//! | `/mock/album.zhenai.com/u/ID` | one person: item type `zhenai`, 13 fields ([`Profile`]) |
//! | `/mock/newcar.xcar.com.cn/`, `…/car/0-0-0-0-0-0-0-0-0-0-0-N/` | seed: the car list, 20 models a page |
//! | `/mock/newcar.xcar.com.cn/MODEL/` | one model, links to its cars |
//! | `/mock/newcar.xcar.com.cn/mNUMBER/` | one car: item type `xcar`, 10 fields ([`Car`]) |
//! | `/robots.txt` | [`SiteConfig::robots`], 404 without; or a file for each host, see [`SiteConfig::robots_by_host`] |
//! | `/sitemap.xml`, `/sitemap-people.xml.gz`, `/sitemap-cars.txt` | an index, and all pages of the truth in a gzip and a text file |
//! | `/misbehave/…` | see [`misbehave`] |
//! | `/truth` | [`Truth`] as JSON, its base taken from the `Host` header |
//! | `/arrivals`, `POST /arrivals/reset` (or `DELETE /arrivals`) | every request so far as JSON lines ([`Arrival`]); forget them |
//! | `/gate/NAME`, `POST /gate/NAME/open` | an answer held until it is let go, see [`Site::open_gate`] |
//! | `/gate/NAME/reached?waiting=N` | answers once N requests wait at the gate |
//! | `POST /hold?after=N`, `POST /release` | stop the practice pages at an exact point, see [`Site::hold`] |
//! | `/hold/reached?waiting=N` | answers once N practice pages are held |
//!
//! The last six kinds (all but `/gate/NAME` itself) steer the site: they are neither delayed nor recorded as arrivals.

mod address;
mod car;
mod car_pages;
mod cars;
mod city;
mod config;
mod host_robots;
mod markup;
mod people;
mod people_pages;
mod person;
mod seed;
mod sitemaps;
mod truth;

mod arrivals;
mod gates;
mod hold;
mod site;

mod connection;
mod control;
mod reply;
mod request;
mod routes;
mod server;

pub mod misbehave;

pub use address::{CAR_LIST, CITY_LIST};
pub use arrivals::{Arrival, Arrivals};
pub use car::Car;
pub use config::{ConfigError, SiteConfig};
pub use host_robots::HostRules;
pub use person::Profile;
pub use server::run;
pub use site::Site;
pub use truth::{Item, Payload, Section, Truth};
