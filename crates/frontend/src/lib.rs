//! The frontend: a search page over an itemsaver, for people without a programme and for programmes as JSON.
//!
//! It keeps nothing: every page is made from one answer of the itemsaver. It works without scripts and loads nothing from anywhere else;
//! what an item contains is shown as text, whatever it is.
//!
//! Reading order: what is asked (`wanted`); whom (`source`); the routes (`routes`); what a page is made of: text that is safe
//! (`html`), cards by type (`card`), the page around them (`page`), in two languages (`words`); and results as files
//! (`download`).

mod card;
mod download;
mod html;
mod page;
mod past;
mod routes;
mod source;
mod wanted;
mod words;

pub use crate::routes::run;
