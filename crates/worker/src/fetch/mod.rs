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
mod fetcher;

pub use address::is_public;
pub use fetcher::{Ended, Fetched, Fetcher};
pub use media::is_html;
