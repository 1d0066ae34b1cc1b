//! That the scan finds what the same reading of html5ever's tokens finds.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

use super::{scan, scan_tokens};
use crate::parse::Allowance;

/// Pieces of pages that are read in different ways, or that bring a reader into a state or out of it.
const PIECES: &[&str] = &[
    // What is looked for.
    "<a href=1>",
    "<A HREF='2' rel=nofollow>",
    "<area href=\"3\">",
    "<a href>",
    "<a href = 4 rel=\"x NoFollow\"/>",
    "<a rel=nofollow href=5/>",
    "<a\nhref=6\rhref=7>",
    "<link rel=next href=8>",
    "<link rel='Canonical' href=/9>",
    "<link rel=alternate hreflang=de href=10>",
    "<link rel='alternate stylesheet' hreflang=x href=11>",
    "<meta http-equiv=refresh content='0;url=12'>",
    "<meta name=robots content=none>",
    "<META CONTENT=' a  b ' NAME=Description>",
    "<frame src=13>",
    "<base href=/14/>",
    "<html lang=' de '>",
    "<a href=a\0b>",
    "<a hr\0ef=15>",
    "<a href='\r\n16\r'>",
    "</a>",
    "</a href='>'>",
    // Elements whose text is read otherwise.
    "<title>",
    "</title>",
    "<TITLE x>",
    "</Title >",
    "</title/",
    "</titl",
    "<textarea>",
    "</textarea>",
    "<style>",
    "</style>",
    "<xmp>",
    "</xmp>",
    "<iframe>",
    "</iframe>",
    "<noembed>",
    "</noembed>",
    "<noframes>",
    "</noframes>",
    "<noscript>",
    "</noscript>",
    "<script>",
    "</script>",
    "<SCRIPT src=x>",
    "</script\t",
    "</scripts>",
    "<script/>",
    "<script ",
    "</script/",
    "<plaintext>",
    // Templates, SVG and MathML.
    "<template>",
    "</template>",
    "<svg>",
    "</svg>",
    "<svg/>",
    "<SVG x=1/>",
    "<math>",
    "</math>",
    "<mi>",
    "</mi>",
    "<foreignObject>",
    "</foreignobject>",
    "<desc>",
    "</desc>",
    "<annotation-xml encoding=text/html>",
    "<annotation-xml encoding='APPLICATION/xhtml+xml'/>",
    "<annotation-xml>",
    "</annotation-xml>",
    "<font color=x>",
    "<font>",
    "<p>",
    "</p>",
    "<div>",
    "</td>",
    "<linearGradient id=x>",
    "<br/>",
    "<li",
    "</section>",
    // Comments and what is taken for one.
    "<!--",
    "-->",
    "--!>",
    "<!-->",
    "<!--->",
    "<!---->",
    "<!--!>",
    "<!-",
    "<!",
    "<!>",
    "<?",
    "<?php '>' ?>",
    "</",
    "</>",
    "</ ",
    "</\0",
    "<!doctype html>",
    "<!DOCTYPE a PUBLIC \">\" '",
    "<![CDATA[",
    "<![cdata[",
    "]]>",
    "]]",
    "<!-<",
    "--",
    "-",
    // What tags, attributes and references are made of.
    "<",
    ">",
    "/",
    "=",
    "\"",
    "'",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\x0C",
    "\0",
    "\u{b}",
    "\u{feff}",
    "&",
    "&amp;",
    "&amp",
    "&copy=",
    "&copy;",
    "&notit;",
    "&#",
    "&#x",
    "&#65",
    "&#x80;",
    "&#0;",
    "&#xD800;",
    "&#1114112;",
    "&#99999999999",
    ";",
    "&NotEqualTilde;",
    "&é",
    "href",
    "href=",
    "href='",
    "rel=\"nofollow",
    "a",
    "A",
    "b",
    "x",
    "é",
    "互联网",
    "\u{212a}",
    "\u{a0}",
    "`",
    "!",
    "<a ",
    "<a href=",
    "<a href='x",
    "<a href=\"y",
    "<b a=\"<a href=17>\">",
    "<i\0>",
    "<é>",
    "<a\0 href=18>",
];

