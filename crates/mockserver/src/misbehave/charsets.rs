//! Pages in other charsets, declared in each of the ways a page can be, or wrongly, or not at all.

use std::fmt::Write as _;

use encoding_rs::{BIG5, Encoding, GBK, SHIFT_JIS, WINDOWS_1252};

use super::{KNOWN_TITLE, known_page};
use crate::reply::{Answer, Reply};

/// Title of the `gbk-…` pages and of `utf16-bom`, decoded.
pub const SIMPLIFIED_TITLE: &str = "简体中文练习网页";
/// Title of `big5`, decoded.
pub const TRADITIONAL_TITLE: &str = "繁體中文練習網頁";
/// Title of `shift-jis`, decoded.
pub const JAPANESE_TITLE: &str = "日本語の練習ページ";
/// Title of `latin1`, decoded.
pub const LATIN_TITLE: &str = "Une page d'été à Nîmes, façon crème brûlée";

const SIMPLIFIED_TEXT: &str = "这个网页上的一切都是编出来的，只用来练习抓取和解码。";
const TRADITIONAL_TEXT: &str = "這個網頁上的一切都是編出來的，只用來練習擷取和解碼。";
const JAPANESE_TEXT: &str = "このページの内容はすべて作り物で、練習のためだけにあります。";

const HTML_WITHOUT_CHARSET: &str = "text/html";

pub(super) fn gbk_header() -> Answer {
    encoded(GBK, "text/html; charset=gbk", &page("", SIMPLIFIED_TITLE, SIMPLIFIED_TEXT, 1))
}

pub(super) fn gbk_meta() -> Answer {
    encoded(GBK, HTML_WITHOUT_CHARSET, &page("<meta charset=\"gbk\">", SIMPLIFIED_TITLE, SIMPLIFIED_TEXT, 40))
}

pub(super) fn gbk_meta_short() -> Answer {
    encoded(GBK, HTML_WITHOUT_CHARSET, &page("<meta charset=\"gbk\">", SIMPLIFIED_TITLE, SIMPLIFIED_TEXT, 1))
}

pub(super) fn gbk_short() -> Answer {
    encoded(GBK, HTML_WITHOUT_CHARSET, &page("", SIMPLIFIED_TITLE, SIMPLIFIED_TEXT, 1))
}

pub(super) fn big5() -> Answer {
    let meta = "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=big5\">";
    encoded(BIG5, HTML_WITHOUT_CHARSET, &page(meta, TRADITIONAL_TITLE, TRADITIONAL_TEXT, 1))
}

pub(super) fn shift_jis() -> Answer {
    encoded(SHIFT_JIS, "text/html; charset=shift_jis", &page("", JAPANESE_TITLE, JAPANESE_TEXT, 1))
}

pub(super) fn utf16_bom() -> Answer {
    let page = page("", SIMPLIFIED_TITLE, SIMPLIFIED_TEXT, 1);
    let body: Vec<u8> = std::iter::once(0xfeff).chain(page.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    Answer::Reply(Reply::new(200, HTML_WITHOUT_CHARSET, body))
}

pub(super) fn latin1() -> Answer {
    // For these letters windows-1252, which the label means on the web, and ISO-8859-1 are the same.
    encoded(WINDOWS_1252, "text/html; charset=iso-8859-1", &page("", LATIN_TITLE, LATIN_TITLE, 1))
}

pub(super) fn wrong_label() -> Answer {
    let body = format!("\u{feff}{}", page("", KNOWN_TITLE, SIMPLIFIED_TEXT, 1));
    Answer::Reply(Reply::new(200, "text/html; charset=gbk", body))
}

pub(super) fn unknown_label() -> Answer {
    Answer::Reply(Reply::new(200, "text/html; charset=x-practice-9", known_page()))
}

fn page(meta: &str, title: &str, text: &str, paragraphs: u32) -> String {
    let mut page = format!("<!DOCTYPE html><html><head>{meta}<title>{title}</title></head><body>");
    for _ in 0..paragraphs {
        let _ = writeln!(page, "<p>{text}</p>");
    }
    page.push_str("</body></html>");
    page
}

fn encoded(encoding: &'static Encoding, content_type: &'static str, page: &str) -> Answer {
    let (body, _, unmappable) = encoding.encode(page);
    debug_assert!(!unmappable, "the texts of this file exist in their charsets");
    Answer::Reply(Reply::new(200, content_type, body.into_owned()))
}
