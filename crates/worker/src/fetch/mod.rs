//! From a job to a body, or to what the server said instead of one.

mod address;
mod clients;
mod resolver;

mod failure;
mod media;
mod retry_after;
mod status;

mod body;
mod budget;
mod facts;
mod fetcher;
mod headers;
mod redirect;
mod wanted;

#[cfg(test)]
mod rebinding;

pub(crate) use clients::certificates;
pub(crate) use fetcher::{Ended, Fetched, Fetcher};
pub(crate) use media::is_html;
pub(crate) use wanted::Wanted;
