//! The cluster's state file, kept as the sandbox's own is: locked, replaced whole before a call
//! is answered, mode 0600.

use super::store::Store;
use crate::sandbox::OpenError;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// So much of the document tells any two states apart: `format` and `writes` stand first.
const HEAD: usize = 64;

/// A cluster's state file.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    head: Vec<u8>,
}

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    _file: File,
}

impl Disk {
    /// Opens or makes the file.
    pub(super) fn open(
        path: &Path,
        seed: u64,
        now: SystemTime,
    ) -> Result<(Self, Store), OpenError> {
        let mut disk = Disk { path: path.to_owned(), head: Vec::new() };
        let locked = disk.take_lock()?;
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
        let locked = self.take_lock()?;
        if self.head != self.current_head()?
            && let Some(current) = self.read()?
        {
            *store = current;
        }
        Ok(locked)
    }

    /// Replaces the document.
    pub(super) fn write(&mut self, store: &mut Store, _held: &Locked) -> Result<(), OpenError> {
        store.writes += 1;
        let text = serde_json::to_vec(store)
            .map_err(|source| OpenError::Damaged { path: self.path.clone(), source })?;
        self.replace(&text).map_err(|source| self.io("writing", source))?;
        self.head = text.into_iter().take(HEAD).collect();
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
        Ok(())
    }

    fn read(&mut self) -> Result<Option<Store>, OpenError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io("reading", source)),
        };
        let store: Store = serde_json::from_slice(&text)
            .map_err(|source| OpenError::Damaged { path: self.path.clone(), source })?;
        if store.format != Store::FORMAT {
            return Err(OpenError::OtherFormat { path: self.path.clone(), found: store.format });
        }
        self.head = text.into_iter().take(HEAD).collect();
        Ok(Some(store))
    }

    fn current_head(&self) -> Result<Vec<u8>, OpenError> {
        let mut head = Vec::with_capacity(HEAD);
        match File::open(&self.path) {
            Ok(file) => {
                file.take(HEAD as u64)
                    .read_to_end(&mut head)
                    .map_err(|source| self.io("reading", source))?;
                Ok(head)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(head),
            Err(source) => Err(self.io("reading", source)),
        }
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

    fn io(&self, doing: &'static str, source: std::io::Error) -> OpenError {
        OpenError::Io { doing, path: self.path.clone(), source }
    }
}
