//! Reading flags' values, and collecting what is wrong with them.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use model::CrawlUrl;
use model::job::NetPermit;
use regex::Regex;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Values {
    mistakes: Vec<String>,
}

impl Values {
    pub(super) fn mistake(&mut self, sentence: String) {
        self.mistakes.push(sentence);
    }

    /// The value of a flag; none if it was not given or is wrong, which is noted.
    pub(super) fn parse<T, E: Display>(&mut self, flag: &str, text: Option<&str>, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        match parse(text?.trim()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(format!("{flag} {:?}: {error}", text.unwrap_or_default()));
                None
            }
        }
    }

    pub(super) fn all<T, E: Display>(&mut self, flag: &str, texts: &[String], parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        texts.iter().filter_map(|text| self.parse(flag, Some(text), &parse)).collect()
    }

    pub(super) fn duration(&mut self, flag: &str, text: Option<&str>) -> Option<Duration> {
        const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
        self.parse(flag, text, |text| match rpcsupport::process::duration(text) {
            Ok(time) if time > LONGEST => Err("expected at most a year"),
            result => result,
        })
    }

    pub(super) fn regexes(&mut self, flag: &str, texts: &[String]) -> Vec<Regex> {
        self.all(flag, texts, |text| Regex::new(text).map_err(|error| format!("not a regular expression: {error}")))
    }

    /// Notes a file that cannot be written because its folder is missing.
    pub(super) fn folder_exists(&mut self, flag: &str, path: &Path) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            self.mistake(format!("{flag} {}: there is no folder {}", path.display(), folder.display()));
        }
    }

    /// The value if there was no mistake at all.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(self.mistakes) }
    }
}

/// A number of things, at least 1: any of the `NonZero` types.
pub(super) fn count<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a whole number, 1 or more")
}

/// A number of bytes: `500kB`, `10MB`, `64MiB`, `100B`.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let expected = "expected a size with its unit, such as 500kB, 10MB or 64MiB, above 0 and at most 1GB";
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected);
    }
    let bytes = text.parse::<bytesize::ByteSize>().map_err(|_| expected)?.as_u64();
    if (1..=1_000_000_000).contains(&bytes) { Ok(bytes) } else { Err(expected) }
}

/// Longest password that is read, in bytes.
const MAX_SECRET: usize = 1024;

/// The first line of a file that has a password and nothing else.
pub(super) fn secret_file(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.contains('\n') || secret.len() > MAX_SECRET {
        return Err(format!("expected one line of at most {MAX_SECRET} bytes, the password"));
    }
    Ok(secret.to_owned())
}

/// Media types, comma-separated, each perhaps `kind/*`; in lower case.
pub(super) fn media_types(text: &str) -> Result<Vec<String>, String> {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte));
    let is_type = |text: &str| text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && (subtype == "*" || is_token(subtype)));
    let types: Vec<String> = text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    match types.iter().find(|name| !is_type(name)) {
        Some(other) => Err(format!("{other:?} is no media type: expected some, comma-separated, such as application/pdf,image/*")),
        None => Ok(types),
    }
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is no header name"));
    }
    const OURS: [&str; 7] = ["host", "content-length", "connection", "transfer-encoding", "accept-encoding", "user-agent", "cookie"];
    if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return Err(format!("the crawler sets {name} itself"));
    }
    Ok((name.to_owned(), header_value(value.trim())?))
}

/// A header's value: visible ASCII and spaces.
pub(super) fn header_value(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if fits { Ok(text.to_owned()) } else { Err("a header's value is visible ASCII and not empty".to_owned()) }
}

/// `HOST`, `HOST:PORT` or `NETWORK/BITS`.
pub(super) fn net_permit(text: &str) -> Result<NetPermit, &'static str> {
    let expected = "expected HOST, HOST:PORT or NETWORK/BITS, such as intranet.example:8080 or 10.0.0.0/8";
    if text.contains('/') {
        let net: IpNet = text.parse().map_err(|_| expected)?;
        return Ok(NetPermit { host: net.trunc().to_string(), port: None });
    }
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| !port.contains(']') && !host.is_empty());
    if text.contains(['?', '#', '@']) || (has_port && text.ends_with(':')) {
        return Err(expected);
    }
    let url = CrawlUrl::parse(&format!("http://{text}/")).map_err(|_| expected)?;
    Ok(NetPermit { host: url.host_str().to_owned(), port: has_port.then(|| url.port()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!((size("10MB"), size("64MiB"), size("500kB")), (Ok(10_000_000), Ok(67_108_864), Ok(500_000)));
        for bad in ["10", "0MB", "2GB", "big", ""] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_net_permit_is_a_host_a_host_with_port_or_a_network() {
        let permit = |text| net_permit(text).map(|permit| (permit.host, permit.port));
        assert_eq!(permit("Intranet.Example"), Ok(("intranet.example".into(), None)));
        assert_eq!(permit("intranet:8080"), Ok(("intranet".into(), Some(8080))));
        assert_eq!(permit("intranet:80"), Ok(("intranet".into(), Some(80))));
        assert_eq!(permit("10.1.2.3/8"), Ok(("10.0.0.0/8".into(), None)));
        assert_eq!(permit("[::1]:81"), Ok(("[::1]".into(), Some(81))));
        for bad in ["", "10.0.0.0/99", "a b", "a@b", "h:"] {
            assert!(net_permit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn media_types_have_a_kind_and_a_subtype_or_all_of_them() {
        assert_eq!(media_types("Image/*, application/pdf"), Ok(vec!["image/*".to_owned(), "application/pdf".to_owned()]));
        for bad in ["", "pdf", "image/", "/png", "*/*", "image/p*", "text/html; charset=utf-8", "a/b,"] {
            assert!(media_types(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_has_a_name_and_a_value_and_is_not_one_of_ours() {
        assert_eq!(header("X-Team: crawl"), Ok(("X-Team".into(), "crawl".into())));
        for bad in ["X-Team", ": v", "a b: c", "Host: x", "X: \n"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
