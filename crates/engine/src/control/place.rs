//! The place of the socket. A path of a Unix socket has room for some hundred bytes, and a state directory may lie deeper.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The socket's name in a state directory.
const NAME: &str = "control";

/// Bytes of a path that every system has room for.
const SHORT: usize = 100;

/// A path by which the socket can be bound or reached, as long as this value lives.
#[derive(Debug)]
pub struct SocketPlace {
    path: PathBuf,
    /// The directory that the path goes through, where it would be too long otherwise.
    _folder: Option<File>,
}

impl SocketPlace {
    /// The place in a state directory.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn new(state: &Path) -> io::Result<SocketPlace> {
        let path = state.join(NAME);
        if path.as_os_str().len() <= SHORT {
            return Ok(SocketPlace { path, _folder: None });
        }
        let folder = File::open(state)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
        Ok(SocketPlace { path, _folder: Some(folder) })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
