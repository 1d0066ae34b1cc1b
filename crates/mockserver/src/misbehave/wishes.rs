//! Pages that wish something of crawlers.

use super::PREFIX;
use crate::markup::{document, escape};
use crate::reply::{Answer, Reply};
use crate::request::Request;

pub(super) fn meta(request: &Request) -> Result<Answer, String> {
    let (name, content) = (wish(request, "name", "robots")?, wish(request, "content", "nofollow")?);
    let (name, content) = (escape(name), escape(content));
    let page = format!(
        "<!DOCTYPE html><html><head><title>A wish</title><meta name=\"{name}\" content=\"{content}\"></head><body>{}</body></html>",
        links()
    );
    Ok(Answer::Reply(Reply::html(page)))
}

pub(super) fn header(request: &Request) -> Result<Answer, String> {
    let value = wish(request, "value", "nofollow")?.to_owned();
    Ok(Answer::Reply(Reply::html(document("A wish", &links())).with("X-Robots-Tag", value)))
}

pub(super) fn links_with_rel() -> Answer {
    let body = format!(
        "<p><a href=\"{PREFIX}odd-target/followed\">one</a> <a rel=\"author NoFollow\" href=\"{PREFIX}odd-target/not-followed\">two</a></p>"
    );
    Answer::Reply(Reply::html(document("A wish about a link", &body)))
}

fn links() -> String {
    format!("<p><a href=\"{PREFIX}odd-target/one\">one</a> <a href=\"{PREFIX}odd-target/two\">two</a></p>")
}

/// A query parameter as text: letters, digits, `-`, `,`, `:` and `+` or `%20` for a space.
fn wish<'r>(request: &'r Request, name: &str, default: &'static str) -> Result<&'r str, String> {
    let text = request.query(name).unwrap_or(default);
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-,:_/".contains(&b));
    if plain { Ok(text) } else { Err(format!("{name} is letters, digits and - , : _ /")) }
}
