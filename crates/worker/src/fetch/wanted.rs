//! What of an answer is worth reading.

use model::Job;
use model::error::{RetryClass, WireError};
use robots::MAX_BODY_BYTES;

use super::fetcher::Ended;
use super::status::{Meaning, meaning};
use crate::parse::Parse;

/// Longest media type that is named in a code, and most bytes of another that are passed on.
const MAX_TYPE_BYTES: usize = 64;
const MAX_TYPE_DETAIL_BYTES: usize = 200;

/// What a body is fetched for.
pub(crate) enum Wanted<'w> {
    /// To be read by a parser.
    Page(&'w dyn Parse),
    /// To be read as robots.txt.
    Robots,
}

/// How much of a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Most {
    pub(super) bytes: u64,
    /// Whether a longer body is cut there; otherwise it is none at all.
    pub(super) cut: bool,
}

impl Wanted<'_> {
    pub(super) fn accepted(&self) -> &'static str {
        match self {
            Wanted::Page(_) => "text/html,application/xhtml+xml,*/*;q=0.1",
            Wanted::Robots => "text/plain,*/*;q=0.5",
        }
    }

    pub(super) fn meaning(&self, status: u16) -> Meaning {
        match (self, status) {
            (Wanted::Robots, 200..300) => Meaning::Page,
            (Wanted::Robots | Wanted::Page(_), _) => meaning(status),
        }
    }

    pub(super) fn most(&self, job: &Job) -> Most {
        match self {
            Wanted::Page(parser) => Most { bytes: parser.max_body_bytes(job.fetch.max_body_bytes), cut: false },
            Wanted::Robots => Most { bytes: MAX_BODY_BYTES as u64, cut: true },
        }
    }

    /// Refuses a URL by its extension.
    pub(super) fn check_extension(&self, job: &Job) -> Result<(), Ended> {
        let (Wanted::Page(_), Some(extension)) = (self, job.url.extension()) else { return Ok(()) };
        match job.fetch.skip_extensions.iter().find(|skipped| skipped.eq_ignore_ascii_case(extension)) {
            Some(skipped) => {
                let code = format!("unwanted extension: {}", skipped.to_ascii_lowercase());
                Err(Ended::Failed(WireError::new(code, RetryClass::Skip, "")))
            }
            None => Ok(()),
        }
    }

    /// Refuses a body by its declared type, and tells of one without whether its first bytes must look like HTML.
    pub(super) fn check_type(&self, job: &Job, declared: Option<&str>) -> Result<bool, Ended> {
        let Wanted::Page(parser) = self else { return Ok(false) };
        match declared {
            Some(essence) if !parser.reads(essence) || skips(&job.fetch.skip_types, essence) => Err(unwanted(essence)),
            Some(_) => Ok(false),
            None if parser.reads("") => Ok(false),
            None if parser.reads("text/html") => Ok(true),
            None => Err(unwanted("none")),
        }
    }
}

/// Whether a type is one of a list, in which `kind/*` stands for all of a kind.
fn skips(types: &[String], essence: &str) -> bool {
    types.iter().any(|skipped| match skipped.strip_suffix('*') {
        Some(kind) => essence.get(..kind.len()).is_some_and(|found| found.eq_ignore_ascii_case(kind)),
        None => skipped.eq_ignore_ascii_case(essence),
    })
}

/// Codes are counted by name, so only what is a type's name becomes part of one; what else a server says is the detail.
pub(super) fn unwanted(essence: &str) -> Ended {
    let (code, detail) = match essence {
        "none" => ("none", ""),
        essence if is_media_type(essence) => (essence, ""),
        other => ("other", &other[..other.floor_char_boundary(MAX_TYPE_DETAIL_BYTES)]),
    };
    Ended::Failed(WireError::new(format!("unwanted type: {code}"), RetryClass::Skip, detail))
}

/// Whether this is `token/token` as HTTP has it, and of ordinary length.
fn is_media_type(essence: &str) -> bool {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    essence.len() <= MAX_TYPE_BYTES && essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_types_name_becomes_part_of_a_code() {
        let told = |essence: &str| match unwanted(essence) {
            Ended::Failed(error) => (error.code, error.detail),
            Ended::Redirect(_) => panic!("a redirect"),
        };
        let named = |code: &str| (format!("unwanted type: {code}"), String::new());
        let other = |detail: &str| ("unwanted type: other".to_owned(), detail.to_owned());
        assert_eq!(told("image/svg+xml"), named("image/svg+xml"));
        assert_eq!(told("none"), named("none"));
        let longest = format!("a/{}", "x".repeat(62));
        assert_eq!(told(&longest), named(&longest));
        for strange in ["pdf", "a/", "/b", "a/b/c", "a b/c", "a/é", &format!("{longest}x")] {
            assert_eq!(told(strange), other(strange));
        }
        assert_eq!(told(&"é".repeat(200)), other(&"é".repeat(100)));
        assert_eq!(told(&format!("x{}", "é".repeat(200))), other(&format!("x{}", "é".repeat(99))));
    }
}
