//! A world in a state file: one JSON document. Every call that changes something locks it, reads it
//! again if another process has replaced it, acts, and replaces it before the call is answered.

use super::file::{Locked, Stamp, StateFile};
use super::store::Store;
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
    pub fn hint(&self) -> String {
        match self {
            OpenError::Io { .. } => "check the path and its permissions".to_owned(),
            OpenError::Damaged { path, .. } | OpenError::OtherFormat { path, .. } => format!(
                "start with an empty one: coderctl sandbox reset --sandbox={}",
                path.display()
            ),
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
    match StateFile::at(path).read()? {
        Some(text) => parse(path, &text).map(|store| Some(store.last_time.time())),
        None => Ok(None),
    }
}

/// A world's state file.
#[derive(Debug)]
pub(super) struct Disk {
    file: StateFile,
    /// What the document was when this process last read or wrote it. It begins with `format`,
    /// `writes`, `seed`, `made` and `last_time`.
    seen: Option<Stamp>,
}

impl Disk {
    /// Opens or makes the file.
    pub(super) fn open(path: &Path, seed: u64) -> Result<(Self, Store), OpenError> {
        let mut disk = Disk { file: StateFile::at(path), seen: None };
        let locked = disk.file.lock()?;
        let store = match disk.file.read()? {
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
        let locked = self.file.lock()?;
        if self.seen != self.file.stamp()? {
            // A file that was removed under us is an empty world again only to whoever opens it
            // anew; here it is written again as it was.
            if let Some(text) = self.file.read()? {
                *store = Arc::new(parse(self.file.path(), &text)?);
                self.seen = Some(Stamp::of(&text));
            }
        }
        Ok(locked)
    }

    /// Replaces the document.
    pub(super) fn write(&mut self, store: &mut Store, held: &Locked) -> Result<(), OpenError> {
        store.writes += 1;
        let text = serde_json::to_vec(store)
            .map_err(|source| OpenError::Damaged { path: self.file.path().to_owned(), source })?;
        self.seen = Some(self.file.replace(&text, held)?);
        Ok(())
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
    let mut disk = Disk { file: StateFile::at(path), seen: None };
    let locked = disk.file.lock()?;
    disk.write(&mut Store::new(seed), &locked)
}
