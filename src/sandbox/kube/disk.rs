//! The cluster's state file, kept as the sandbox's own is.

use super::store::Store;
use crate::sandbox::OpenError;
use crate::sandbox::file::{Locked, Stamp, StateFile};
use std::path::Path;
use std::time::SystemTime;

/// A cluster's state file.
#[derive(Debug)]
pub(super) struct Disk {
    file: StateFile,
    /// What the document was when this process last read or wrote it. It begins with `format` and
    /// `writes`.
    seen: Option<Stamp>,
}

impl Disk {
    /// Opens or makes the file.
    pub(super) fn open(
        path: &Path,
        seed: u64,
        now: SystemTime,
    ) -> Result<(Self, Store), OpenError> {
        let mut disk = Disk { file: StateFile::at(path), seen: None };
        let locked = disk.file.lock()?;
        let store = match disk.read()? {
            Some(store) => store,
            None => {
                let mut store = Store::new(seed, now);
                disk.write(&mut store, &locked)?;
                store
            }
        };
        Ok((disk, store))
    }

    /// Takes the lock and brings `store` up to date with what other processes wrote.
    pub(super) fn lock(&mut self, store: &mut Store) -> Result<Locked, OpenError> {
        let locked = self.file.lock()?;
        if self.seen != self.file.stamp()?
            && let Some(current) = self.read()?
        {
            *store = current;
        }
        Ok(locked)
    }

    /// Replaces the document.
    pub(super) fn write(&mut self, store: &mut Store, held: &Locked) -> Result<(), OpenError> {
        store.writes += 1;
        let text = serde_json::to_vec(store).map_err(|source| self.damaged(source))?;
        self.seen = Some(self.file.replace(&text, held)?);
        Ok(())
    }

    fn read(&mut self) -> Result<Option<Store>, OpenError> {
        let Some(text) = self.file.read()? else { return Ok(None) };
        let store: Store = serde_json::from_slice(&text).map_err(|source| self.damaged(source))?;
        if store.format != Store::FORMAT {
            let path = self.file.path().to_owned();
            return Err(OpenError::OtherFormat { path, found: store.format });
        }
        self.seen = Some(Stamp::of(&text));
        Ok(Some(store))
    }

    fn damaged(&self, source: serde_json::Error) -> OpenError {
        OpenError::Damaged { path: self.file.path().to_owned(), source }
    }
}
