//! Starts a real sshd on loopback, with its own keys and port.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::packages;
use crate::program::finish;

/// How long sshd may take to answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running sshd that lets root in with one key. Dropping it ends it.
#[derive(Debug)]
pub struct Sshd {
    folder: TempDir,
    port: u16,
    daemon: Child,
}

impl Sshd {
    /// Starts sshd and waits for it to answer.
    ///
    /// # Panics
    /// If it is not installed or does not answer.
    pub fn start() -> Self {
        packages::need_root();
        let program = packages::program("sshd", "openssh-server");
        // privilege separation wants it, and only the init script makes it
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let folder = tempfile::Builder::new().prefix("assay-sshd-").tempdir().expect("scratch folder");
        for (name, kind) in [("host_key", "ed25519"), ("identity", "ed25519")] {
            let mut command = Command::new(packages::program("ssh-keygen", "openssh-client"));
            command.args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]).arg(folder.path().join(name));
            let _ = finish(&mut command).expect_code(0);
        }
        fs::copy(folder.path().join("identity.pub"), folder.path().join("authorized_keys"))
            .expect("scratch folder");
        // Another program may take the port before sshd does. Then try another port.
        for _ in 0..5 {
            let port = free_port();
            let config = folder.path().join("sshd_config");
            fs::write(&config, text_of_config(folder.path(), port)).expect("scratch folder");
            let log = fs::File::create(folder.path().join("log")).expect("scratch folder");
            let mut command = Command::new(&program);
            command.arg("-D").arg("-e").arg("-f").arg(config);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut daemon = command.spawn().expect("sshd starts");
            if answers(port, &mut daemon) {
                return Self { folder, port, daemon };
            }
        }
        panic!(
            "sshd does not answer:\n{}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The private key that root's login takes.
    pub fn identity(&self) -> PathBuf {
        self.folder.path().join("identity")
    }

    /// The host key's fingerprint, `SHA256:…`.
    ///
    /// # Panics
    /// If `ssh-keygen` does not say.
    pub fn fingerprint(&self) -> String {
        let mut command = Command::new(packages::program("ssh-keygen", "openssh-client"));
        command.args(["-l", "-E", "sha256", "-f"]).arg(self.folder.path().join("host_key.pub"));
        let text = finish(&mut command).expect_code(0).text();
        text.split_whitespace().nth(1).expect("size, fingerprint, comment, kind").to_owned()
    }

    /// How many connections came in, the one that waited for sshd to answer left out.
    pub fn connections(&self) -> usize {
        self.log().matches("Connection from ").count() - 1
    }

    /// What sshd wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // sshd may have ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A free port on 127.0.0.1.
///
/// # Panics
/// If all are taken.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    listener.local_addr().expect("bound").port()
}

fn answers(port: u16, daemon: &mut Child) -> bool {
    let patience = Instant::now();
    while patience.elapsed() < PATIENCE {
        if daemon.try_wait().ok().flatten().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn text_of_config(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
LogLevel VERBOSE
"
    )
}
