//! Telling which pages are being parsed to someone who must know it when this process is gone.

use model::DedupKey;

/// Told when a parse begins and when it ends, on the thread that parses: what has begun and never ended took the process with it.
///
/// At most as many parses run at once as there are [`Config::parse_threads`](crate::Config::parse_threads) and threads of the runtime. Both calls are on every page's way: an
/// implementation is quick and does not panic.
pub trait ParseWatch: Send + Sync {
    /// A page that was fetched is about to be decoded and parsed. Returns what the parse is called until its end. The same page may be
    /// parsed twice at once, when a first parse that nobody waits for any more is still on its way.
    fn begin(&self, key: DedupKey) -> usize;

    /// That parse has ended, be it with a page, an error or a panic.
    fn end(&self, parse: usize);
}

/// A parse that is watched until this is dropped.
pub(crate) struct Watched<'w> {
    watch: &'w dyn ParseWatch,
    parse: usize,
}

impl Watched<'_> {
    pub(crate) fn begin(watch: &dyn ParseWatch, key: DedupKey) -> Watched<'_> {
        Watched { watch, parse: watch.begin(key) }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watch.end(self.parse);
    }
}
