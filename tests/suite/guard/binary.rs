//! The program itself, in a folder of its own, with an account in a file.

use super::deployment::small;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A folder with an account in it.
pub(super) struct Folder(tempfile::TempDir);

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    pub(super) fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code.
    pub(super) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    /// Asserts that one of the streams says so, wherever its lines break.
    pub(super) fn says(self, text: &str) -> Self {
        let flat = |said: &str| said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat(&self.out).contains(text) || flat(&self.err).contains(text),
            "{text:?} is not in:\n{}\n{}",
            self.out,
            self.err
        );
        self
    }
}

impl Folder {
    /// A folder with the small spec, without its cluster.
    pub(super) fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let text = std::fs::read_to_string(small()).unwrap();
        std::fs::write(folder.path("coderctl.yaml"), text).unwrap();
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A spec that is applied in an instant: a log group and no more.
    pub(super) fn tiny(&self) -> PathBuf {
        self.write(
            "coderctl.yaml",
            "version: 1\nproject_name: coder\nenvironment: prod\nowner: platform\n\
             account: \"123456789012\"\nhome_region: us-east-1\n\
             log_groups:\n  app: {name: /coder/prod/app, retention_days: 30}\n  \
             other: {name: /coder/prod/other, retention_days: 30}\n",
        )
    }

    /// The program with these arguments, in this folder, on its account.
    pub(super) fn run(&self, args: &[&str]) -> Ran {
        let mut with = vec!["--sandbox=account.json"];
        with.extend(args);
        run(self.0.path(), &with)
    }

    /// The same, which goes on while the test does.
    pub(super) fn start(&self, args: &[&str]) -> Child {
        let mut with = vec!["--sandbox=account.json"];
        with.extend(args);
        let mut command = command(self.0.path(), &with);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The same, with a variable in the environment.
    pub(super) fn run_with(&self, variable: (&str, &str), args: &[&str]) -> Ran {
        let mut with = vec!["--sandbox=account.json"];
        with.extend(args);
        output(command(self.0.path(), &with).env(variable.0, variable.1))
    }
}

/// The program with these arguments, without a terminal.
pub(super) fn run(folder: &Path, args: &[&str]) -> Ran {
    output(&mut command(folder, args))
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coderctl"));
    command
        .args(args)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("TRACEPARENT")
        .env("XDG_STATE_HOME", folder)
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Ran {
    Ran::of(command.output().unwrap())
}
