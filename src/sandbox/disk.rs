//! The state file: one JSON document, replaced whole before a call is answered, under a lock that
//! lets several processes share one sandbox.
//!
//! A call locks `<file>.lock`, reads the document again if another process has replaced it, acts,
//! replaces it (a temporary file, synced, then renamed over it) and unlocks. Whatever kills the
//! process, the file is the world before a call or after it, never something between.

use super::store::Store;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Why a sandbox's state file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("{doing} the sandbox's state {}", path.display())]
    Io {
        /// What was tried: `reading`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The document is not whole, or not a sandbox's.
    #[error("reading the sandbox's state {}: the file is damaged", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
    /// The document is of another version.
    #[error(
        "reading the sandbox's state {}: it has format {found}, this version reads format {}",
        path.display(),
        Store::FORMAT
    )]
    OtherFormat {
        /// Which file.
        path: PathBuf,
        /// The format that it says it has.
        found: u32,
    },
}

impl OpenError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            OpenError::Io { .. } => "check the path and its permissions",
            OpenError::Damaged { .. } | OpenError::OtherFormat { .. } => {
                "`coderctl sandbox reset` starts an empty sandbox"
            }
        }
    }
}

/// The latest time that the sandbox in the file `path` has seen, so that a clock can be started no
/// earlier; `None` if there is no file.
///
/// # Errors
///
/// If the file can't be read, is not a sandbox's, or is damaged.
pub fn last_time(path: &Path) -> Result<Option<SystemTime>, OpenError> {
    match read(path)? {
        Some(text) => parse(path, &text).map(|store| Some(store.last_time.time())),
        None => Ok(None),
    }
}

/// A world's state file.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// What the document was when this process last read or wrote it.
    seen: Option<Stamp>,
}

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    _file: File,
}

/// Tells any two states of the document apart: its beginning holds the numbers that change with
/// every write (`format`, `writes`, `seed`, `made` and `last_time`, at most 120 bytes), its length
/// shows what was cut off.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    head: Vec<u8>,
    length: u64,
}

const HEAD: usize = 160;

impl Stamp {
    fn of(text: &[u8]) -> Self {
        Stamp { head: text.iter().take(HEAD).copied().collect(), length: text.len() as u64 }
    }
}

impl Disk {
    /// Opens or makes the file.
    pub(super) fn open(path: &Path, seed: u64) -> Result<(Self, Store), OpenError> {
        let mut disk = Disk { path: path.to_owned(), seen: None };
        let locked = disk.take_lock()?;
        let store = match read(path)? {
            Some(text) => {
                let store = parse(path, &text)?;
                disk.seen = Some(Stamp::of(&text));
                store
            }
            None => {
                let mut store = Store::new(seed);
                disk.write(&mut store, &locked)?;
                store
            }
        };
        Ok((disk, store))
    }

    /// Takes the lock and brings `store` up to date with what other processes wrote.
    pub(super) fn lock(&mut self, store: &mut Arc<Store>) -> Result<Locked, OpenError> {
        let locked = self.take_lock()?;
        if self.seen != self.current()? {
            // A file that was removed under us is an empty world again only to whoever opens it
            // anew; here it is written again as it was.
            if let Some(text) = read(&self.path)? {
                *store = Arc::new(parse(&self.path, &text)?);
                self.seen = Some(Stamp::of(&text));
            }
        }
        Ok(locked)
    }

    /// Replaces the document.
    pub(super) fn write(&mut self, store: &mut Store, _held: &Locked) -> Result<(), OpenError> {
        store.writes += 1;
        let text = serde_json::to_vec(store)
            .map_err(|source| OpenError::Damaged { path: self.path.clone(), source })?;
        self.replace(&text).map_err(|source| self.io("writing", source))?;
        self.seen = Some(Stamp::of(&text));
        Ok(())
    }

    fn replace(&self, text: &[u8]) -> std::io::Result<()> {
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
    }

    fn take_lock(&self) -> Result<Locked, OpenError> {
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

    fn current(&self) -> Result<Option<Stamp>, OpenError> {
        let read = || -> std::io::Result<Stamp> {
            let file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            let mut head = Vec::with_capacity(HEAD);
            file.take(HEAD as u64).read_to_end(&mut head)?;
            Ok(Stamp { head, length })
        };
        match read() {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io("reading", source)),
        }
    }

    fn io(&self, doing: &'static str, source: std::io::Error) -> OpenError {
        OpenError::Io { doing, path: self.path.clone(), source }
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Io { doing: "reading", path: path.to_owned(), source }),
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Store, OpenError> {
    #[derive(serde::Deserialize)]
    struct Form {
        format: u32,
    }
    let damaged = |source| OpenError::Damaged { path: path.to_owned(), source };
    let Form { format } = serde_json::from_slice(text).map_err(damaged)?;
    if format != Store::FORMAT {
        return Err(OpenError::OtherFormat { path: path.to_owned(), found: format });
    }
    serde_json::from_slice(text).map_err(damaged)
}

/// Puts an empty world into the file `path`, whatever is in it now. Processes that have it open
/// go on with the empty world.
///
/// # Errors
///
/// If the file can't be written.
pub fn reset(path: &Path, seed: u64) -> Result<(), OpenError> {
    let mut disk = Disk { path: path.to_owned(), seen: None };
    let locked = disk.take_lock()?;
    disk.write(&mut Store::new(seed), &locked)
}
