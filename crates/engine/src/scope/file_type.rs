//! File types that are not worth a fetch, by the end of a URL's path.

use std::collections::BTreeSet;

use model::CrawlUrl;
use serde::{Deserialize, Serialize};

/// Extensions, in lower case and without the dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extensions(BTreeSet<String>);

/// Images, sound, films, archives, programs, fonts and documents that are no text.
pub const BINARY: &str = "\
    3gp,7z,aac,aif,apk,avi,avif,bin,bmp,br,bz2,cab,class,dat,deb,dmg,doc,docx,ear,eot,epub,exe,flac,flv,gif,gz,heic,ico,img,iso,jar,jpeg,\
    jpg,lz4,m4a,m4v,mid,mkv,mobi,mov,mp3,mp4,mpeg,mpg,msi,odp,ods,odt,oga,ogg,ogv,otf,pdf,pkg,png,ppt,pptx,psd,rar,rpm,swf,tar,tgz,tif,tiff,\
    ttf,war,wav,webm,webp,wma,wmv,woff,woff2,xls,xlsx,xz,zip,zst";

impl Extensions {
    /// Reads `zip,PDF,.mp4`; `none` is none.
    pub fn parse(text: &str) -> Option<Extensions> {
        if text == "none" {
            return Some(Extensions::default());
        }
        let is_one = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let parts = text.split(',').map(|part| part.trim().trim_start_matches('.').to_ascii_lowercase());
        let all: BTreeSet<String> = parts.collect();
        all.iter().all(|part| is_one(part)).then_some(Extensions(all))
    }

    /// Those of [`BINARY`].
    pub fn binary() -> Extensions {
        Extensions::parse(BINARY).expect("a list of extensions")
    }

    /// Whether the last part of a URL's path ends in one of them. A name with a colon in it is that of a page about a file, as wikis have
    /// them.
    pub(super) fn has(&self, url: &CrawlUrl) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let text = url.path_and_query();
        let path = text.split_once('?').map_or(text, |(path, _)| path);
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let Some((begin, extension)) = name.rsplit_once('.') else { return false };
        let is_short = extension.len() <= 8 && !begin.is_empty() && !begin.contains(':') && !begin.contains("%3A");
        is_short
            && match extension.bytes().any(|byte| byte.is_ascii_uppercase()) {
                true => self.0.contains(&extension.to_ascii_lowercase()),
                false => self.0.contains(extension),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_file_is_known_by_the_end_of_its_path() {
        let binary = Extensions::binary();
        for (path, expected) in [
            ("/a/b.zip", true),
            ("/a/b.JPG?c=d.html", true),
            ("/a/b.tar.gz", true),
            ("/a/b.html?c=d.zip", false),
            ("/a.zip/b", false),
            ("/.zip", false),
            ("/zip", false),
            ("/wiki/File:Map.png", false),
            ("/a/b.php", false),
            ("/", false),
        ] {
            assert_eq!(binary.has(&CrawlUrl::parse(&format!("http://h.zip{path}")).unwrap()), expected, "{path}");
        }
        assert_eq!(Extensions::parse(" .Zip, pdf"), Extensions::parse("pdf,zip"));
        assert_eq!(Extensions::parse("none"), Some(Extensions::default()));
        assert_eq!((Extensions::parse("a b"), Extensions::parse("")), (None, None));
    }
}
