//! The spider files a worker was given, compiled.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use model::SpiderHash;
use model::error::{RetryClass, WireError, code};
use model::parser::SpiderFile;
use spider::Spider;

/// Spiders kept. A crawl has one; what is pushed out is asked for again.
const MAX_SPIDERS: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

/// Compiled spiders by their version, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Spiders {
    kept: Mutex<Vec<Arc<Spider>>>,
}

impl Spiders {
    /// The spider of that version.
    ///
    /// # Errors
    /// [`code::NEED_SPIDER`] when it is not there (any more).
    pub(crate) fn get(&self, hash: &SpiderHash) -> Result<Arc<Spider>, WireError> {
        let mut kept = self.kept.lock().expect("no holder of this lock panics");
        let Some(at) = kept.iter().rposition(|spider| spider.hash == *hash) else {
            return Err(WireError::new(code::NEED_SPIDER, RetryClass::Peer, hash.as_str()));
        };
        let last = kept.len() - 1;
        kept[at..=last].rotate_left(1);
        Ok(Arc::clone(&kept[last]))
    }

    pub(crate) fn keep(&self, spider: Spider) {
        let mut kept = self.kept.lock().expect("no holder of this lock panics");
        if kept.iter().any(|known| known.hash == spider.hash) {
            return;
        }
        if kept.len() == MAX_SPIDERS.get() {
            kept.remove(0);
        }
        kept.push(Arc::new(spider));
    }
}

/// Checks and compiles a file.
///
/// # Errors
/// `bad spider`, with all its mistakes.
pub(crate) fn compile(file: &SpiderFile, built_in: &[&str]) -> Result<Spider, WireError> {
    let bad = |detail: String| WireError::new("bad spider", RetryClass::Dead, detail);
    if SpiderHash::of(file.text.as_bytes()) != file.hash {
        return Err(bad(format!("the text does not match the hash {}", file.hash)));
    }
    Spider::parse(&file.text, built_in).map_err(|errors| bad(errors.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> SpiderFile {
        let text = format!("name = \"{name}\"\n[parsers.a]\nlinks = [{{ parser = \"a\" }}]\n");
        SpiderFile { hash: SpiderHash::of(text.as_bytes()), text }
    }

    #[test]
    fn a_file_that_is_not_what_its_hash_says_is_refused() {
        let mut damaged = file("x");
        damaged.text.push('\n');
        let error = compile(&damaged, &[]).unwrap_err();
        assert_eq!((error.code.as_str(), error.retry), ("bad spider", RetryClass::Dead));
    }

    #[test]
    fn the_spider_used_least_recently_makes_room() {
        let spiders = Spiders::default();
        let files: Vec<SpiderFile> = (0..=MAX_SPIDERS.get()).map(|n| file(&format!("s{n}"))).collect();
        for (n, file) in files.iter().enumerate() {
            if n == MAX_SPIDERS.get() {
                spiders.get(&files[0].hash).unwrap();
            }
            spiders.keep(compile(file, &[]).unwrap());
        }
        assert!(spiders.get(&files[0].hash).is_ok());
        assert_eq!(spiders.get(&files[1].hash).unwrap_err().code, code::NEED_SPIDER);
        assert!(spiders.get(&files[MAX_SPIDERS.get()].hash).is_ok());
    }
}
