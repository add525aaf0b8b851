//! Files that are there whole or not at all.

use super::exit::Exit;
use super::failure::{Failure, Result};
use std::io::Write;
use std::path::Path;

/// Writes `text` to `path`, which only its owner may read: a temporary file beside it, flushed to
/// the disk, then renamed.
///
/// # Errors
/// When the folder is not there or may not be written to.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let written = (|| {
        // Temporary files of this crate have mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok::<(), std::io::Error>(())
    })();
    written.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("writing {}: {error}", path.display()),
            "the folder must be there, and yours to write to",
        )
    })
}
