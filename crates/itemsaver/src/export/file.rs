//! A file that appears under its name only when it is whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Output to a path. Until [`OutputFile::finish`] it is written under another name in the same folder; dropped before, it is removed
/// and what was at the path stays. What is no regular file, such as a pipe, is written directly.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    /// Where it is until it is whole, and where then; `None` when written directly or finished.
    rename: Option<(PathBuf, PathBuf)>,
}

impl OutputFile {
    /// Begins output to a path.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(path: &Path) -> io::Result<OutputFile> {
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Ok(OutputFile { file: OpenOptions::new().write(true).open(path)?, rename: None });
        }
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not the name of a file"))?;
        let mut part = name.to_owned();
        // The process's id keeps two exports to the same path apart; one left over from a killed process is overwritten.
        part.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(part);
        Ok(OutputFile { file: File::create(&part)?, rename: Some((part, path.to_owned())) })
    }

    /// Syncs what was written and gives it its name.
    ///
    /// # Errors
    /// When either fails; the path is then as it was.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some((part, path)) = &self.rename {
            self.file.sync_all()?;
            std::fs::rename(part, path)?;
            self.rename = None;
        }
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.rename {
            // What cannot be removed is said by its name.
            let _ = std::fs::remove_file(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        std::fs::write(&path, "old").unwrap();
        let mut output = OutputFile::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        drop(output);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let mut output = OutputFile::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
