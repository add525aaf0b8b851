//! The real program as a user runs it: its own process, with an environment of its own.

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What a caller is known by.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) session: Option<String>,
}

impl Keys {
    /// The keys of the sandbox's user, as `sandbox serve` tells them.
    pub(super) fn of_the_sandbox() -> Keys {
        Keys { id: "sandbox".to_owned(), secret: "sandbox".to_owned(), session: None }
    }

    /// Keys that name nobody in particular.
    pub(super) fn any() -> Keys {
        Keys { id: "AKIAEXAMPLE".to_owned(), secret: "secret".to_owned(), session: None }
    }
}

/// How a process ended and what it said.
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// An environment in which programs meet one endpoint, one set of keys, and a home of their own.
pub(super) struct Caller {
    home: TempDir,
    endpoint: String,
    keys: Keys,
}

impl Caller {
    pub(super) fn new(endpoint: &str, keys: Keys) -> Caller {
        // Not hidden: the linter of manifests passes folders over whose names begin with a dot.
        let home = TempDir::with_prefix("coderctl-").unwrap();
        Caller { home, endpoint: endpoint.to_owned(), keys }
    }

    /// A folder that goes with the test.
    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command that knows nothing of the environment that the tests run in.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("XDG_STATE_HOME", self.home())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", &self.keys.id)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.secret)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if let Some(session) = &self.keys.session {
            command.env("AWS_SESSION_TOKEN", session);
        }
        command
    }

    /// The endpoint.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Runs the program at the endpoint.
    pub(super) fn coderctl(&self, args: &[&str]) -> Ran {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_coderctl")));
        command.args(["--endpoint-url", &self.endpoint]).args(args);
        ran(&command.output().unwrap())
    }

    /// Runs the program and insists on an exit code.
    pub(super) fn expect(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.coderctl(args);
        assert_eq!(
            ran.code, code,
            "coderctl {args:?}\n--- standard output\n{}\n--- standard error\n{}",
            ran.stdout, ran.stderr
        );
        ran
    }
}

/// The end of a process, as text.
pub(super) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
