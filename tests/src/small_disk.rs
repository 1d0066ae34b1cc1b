//! A disk that is full after a few megabytes, in memory, for processes that are started on it.
//!
//! It is mounted in a namespace of its own, so that nothing of it is left behind however a test ends, and nobody needs to be root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::Process;
use crate::program::{self, Program};

/// A small disk, until dropped.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Process,
    folder: TempDir,
}

impl SmallDisk {
    /// A disk of so many KiB.
    ///
    /// # Panics
    /// When the system lets nobody but root mount one, as containers may.
    pub fn of_kib(size: u64) -> SmallDisk {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let script = r#"mount -t tmpfs -o "size=$1k" small-disk "$2" && echo mounted >&2 && exec sleep infinity"#;
        let unshare = Program::of_file("unshare", Path::new("/usr/bin/unshare"));
        let shell = unshare.args(["--map-root-user", "--mount", "sh", "-c", script, "sh", &size.to_string()]);
        let holder = shell.arg(folder.path()).start();
        holder.line("mounted");
        SmallDisk { holder, folder }
    }

    /// Where it is, for its own processes alone.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// One of the workspace's binaries, on this disk.
    pub fn program(&self, name: &str) -> Program {
        self.command(name, program::folder().join(name))
    }

    /// Makes it larger.
    ///
    /// # Panics
    /// When that fails.
    pub fn grow_to_kib(&self, size: u64) {
        let mount = self.command("mount", "mount").args(["-o", &format!("remount,size={size}k")]).arg(self.path()).run();
        assert_eq!(mount.code, Some(0), "{}", mount.stderr);
    }

    /// A file of it, as text.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, file: &Path) -> String {
        let cat = self.command("cat", "cat").arg(file).run();
        assert_eq!(cat.code, Some(0), "{}", cat.stderr);
        cat.stdout
    }

    fn command(&self, name: &str, file: impl AsRef<OsStr>) -> Program {
        let nsenter = Program::of_file(name, Path::new("/usr/bin/nsenter"));
        nsenter.args(["--target", &self.holder.id().to_string(), "--user", "--mount", "--preserve-credentials", "--"]).arg(file)
    }
}