/// Single characters, of which rarer things are made than anyone thinks of.
const CHARACTERS: &[char] = &[
    '<', '<', '<', '>', '>', '/', '/', '=', '"', '\'', '!', '-', '-', '-', '?', '&', '#', ';', ' ', '\n', '\r', '\0', 'a', 'A', 'b', 'h',
    'x', '1', '[', ']', 'é', '`',
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(PIECES).prop_map(str::to_owned),
        2 => select(CHARACTERS).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
    ]
}

/// A script, whose text is read in the most involved way.
fn script() -> impl Strategy<Value = String> {
    let piece = select(
        &[
            "<!--",
            "-->",
            "--",
            "-",
            ">",
            "<!",
            "<!-",
            "<script>",
            "<script ",
            "<SCRIPT/",
            "</script>",
            "</script ",
            "</Script/",
            "</scripts>",
            "<scripts>",
            "<script",
            "</script",
            "<",
            "/",
            "</",
            "x",
            "\r",
            "\0",
            "=",
            "\"",
            "<a href=1>",
            "!",
        ][..],
    );
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| format!("<script>{}", pieces.concat()))
}

fn is_same(page: &str) -> Result<(), TestCaseError> {
    let unhurried = Allowance::unhurried(0);
    prop_assert_eq!(scan(page, &unhurried), scan_tokens(page, &unhurried), "{:?}", page);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_pieces_read_the_same(pieces in proptest::collection::vec(piece(), 0..40)) {
        is_same(&pieces.concat())?;
    }

    #[test]
    fn pages_of_characters_read_the_same(characters in proptest::collection::vec(select(CHARACTERS), 0..60)) {
        is_same(&characters.iter().collect::<String>())?;
    }

    #[test]
    fn scripts_read_the_same(script in script(), after in proptest::collection::vec(piece(), 0..6)) {
        is_same(&format!("{script}{}<a href=2>", after.concat()))?;
    }

    #[test]
    fn values_and_titles_read_the_same(
        pieces in proptest::collection::vec(prop_oneof![
            select(&["&", "&#", "x", "X", ";", "=", "a", "amp", "&amp", "&lt;", "&not", "in", "it;", "&copy", "0", "9", "128", "\r", "\n", "\r\n", "\0", "é", " ", "&am\0p;"][..])
                .prop_map(str::to_owned),
            any::<u32>().prop_map(|number| format!("&#{};", number % 0x12_0000)),
            // Names of which one begins with another.
            select(html5ever::data::NAMED_ENTITIES.keys().copied().collect::<Vec<_>>()).prop_map(|name| format!("&{name}")),
        ], 0..8),
        delimiter in select(&["'", "\"", ""][..]),
    ) {
        let value = pieces.concat();
        is_same(&format!("<title>{value}</title><a href={delimiter}{value}{delimiter}>"))?;
        is_same(&format!("<title>{value}"))?;
    }
}

#[test]
fn a_manual_reads_the_same() {
    let folder = Path::new("/usr/share/doc/postgresql-doc-15/html");
    assert!(folder.is_dir(), "{} is missing: `apt-get install -y postgresql-doc-15` as root", folder.display());
    let unhurried = Allowance::unhurried(0);
    let mut pages = 0;
    for file in folder.read_dir().unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "html") {
            let bytes = std::fs::read(&path).unwrap();
            let page = String::from_utf8_lossy(&bytes);
            assert!(scan(&page, &unhurried) == scan_tokens(&page, &unhurried), "{}", path.display());
            pages += 1;
        }
    }
    assert!(pages > 1_000, "{pages}");
}

#[test]
fn a_tag_of_a_million_attributes_is_read_in_linear_time() {
    let distinct: String = (0..1_000_000).map(|n| format!(" a{n}={n}")).collect();
    let page = format!("<a{distinct} href=1><meta{} content=none name=robots><a href=2", " name=x".repeat(1_000_000));
    // Comparing each attribute with those before it would take hours.
    let found = scan(&page, &Allowance::default()).unwrap();
    assert_eq!((&*found.links[0].href, found.links.len(), &*found.wishes[0].0), ("1", 1, "x"));
}
