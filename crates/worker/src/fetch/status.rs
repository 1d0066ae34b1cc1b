//! What an HTTP status means for a crawl.

use model::error::RetryClass;

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A page.
    Page,
    /// Another address.
    Redirect,
    /// No page, and whether to ask again.
    Failed(RetryClass),
}

/// What a status says.
///
/// 203 is a page through a proxy that changed it. 204, 205 and 206, 1xx and 304 have no page to give and were not asked for: they will
/// not be better the next time. 501 and 505 are about the server, not about its state.
pub(crate) fn meaning(status: u16) -> Meaning {
    match status {
        200 | 203 => Meaning::Page,
        301 | 302 | 303 | 307 | 308 => Meaning::Redirect,
        429 | 503 => Meaning::Failed(RetryClass::Origin),
        408 | 425 => Meaning::Failed(RetryClass::Attempt),
        501 | 505 => Meaning::Failed(RetryClass::Skip),
        500..=599 => Meaning::Failed(RetryClass::Attempt),
        _ => Meaning::Failed(RetryClass::Skip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_class() {
        let class = |class| Meaning::Failed(class);
        for (statuses, expected) in [
            (vec![200, 203], Meaning::Page),
            (vec![301, 302, 303, 307, 308], Meaning::Redirect),
            (vec![429, 503], class(RetryClass::Origin)),
            (vec![408, 425, 500, 502, 504, 507, 520, 599], class(RetryClass::Attempt)),
            (
                vec![100, 103, 201, 202, 204, 206, 300, 304, 305, 400, 401, 403, 404, 410, 418, 451, 501, 505, 600, 999],
                class(RetryClass::Skip),
            ),
        ] {
            for status in statuses {
                assert_eq!(meaning(status), expected, "{status}");
            }
        }
    }
}
