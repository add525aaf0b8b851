//! Servers that the tests start: each on a free port of loopback, each gone with its test.

use super::python;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs until this is dropped.
pub(super) struct Server {
    child: Child,
    /// Its port on 127.0.0.1.
    pub(super) port: u16,
}

impl Server {
    /// Starts a Python module or file by `attended.py`, so that it ends with this process even if
    /// nothing is dropped. `args` makes its arguments from the port; what it says goes to `log`.
    pub(super) fn python(what: &str, args: impl Fn(u16) -> Vec<String>, log: &Path) -> Server {
        Server::start(log, |port| {
            let mut command = Command::new(python::program("python"));
            command.arg(python::folder().join("attended.py")).arg(what).args(args(port));
            command.env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true").stdin(Stdio::piped());
            command
        })
    }

    /// Starts what `command` makes for a port, and waits until the port answers. Somebody else
    /// may take a free port before the server does; then there is another.
    pub(super) fn start(log: &Path, command: impl Fn(u16) -> Command) -> Server {
        for _ in 0..5 {
            let port = free_port();
            let said = File::create(log).unwrap();
            let child = command(port)
                .stdout(said.try_clone().unwrap())
                .stderr(said)
                .spawn()
                .unwrap_or_else(|error| panic!("starting {:?}: {error}", command(port)));
            let mut server = Server { child, port };
            if server.answers() {
                return server;
            }
        }
        panic!("the server does not start:\n{}", std::fs::read_to_string(log).unwrap());
    }

    /// Waits for the port to accept; false when the server ended instead.
    fn answers(&mut self) -> bool {
        let patience = Instant::now() + Duration::from_secs(120);
        while Instant::now() < patience {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on now.
pub(super) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
