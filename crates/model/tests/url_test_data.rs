//! Our canonical form against the test data of the URL standard (`urltestdata.json` of the web platform tests), as the crate `url` ships it.
//!
//! What the standard calls a URL with the scheme http or https is one for us too, with the standard's serialisation less fragment and
//! credentials; other URLs are refused by their scheme, and what it calls a failure is malformed. Where that is not so, [`DIFFERENCES`] says why.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::Command;

use model::{CrawlUrl, UrlError};
use serde_json::Value;
use url::Url;

/// Input and base of cases that end otherwise, and why.
const DIFFERENCES: [(&str, &str); 0] = [];

/// The file, in the folder that Cargo has unpacked the crate to.
fn test_data() -> Vec<Value> {
    // Where nothing was fetched but what this machine's build needs, Cargo fetches the rest: it tells of all platforms or of none.
    let metadata = Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--locked"]).output().unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "url").unwrap();
    let file = PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name("tests").join("urltestdata.json");
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
}

/// What is expected, as text: a canonical URL or the kind of error.
fn expected(case: &Value) -> String {
    let Some(href) = case["href"].as_str() else { return "malformed".to_owned() };
    let scheme = case["protocol"].as_str().unwrap();
    if !matches!(scheme, "http:" | "https:") {
        return format!("scheme {scheme}");
    }
    let without_fragment = href.split('#').next().unwrap();
    let (start, rest) = without_fragment.split_at(scheme.len() + 2);
    let host = rest.find('/').map_or(rest, |slash| &rest[..slash]);
    let user = host.rfind('@').map_or(0, |at| at + 1);
    format!("{start}{}", &rest[user..])
}

fn found(case: &Value) -> String {
    let input = case["input"].as_str().unwrap();
    let url = match case["base"].as_str() {
        None => CrawlUrl::parse(input),
        Some(base) => {
            let base = Url::parse(base).map_err(|error| error.to_string());
            let joined = base.and_then(|base| base.join(input).map_err(|error| error.to_string()));
            joined.map_err(UrlError::Malformed).and_then(CrawlUrl::from_url)
        }
    };
    match url {
        Ok(url) => url.to_string(),
        Err(UrlError::Malformed(_)) => "malformed".to_owned(),
        Err(UrlError::Scheme(scheme)) => format!("scheme {scheme}:"),
        Err(UrlError::TooLong(_)) => "too long".to_owned(),
    }
}

#[test]
fn urls_are_what_the_standard_says_they_are() {
    let cases = test_data();
    let cases: Vec<&Value> = cases.iter().filter(|case| case.is_object()).collect();
    assert!(cases.len() > 800, "{}", cases.len());
    let mut differences = Vec::new();
    for case in cases {
        let (expected, found) = (expected(case), found(case));
        if expected != found {
            differences.push((format!("{} on {}", case["input"], case["base"]), format!("{found} instead of {expected}")));
        }
    }
    let keys: Vec<&str> = differences.iter().map(|(case, _)| case.as_str()).collect();
    assert_eq!(keys, DIFFERENCES.map(|(case, _)| case), "{differences:#?}");
}

#[test]
fn international_names_are_sent_as_ascii_and_credentials_are_not_sent() {
    for (given, expected) in [
        ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://例子.测试/路?问=答", "http://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF?%E9%97%AE=%E7%AD%94"),
        ("http://faß.example/", "http://xn--fa-hia.example/"),
        ("http://１２７．０．０．１/", "http://127.0.0.1/"),
        ("https://user:pass%40word@example.org:444/a", "https://example.org:444/a"),
        ("http:user@example.org", "http://example.org/"),
    ] {
        assert_eq!(CrawlUrl::parse(given).unwrap().as_str(), expected, "{given}");
    }
    for bad in ["http://xn--/", "http://a b/", "http://exa%00mple/", "http://[::1/", "http://256.1.1.1/"] {
        assert!(matches!(CrawlUrl::parse(bad), Err(UrlError::Malformed(_))), "{bad}");
    }
}
