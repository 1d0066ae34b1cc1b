//! From a body's bytes to text.

mod content_type;
#[cfg(test)]
mod every_encoding;
mod prescan;

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

pub use content_type::ContentType;

/// Begins a change of character sets.
const ESCAPE: u8 = 0x1b;

/// How much of a page is looked at to guess its encoding when nothing declares it.
const GUESS_BYTES: usize = 1024 * 1024;

/// Decodes a page. Without copying where it is UTF-8 already; what is no valid text becomes U+FFFD.
///
/// The encoding is, in this order: that of the byte order mark; the `charset` of the Content-Type header; the one a `meta` element
/// declares in the first 1,024 bytes, or else an XML declaration; UTF-8 if the whole body is that; the one a `meta` element declares further
/// on; a guess from the bytes and, where the host's name has one, its top-level domain.
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&ContentType>, host: &str) -> (Cow<'a, str>, &'static Encoding) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return (encoding.decode_without_bom_handling(&bytes[mark..]).0, encoding);
    }
    let declared = content_type.and_then(ContentType::charset).or_else(|| prescan::declared(bytes));
    if let Some(encoding) = declared {
        return (encoding.decode_without_bom_handling(bytes).0, encoding);
    }
    // ISO-2022-JP is ASCII with escapes, so what has one is looked at more closely.
    if let Ok(text) = std::str::from_utf8(bytes)
        && !bytes.contains(&ESCAPE)
    {
        return (Cow::Borrowed(text), UTF_8);
    }
    let encoding = prescan::declared_later(bytes).unwrap_or_else(|| guess(bytes, host));
    (encoding.decode_without_bom_handling(bytes).0, encoding)
}

fn guess(bytes: &[u8], host: &str) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let looked_at = &bytes[..bytes.len().min(GUESS_BYTES)];
    detector.feed(looked_at, looked_at.len() == bytes.len());
    let domain = host.rsplit_once('.').map(|(_, domain)| domain);
    // Hosts are lower case in canonical URLs; an IP address has no domain.
    let domain = domain.filter(|domain| domain.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    // A body that is UTF-8 but for a few broken bytes is read as such, with marks for what is broken.
    detector.guess(domain.map(str::as_bytes), Utf8Detection::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{BIG5, GBK, SHIFT_JIS, UTF_16LE, WINDOWS_1252};
    use proptest::prelude::*;

    const CHINESE: &str = "<html><head><title>珍爱网 征婚 年龄 身高</title></head><body>四川成都 未婚 大学本科</body></html>";

    fn decoded(bytes: &[u8], content_type: &str) -> (String, &'static str) {
        let (text, encoding) = decode(bytes, Some(&ContentType::parse(content_type)), "127.0.0.1");
        (text.into_owned(), encoding.name())
    }

    #[test]
    fn the_declaration_that_counts_is_the_first_of_mark_header_and_meta() {
        let gbk = GBK.encode(CHINESE).0.into_owned();
        let meta = |label: &str, text: &str| format!("<meta charset={label}>{text}");
        assert_eq!(decoded(&gbk, "text/html; charset=GBK"), (CHINESE.into(), "GBK"));
        assert_eq!(decoded(&gbk, "text/html;charset=\"gb2312\" ; x=y"), (CHINESE.into(), "GBK"));
        let with_meta = meta("gbk", CHINESE);
        assert_eq!(decoded(&GBK.encode(&with_meta).0, "text/html"), (with_meta.clone(), "GBK"));
        assert_eq!(decoded(&GBK.encode(&with_meta).0, "text/html; charset=nonsense"), (with_meta, "GBK"));
        let wrong_meta = meta("big5", CHINESE);
        assert_eq!(decoded(&GBK.encode(&wrong_meta).0, "text/html; charset=gbk"), (wrong_meta, "GBK"));
        let marked = [b"\xef\xbb\xbf", CHINESE.as_bytes()].concat();
        assert_eq!(decoded(&marked, "text/html; charset=gbk"), (CHINESE.into(), "UTF-8"));
        let utf16: Vec<u8> = [0xfeffu16].into_iter().chain(CHINESE.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16, "text/html"), (CHINESE.into(), UTF_16LE.name()));
    }

    #[test]
    fn what_declares_nothing_is_told_from_its_bytes() {
        assert_eq!(decoded(CHINESE.as_bytes(), "text/html"), (CHINESE.into(), "UTF-8"));
        assert_eq!(decoded(&GBK.encode(CHINESE).0, "text/html"), (CHINESE.into(), "GBK"));
        let japanese = "<title>これは日本語のページです</title>";
        assert_eq!(decoded(&SHIFT_JIS.encode(japanese).0, "text/html"), (japanese.into(), "Shift_JIS"));
        let traditional = "<title>這是一個繁體中文的網頁，內容很短</title>";
        assert_eq!(decoded(&BIG5.encode(traditional).0, "text/html"), (traditional.into(), "Big5"));
        let french = "<title>Le café où l'été dure, déjà fermé à Noël</title>";
        assert_eq!(decoded(&WINDOWS_1252.encode(french).0, "text/html"), (french.into(), "windows-1252"));
        assert_eq!(decoded(b"", "text/html"), (String::new(), "UTF-8"));
    }

    #[test]
    fn utf_8_is_not_copied() {
        assert!(matches!(decode(CHINESE.as_bytes(), None, "h"), (Cow::Borrowed(_), _)));
        let declared = ContentType::parse("text/html; charset=utf-8");
        assert!(matches!(decode(CHINESE.as_bytes(), Some(&declared), "h"), (Cow::Borrowed(_), _)));
    }

    proptest! {
        #[test]
        fn any_bytes_become_text(bytes in proptest::collection::vec(any::<u8>(), 0..300), host in "[a-zA-Z0-9.:é\\[\\]-]{0,12}") {
            let _ = decode(&bytes, None, &host);
        }
    }
}
