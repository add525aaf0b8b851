//! How a state file is kept: replaced whole before a call is answered, under a lock that lets
//! several processes share it.
//!
//! Whoever writes locks `<file>.lock`, reads the document again if another process has replaced
//! it, and replaces it: a temporary file, synced, then renamed over it. Whatever kills the process,
//! the file is as it was before a call or after it, never something between.

use super::disk::OpenError;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// A file that holds one document.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
}

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    _file: File,
}

/// Tells any two states of a document apart: its beginning holds the numbers that change with
/// every write (at most 120 bytes), its length shows what was cut off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    head: Vec<u8>,
    length: u64,
}

const HEAD: usize = 160;

impl Stamp {
    pub(super) fn of(text: &[u8]) -> Self {
        Stamp { head: text.iter().take(HEAD).copied().collect(), length: text.len() as u64 }
    }
}

impl StateFile {
    pub(super) fn at(path: &Path) -> Self {
        StateFile { path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock.
    pub(super) fn lock(&self) -> Result<Locked, OpenError> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&name).map_err(|source| self.io("opening the lock of", source))?;
        file.lock().map_err(|source| self.io("locking", source))?;
        Ok(Locked { _file: file })
    }

    /// The document; `None` if there is no file.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, OpenError> {
        self.unless_absent(std::fs::read(&self.path))
    }

    /// What the document is now; `None` if there is no file.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>, OpenError> {
        let read = || -> std::io::Result<Stamp> {
            let file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            let mut head = Vec::with_capacity(HEAD);
            file.take(HEAD as u64).read_to_end(&mut head)?;
            Ok(Stamp { head, length })
        };
        self.unless_absent(read())
    }

    /// Replaces the document.
    pub(super) fn replace(&self, text: &[u8], _held: &Locked) -> Result<Stamp, OpenError> {
        let write = || -> std::io::Result<()> {
            let folder = match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            // A named temporary file is made with mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text)?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            #[cfg(unix)]
            File::open(folder)?.sync_all()?;
            Ok(())
        };
        write().map_err(|source| self.io("writing", source))?;
        Ok(Stamp::of(text))
    }

    fn unless_absent<T>(&self, read: std::io::Result<T>) -> Result<Option<T>, OpenError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io("reading", source)),
        }
    }

    fn io(&self, doing: &'static str, source: std::io::Error) -> OpenError {
        OpenError::Io { doing, path: self.path.clone(), source }
    }
}
