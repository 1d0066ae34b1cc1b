//! Where the text of an element ends in which tags are text.

use memchr::{memchr, memchr2};

use super::tag::is_space;

/// The place of the end tag of that name.
pub(super) fn end(text: &str, name: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(length) = memchr(b'<', &bytes[from..]) {
        let at = from + length;
        if is_tag(bytes, at, b"</", name.as_bytes()) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// How much of a script is hidden from its reader, by a comment and by a script within it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    No,
    Comment,
    ScriptInComment,
}

/// The place of the end tag of a script: not one that belongs to a `<script>` in a comment.
pub(super) fn end_of_script(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut hidden = Hidden::No;
    let mut from = 0;
    let mut comment = 0;
    loop {
        let at = from + if hidden == Hidden::No { memchr(b'<', &bytes[from..])? } else { memchr2(b'<', b'>', &bytes[from..])? };
        from = at + 1;
        if bytes[at] == b'>' {
            // The dashes that begin a comment may end it too.
            if bytes[comment..at].ends_with(b"--") {
                hidden = Hidden::No;
            }
            continue;
        }
        let ends = is_tag(bytes, at, b"</", b"script");
        match hidden {
            Hidden::No | Hidden::Comment if ends => return Some(at),
            Hidden::No if bytes[at..].starts_with(b"<!--") => {
                hidden = Hidden::Comment;
                comment = at + 2;
                from = at + 4;
            }
            Hidden::Comment if is_tag(bytes, at, b"<", b"script") => hidden = Hidden::ScriptInComment,
            Hidden::ScriptInComment if ends => hidden = Hidden::Comment,
            Hidden::No | Hidden::Comment | Hidden::ScriptInComment => {}
        }
    }
}

/// Whether a tag of that name, in any case of letters, begins here.
fn is_tag(bytes: &[u8], at: usize, opening: &[u8], name: &[u8]) -> bool {
    let Some(found) = bytes[at..].strip_prefix(opening) else { return false };
    let Some((found, rest)) = found.split_at_checked(name.len()) else { return false };
    found.eq_ignore_ascii_case(name) && rest.first().is_some_and(|b| is_space(*b) || matches!(b, b'/' | b'>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_with_the_end_tag_of_its_element() {
        for (text, expected) in [
            ("a</title>", Some(1)),
            ("a</TITLE\n x>", Some(1)),
            ("<</titles></title/", Some(10)),
            ("a</title", None),
            ("a</ title>", None),
            ("", None),
        ] {
            assert_eq!(end(text, "title"), expected, "{text}");
        }
    }

    #[test]
    fn a_script_in_a_comment_of_a_script_has_an_end_tag_of_its_own() {
        for (text, expected) in [
            ("x</script>", Some(1)),
            ("<script></script>", Some(8)),
            ("<!--</script>", Some(4)),
            ("<!--<script></script></script>", Some(21)),
            ("<!--<script>--></script>", Some(15)),
            ("<!--<scripts></script>", Some(13)),
            ("<!--><script></script>", Some(13)),
            ("<!---><script></script>", Some(14)),
            ("<!--<SCRIPT/</Script\t</script x>", Some(21)),
            ("<!--<script></script x", None),
            ("<!-<script></script>", Some(11)),
        ] {
            assert_eq!(end_of_script(text), expected, "{text}");
        }
    }
}
