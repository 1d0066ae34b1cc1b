//! Redirects that lead on, round, out and nowhere; and cookies.

use super::{PREFIX, known_page, status_code};
use crate::markup::{document, escape};
use crate::reply::{Answer, Reply};
use crate::request::Request;

const LONGEST_CHAIN: u64 = 1_000;
const COOKIE: &str = "practice=1";

pub(super) fn chain(request: &Request, rest: &str) -> Result<Answer, String> {
    let left = rest.parse().ok().filter(|left: &u64| *left <= LONGEST_CHAIN);
    let left = left.ok_or_else(|| format!("a chain has 0 to {LONGEST_CHAIN} redirects"))?;
    let query = request.query("status");
    let status = query.map_or(Ok(302), status_code)?;
    let Some(next) = left.checked_sub(1) else { return Ok(Answer::Reply(Reply::html(known_page()))) };
    // The status asked for goes along, so that every hop of the chain has it.
    let query = query.map(|status| format!("?status={status}")).unwrap_or_default();
    Ok(Answer::Reply(Reply::redirect(status, format!("{PREFIX}redirect-chain/{next}{query}"))))
}

pub(super) fn in_a_loop(rest: &str) -> Answer {
    Answer::Reply(match rest {
        "A" => Reply::redirect(302, format!("{PREFIX}redirect-loop/B")),
        "B" => Reply::redirect(302, format!("{PREFIX}redirect-loop/A")),
        _ => Reply::not_found(),
    })
}

pub(super) fn self_cookie(request: &Request) -> Answer {
    Answer::Reply(if request.cookies.split("; ").any(|cookie| cookie == COOKIE) {
        Reply::html(known_page())
    } else {
        Reply::redirect(302, format!("{PREFIX}redirect-self-cookie")).with("Set-Cookie", format!("{COOKIE}; Path=/"))
    })
}

pub(super) fn out() -> Answer {
    Answer::Reply(Reply::redirect(302, "http://out-of-scope.invalid/"))
}

pub(super) fn bad() -> Answer {
    Answer::Reply(Reply::redirect(302, "http://[not-an-address/"))
}

pub(super) fn missing() -> Answer {
    Answer::Reply(Reply::text(302, "elsewhere, but not saying where"))
}

pub(super) fn set_cookie(request: &Request) -> Answer {
    let page = document("Cookies", &format!("<p>Cookie: <code>{}</code></p>", escape(&request.cookies)));
    Answer::Reply(Reply::html(page).with("Set-Cookie", "session=invented; Path=/; HttpOnly").with("Set-Cookie", "theme=plain"))
}
