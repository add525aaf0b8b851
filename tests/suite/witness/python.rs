//! The Python environment of the witnesses: made once, next to what Cargo builds.

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the witnesses' own files are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/witness")
}

/// What an environment is made of: files of requirements, the last of them, if there are two,
/// without what they require themselves.
struct Environment {
    /// The folder below the one that Cargo builds in.
    folder: &'static str,
    requirements: &'static str,
    bare: Option<&'static str>,
}

/// A program of the environment of servers and clients: `python`, `aws`.
pub(super) fn program(name: &str) -> PathBuf {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let environment = Environment {
        folder: "witness-venv",
        requirements: "requirements.txt",
        bare: Some("requirements-bare.txt"),
    };
    environment.program(&MADE, name)
}

/// A program of the environment of what looks at manifests: `python`, `checkov`.
pub(super) fn of_manifests(name: &str) -> PathBuf {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let environment = Environment {
        folder: "manifests-venv",
        requirements: "requirements-manifests.txt",
        bare: None,
    };
    environment.program(&MADE, name)
}

impl Environment {
    fn program(&self, made: &OnceLock<Result<PathBuf, String>>, name: &str) -> PathBuf {
        match made.get_or_init(|| self.make()) {
            Ok(folder) => folder.join("bin").join(name),
            Err(why) => panic!("{why}"),
        }
    }

    /// Makes the environment, unless it is there: one for each content of the requirement files.
    /// Several test processes may come at once, so it is made under a lock.
    fn make(&self) -> Result<PathBuf, String> {
        let requirements = folder().join(self.requirements);
        let bare = self.bare.map(|bare| folder().join(bare));
        let mut digest = Sha256::new();
        for file in [Some(&requirements), bare.as_ref()].into_iter().flatten() {
            let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            digest.update(text);
        }
        let version = run(
            Command::new("python3").arg("--version"),
            "these tests need Python: install python3 and its venv module \
         (Debian: apt-get install python3 python3-venv)",
        )?;
        digest.update(version);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target folder")?;
        let all = target.join(self.folder);
        let here = all.join(&hex::encode(digest.finalize())[..16]);
        let made = here.join("made");
        fs::create_dir_all(&all).map_err(|error| format!("{}: {error}", all.display()))?;
        let lock = File::create(all.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        if made.exists() {
            return Ok(here);
        }
        // What was cut off while it was made, and what was made for other requirements.
        for old in fs::read_dir(&all).map_err(|error| error.to_string())?.flatten() {
            if old.path().is_dir() {
                fs::remove_dir_all(old.path()).map_err(|error| error.to_string())?;
            }
        }
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&here),
            "these tests need Python's venv module (Debian: apt-get install python3-venv)",
        )?;
        let network = "these tests install Python packages once, and need a network for that: let pip \
                   reach a package index, or name one by PIP_INDEX_URL";
        let pip = || {
            let mut pip = Command::new(here.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            pip
        };
        run(pip().arg("--requirement").arg(&requirements), network)?;
        if let Some(bare) = bare {
            run(pip().args(["--no-deps", "--requirement"]).arg(&bare), network)?;
        }
        File::create(&made).map_err(|error| error.to_string())?;
        Ok(here)
    }
}

/// Runs a command to its end; `advice` stands before what it said if it fails.
fn run(command: &mut Command, advice: &str) -> Result<Vec<u8>, String> {
    let output = command.output().map_err(|error| format!("{advice}\n{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!(
        "{advice}\n{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
