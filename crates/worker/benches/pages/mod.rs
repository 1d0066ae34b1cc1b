//! The pages that benchmarks of this crate read.

use std::path::{Path, PathBuf};

/// Pages that are generated where no folder is given.
const GENERATED: usize = 500;

/// All HTML pages below the folder that the command line names, UTF-8 or taken for it, or else generated ones; and which these are.
pub(crate) fn read() -> (String, Vec<(PathBuf, String)>) {
    match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(folder) => (folder.clone(), below(Path::new(&folder))),
        None => ("generated HTML".to_owned(), (0..GENERATED).map(|n| (PathBuf::from(n.to_string()), generated(n))).collect()),
    }
}

fn below(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for file in folder.read_dir().expect("a folder that can be read") {
            let path = file.expect("a file that can be seen").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                let bytes = std::fs::read(&path).expect("a page that can be read");
                pages.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    pages
}

/// A page as many sites have it: a menu, paragraphs with a few links, and a script.
fn generated(n: usize) -> String {
    let menu: String = (0..40)
        .map(|m| format!("<li class=\"item\"><a href=\"/section/{m}/?from={n}&amp;x=1\" title=\"Section\">Section {m}</a></li>\n"))
        .collect();
    let paragraph =
        "<p class=\"text\">Some <b>words</b> and <a href=\"../page-7.html\">more of them</a>, as many as <code>it</code> takes.</p>\n";
    let script = "<script>for (let i = 0; i < 10; i++) { document.write('<b>' + i + '</b>'); }</script>\n";
    format!(
        "<!doctype html><html lang=\"en\"><head><title>Page {n}</title></head><body><ul>{menu}</ul>{}{script}</body></html>",
        paragraph.repeat(100)
    )
}
