//! Runs programs for Windows under wine: with their own drive C, the machine's files as drive Z, and a containerd's
//! socket as a named pipe.
//!
//! The first test that asks for a program builds it; `tests/interop/wine/run` makes wine's folders.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Once, OnceLock};

use crate::program::{Finished, finish};
use crate::static_program::{ROOT, agent_for, built, task};

const TARGET: &str = "x86_64-pc-windows-gnu";

/// The agent as it is sent to nodes.
///
/// # Panics
/// If it cannot be built.
pub fn agent() -> PathBuf {
    static AGENT: OnceLock<PathBuf> = OnceLock::new();
    AGENT.get_or_init(|| agent_for(TARGET)).clone()
}

/// The collector.
///
/// # Panics
/// As [`agent`].
pub fn collector() -> PathBuf {
    of_collector("debug/assay.exe")
}

/// A program of the collector's package.
fn of_collector(name: &str) -> PathBuf {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let what =
            ["build", "--locked", "--quiet", "--package", "assay", "--bins", "--example", "named_pipe"];
        task(&[&["cross", TARGET], &what[..]].concat());
    });
    built(TARGET, name)
}

/// A program for Windows, ready for its arguments.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(runner());
    command.arg(program);
    command
}

/// Runs a program for Windows to its end.
pub fn run<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Finished {
    finish(command(program).args(arguments))
}

/// A file of this machine as programs for Windows see it: on drive Z.
///
/// # Panics
/// If the path is not absolute, or not UTF-8.
pub fn path(path: &Path) -> String {
    assert!(path.is_absolute(), "{}", path.display());
    format!("Z:{}", path.to_str().expect("UTF-8").replace('/', "\\"))
}

/// Drive C.
///
/// # Panics
/// If wine's folders cannot be made.
pub fn drive_c() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let _ = finish(Command::new(runner()).args(["cmd", "/c", "exit"])).expect_code(0);
        let prefix = std::env::var_os("WINEPREFIX");
        prefix.map_or_else(|| Path::new(ROOT).join("target/tests/wine"), PathBuf::from).join("drive_c")
    })
    .clone()
}

fn runner() -> PathBuf {
    Path::new(ROOT).join("tests/interop/wine/run")
}

/// A named pipe through which a containerd is reached. Dropping it ends it.
#[derive(Debug)]
pub struct Pipe {
    address: String,
    bridge: Child,
    stdin: Option<ChildStdin>,
}

impl Pipe {
    /// A pipe of that name in front of a unix socket.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn listen(name: &str, socket: &Path) -> Self {
        Self::new(name, socket, None)
    }

    /// The same, and every instance of the pipe is another's until [`Self::free`].
    ///
    /// # Panics
    /// As [`Self::listen`].
    pub fn held(name: &str, socket: &Path) -> Self {
        Self::new(name, socket, Some("held"))
    }

    fn new(name: &str, socket: &Path, held: Option<&str>) -> Self {
        // before others write to what the bridge says
        drive_c();
        let address = format!(r"\\.\pipe\{name}");
        let mut bridge = command(&of_collector("debug/examples/named_pipe.exe"));
        bridge.arg(&address).arg(relay(socket).to_string()).args(held);
        bridge.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bridge = bridge.spawn().expect("the runner of wine");
        let mut said = String::new();
        let stdout = bridge.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("the bridge's words");
        assert_eq!(said.trim_end(), "listening", "the named pipe's bridge");
        Self { address, stdin: bridge.stdin.take(), bridge }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets others in.
    ///
    /// # Panics
    /// If it is gone.
    pub fn free(&mut self) {
        let stdin = self.stdin.as_mut().expect("it was held");
        stdin.write_all(b"\n").and_then(|()| stdin.flush()).expect("the bridge listens");
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.bridge.kill();
        let _ = self.bridge.wait();
    }
}

/// A port that leads to a unix socket, for as long as the process lives: programs under wine know no such sockets.
fn relay(socket: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // It refuses connections, as a daemon that is down does.
            let Ok(daemon) = UnixStream::connect(&socket) else { continue };
            let (Ok(from), Ok(to)) = (client.try_clone(), daemon.try_clone()) else { continue };
            std::thread::spawn(move || pass(from, to, |to| to.shutdown(Shutdown::Write)));
            std::thread::spawn(move || pass(daemon, client, |to: &TcpStream| to.shutdown(Shutdown::Write)));
        }
    });
    port
}

fn pass<W: Write>(mut from: impl Read, mut to: W, end: impl FnOnce(&W) -> io::Result<()>) {
    // If one side ends, the other ends too.
    let _ = io::copy(&mut from, &mut to);
    let _ = end(&to);
}
