//! Every encoding of the Encoding Standard, by each of its labels, however it is declared.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::{ContentType, decode};

/// Name, text that it can write, labels.
const ENCODINGS: [(&str, &str, &str); 40] = [
    ("UTF-8", "é日𠀀", "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8"),
    ("IBM866", "Привет", "866 cp866 csibm866 ibm866"),
    ("ISO-8859-2", "Zażółć", "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"),
    ("ISO-8859-3", "Ċaqlaq ħobż", "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"),
    ("ISO-8859-4", "Ēku šķūnis", "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"),
    ("ISO-8859-5", "Привет", "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988"),
    (
        "ISO-8859-6",
        "مرحبا",
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 \
         iso88596 iso_8859-6 iso_8859-6:1987",
    ),
    (
        "ISO-8859-7",
        "Καλημέρα",
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
    ),
    (
        "ISO-8859-8",
        "שלום",
        "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual",
    ),
    ("ISO-8859-8-I", "שלום", "csiso88598i iso-8859-8-i logical"),
    ("ISO-8859-10", "Þórður", "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6"),
    ("ISO-8859-13", "Žąsis", "iso-8859-13 iso8859-13 iso885913"),
    ("ISO-8859-14", "Ŵyth", "iso-8859-14 iso8859-14 iso885914"),
    ("ISO-8859-15", "Œuvre à 5 €", "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9"),
    ("ISO-8859-16", "Școală", "iso-8859-16"),
    ("KOI8-R", "Привет", "cskoi8r koi koi8 koi8-r koi8_r"),
    ("KOI8-U", "Їжак", "koi8-ru koi8-u"),
    ("macintosh", "Ça été ‡", "csmacintosh mac macintosh x-mac-roman"),
    ("windows-874", "สวัสดี", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874"),
    ("windows-1250", "Příliš", "cp1250 windows-1250 x-cp1250"),
    ("windows-1251", "Привет", "cp1251 windows-1251 x-cp1251"),
    (
        "windows-1252",
        "Über 5 €",
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 \
         latin1 us-ascii windows-1252 x-cp1252",
    ),
    ("windows-1253", "Καλημέρα", "cp1253 windows-1253 x-cp1253"),
    (
        "windows-1254",
        "Iğdır",
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254",
    ),
    ("windows-1255", "שלום", "cp1255 windows-1255 x-cp1255"),
    ("windows-1256", "مرحبا", "cp1256 windows-1256 x-cp1256"),
    ("windows-1257", "Žąsis", "cp1257 windows-1257 x-cp1257"),
    ("windows-1258", "Đêm", "cp1258 windows-1258 x-cp1258"),
    ("x-mac-cyrillic", "Привет", "x-mac-cyrillic x-mac-ukrainian"),
    ("GBK", "简体中文", "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk"),
    ("gb18030", "简体中文𠀀", "gb18030"),
    ("Big5", "繁體中文", "big5 big5-hkscs cn-big5 csbig5 x-x-big5"),
    ("EUC-JP", "日本語", "cseucpkdfmtjapanese euc-jp x-euc-jp"),
    ("ISO-2022-JP", "日本語", "csiso2022jp iso-2022-jp"),
    ("Shift_JIS", "日本語", "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis"),
    ("EUC-KR", "한국어", "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949"),
    ("replacement", "", "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement"),
    ("UTF-16BE", "é日𠀀", "unicodefffe utf-16be"),
    ("UTF-16LE", "é日𠀀", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"),
    ("x-user-defined", "\u{f780}\u{f7ff}", "x-user-defined"),
];

fn all() -> impl Iterator<Item = (&'static Encoding, &'static str, &'static str)> {
    ENCODINGS.into_iter().flat_map(|(name, text, labels)| {
        let encoding = Encoding::for_label(name.as_bytes()).unwrap();
        assert_eq!(encoding.name(), name);
        labels.split_whitespace().map(move |label| (encoding, text, label))
    })
}

fn encode(encoding: &'static Encoding, text: &str) -> Vec<u8> {
    if encoding == UTF_16BE {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    } else if encoding == UTF_16LE {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        let (bytes, _, unmappable) = encoding.encode(text);
        assert!(!unmappable, "{} cannot write {text}", encoding.name());
        bytes.into_owned()
    }
}

fn decoded(bytes: &[u8], content_type: &str) -> (String, &'static Encoding) {
    let (text, encoding) = decode(bytes, Some(&ContentType::parse(content_type)), "site.example");
    (text.into_owned(), encoding)
}

#[test]
fn the_header_says_by_any_label_what_a_page_is_in() {
    let mut labels = 0;
    for (encoding, text, label) in all() {
        labels += 1;
        let page = format!("<title>{text}</title>");
        let spelt = [label.to_owned(), label.to_uppercase(), format!("\"{label}\""), format!(" {label} ")];
        for label in spelt {
            let content_type = format!("text/html; charset={label}");
            let bytes = if encoding == REPLACEMENT { page.clone().into_bytes() } else { encode(encoding, &page) };
            let expected = if encoding == REPLACEMENT { "\u{fffd}".to_owned() } else { page.clone() };
            assert_eq!(decoded(&bytes, &content_type), (expected, encoding), "{content_type}");
        }
        // As short as a page can be.
        if encoding != REPLACEMENT {
            assert_eq!(decoded(&encode(encoding, text), &format!("text/html;charset={label}")).0, text, "{label}");
        }
    }
    assert_eq!(labels, 228);
}

#[test]
fn a_meta_element_says_it_where_the_header_does_not() {
    for (encoding, text, label) in all() {
        let (effective, text) = if encoding == UTF_16BE || encoding == UTF_16LE {
            // What can be read as ASCII is not UTF-16.
            (UTF_8, text)
        } else if encoding == X_USER_DEFINED {
            (WINDOWS_1252, "é")
        } else {
            (encoding, text)
        };
        for meta in [
            format!("<meta charset={label}>"),
            format!("<META content='text/html; charset={label}' http-equiv=content-type>"),
            format!("<meta http-equiv='Content-Type' content=\"text/html;charset='{label}'\">"),
        ] {
            let page = format!("<!doctype html>{meta}<title>{text}</title>");
            let bytes = if effective == REPLACEMENT { page.clone().into_bytes() } else { encode(effective, &page) };
            let expected = if effective == REPLACEMENT { "\u{fffd}".to_owned() } else { page.clone() };
            for content_type in ["text/html", "text/html; charset=", "text/html; charset=no-such-charset", "text/html; charset=\"\""] {
                assert_eq!(decoded(&bytes, content_type), (expected.clone(), effective), "{content_type} {meta}");
            }
        }
    }
}

#[test]
fn the_header_counts_before_meta_elements_and_a_mark_before_both() {
    for (encoding, text, label) in all().filter(|(encoding, _, _)| *encoding != REPLACEMENT) {
        for wrong in ["utf-8", "gbk", "iso-8859-1", "shift_jis"] {
            let page = format!("<meta charset={wrong}><title>{text}</title>");
            assert_eq!(decoded(&encode(encoding, &page), &format!("text/html; charset={label}")), (page, encoding), "{label} {wrong}");
        }
        let page = format!("\u{feff}<meta charset={label}><title>é日</title>");
        for marked in [UTF_8, UTF_16LE, UTF_16BE] {
            let found = decoded(&encode(marked, &page), &format!("text/html; charset={label}"));
            assert_eq!(found, (page.trim_start_matches('\u{feff}').to_owned(), marked), "{label}");
        }
    }
}

#[test]
fn a_declaration_further_on_counts_for_what_is_not_utf_8() {
    for (encoding, text, label) in all().filter(|(encoding, _, _)| *encoding != REPLACEMENT) {
        if encoding == UTF_8 || encoding == UTF_16BE || encoding == UTF_16LE || encoding == X_USER_DEFINED {
            continue;
        }
        let page = format!("<!doctype html><!--{}--><meta charset={label}><title>{text}</title>", "x".repeat(2_000));
        assert_eq!(decoded(&encode(encoding, &page), "text/html"), (page, encoding), "{label}");
        let utf_8 = format!("<!doctype html><!--{}--><meta charset={label}><title>é日本語</title>", "x".repeat(2_000));
        assert_eq!(decoded(utf_8.as_bytes(), "text/html"), (utf_8.clone(), UTF_8), "{label}");
    }
}

#[test]
fn an_xml_declaration_counts_where_nothing_else_does() {
    let page = "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><title>日本語</title></html>";
    let bytes = encode(encoding_rs::SHIFT_JIS, page);
    for content_type in ["text/html", "application/xhtml+xml"] {
        assert_eq!(decoded(&bytes, content_type), (page.to_owned(), encoding_rs::SHIFT_JIS), "{content_type}");
    }
    let meta_first = page.replace("<title>", "<meta charset=euc-jp><title>");
    assert_eq!(decoded(&encode(encoding_rs::EUC_JP, &meta_first), "text/html"), (meta_first, encoding_rs::EUC_JP));
}

#[test]
fn escapes_without_a_declaration_are_told_from_text() {
    let page = "<title>これは日本語のページです</title><p>文字コードの宣言はありません。</p>";
    let found = decoded(&encode(encoding_rs::ISO_2022_JP, page), "text/html");
    assert_eq!(found, (page.to_owned(), encoding_rs::ISO_2022_JP));
    let terminal = "<pre>\u{1b}[31mred\u{1b}[0m</pre>";
    assert_eq!(decoded(terminal.as_bytes(), "text/html").0, terminal);
}

#[test]
fn what_is_wrongly_declared_is_read_as_declared_and_never_fails() {
    let found = decoded("é".as_bytes(), "text/html; charset=iso-8859-1");
    assert_eq!(found, ("Ã©".to_owned(), WINDOWS_1252));
    let found = decoded(b"caf\xe9", "text/html; charset=utf-8");
    assert_eq!(found, ("caf\u{fffd}".to_owned(), UTF_8));
    for (encoding, _, label) in all() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&bytes, &format!("text/html; charset={label}")).1, encoding);
    }
}
