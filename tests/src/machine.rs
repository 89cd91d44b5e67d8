//! Boots a whole node, with a kernel of its own, in a virtual machine that is emulated in software.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::packages;
use crate::program::{Finished, finish};
use crate::sshd::free_port;

/// How long the node may take to boot. It takes a minute of processor time, and the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(900);

/// A running node. It reaches nothing but its user's login, and what it writes is forgotten when this is dropped.
#[derive(Debug)]
pub struct Machine {
    node: PathBuf,
    folder: TempDir,
    port: u16,
    emulator: Child,
}

impl Machine {
    /// Boots the node that `tests/interop/node-vm.sh` made, and waits for its containerd; `None`, after saying so, if there is none.
    ///
    /// # Panics
    /// If it does not boot.
    pub fn boot() -> Option<Self> {
        let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/node-vm");
        let node = std::env::var_os("NODE_VM").map_or(made, PathBuf::from);
        if !node.join(".made-1").is_file() {
            packages::not_run("a whole node. tests/interop/node-vm.sh makes it; NODE_VM names its folder.");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("assay-node-vm-").tempdir().expect("scratch folder");
        let port = free_port();
        let disk = |name: &str| format!("file={},if=virtio,format=raw", node.join(name).display());
        let mut command = Command::new(packages::program("qemu-system-x86_64", "qemu-system-x86"));
        command.args(["-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35", "-m", "1024"]);
        // /dev/kvm may be there and hang
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-snapshot"]);
        command.arg("-kernel").arg(node.join("kernel")).arg("-initrd").arg(node.join("initrd"));
        command.args(["-append", "root=/dev/vda console=ttyS0 apparmor=1 security=apparmor quiet"]);
        command.args(["-drive", &disk("disk.img"), "-drive", &disk("containerd.img")]);
        command.arg("-netdev").arg(format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"));
        command.args(["-device", "virtio-net-pci,netdev=net"]);
        command.arg("-serial").arg(format!("file:{}", folder.path().join("console").display()));
        let log = fs::File::create(folder.path().join("log")).expect("scratch folder");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // where it keeps what the node writes
        let emulator = command.env("TMPDIR", folder.path()).spawn().expect("qemu starts");
        let mut machine = Self { node, folder, port, emulator };
        machine.wait();
        Some(machine)
    }

    /// Waits until the boot has come so far that containerd answers.
    fn wait(&mut self) {
        let begun = Instant::now();
        loop {
            let answer = self.root("ctr version >/dev/null");
            if answer.code == Some(0) {
                return;
            }
            let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let ended = self.emulator.try_wait().expect("it is a child");
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "the node does not boot: {ended:?}\n{}\n{}\n{}",
                answer.stderr,
                read("log"),
                read("console")
            );
            self.hang_up();
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Runs a script as root.
    pub fn root(&self, script: &str) -> Finished {
        let mut command = Command::new(packages::program("ssh", "openssh-client"));
        command.args(self.options()).args(["-p", &self.port.to_string(), "clouduser@127.0.0.1"]);
        finish(command.arg(format!("sudo sh -c '{}'", script.replace('\'', r"'\''"))))
    }

    /// What a script prints that root runs.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn ask(&self, script: &str) -> String {
        self.root(script).expect_code(0).text().trim().to_owned()
    }

    /// Copies a file into `/var/tmp`.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn copy(&self, file: &Path) {
        let mut command = Command::new(packages::program("scp", "openssh-client"));
        command.arg("-q").args(self.options()).args(["-P", &self.port.to_string()]).arg(file);
        let _ = finish(command.arg("clouduser@127.0.0.1:/var/tmp/")).expect_code(0);
    }

    /// The node's entry in a site file.
    ///
    /// # Panics
    /// If `ssh-keygen` does not know the host key.
    pub fn entry(&self, name: &str) -> String {
        let mut command = Command::new(packages::program("ssh-keygen", "openssh-client"));
        command.args(["-l", "-E", "sha256", "-f"]).arg(self.node.join("host_key.pub"));
        let text = finish(&mut command).expect_code(0).text();
        let fingerprint = text.split_whitespace().nth(1).expect("size, fingerprint, comment, kind");
        format!(
            "[[node]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = {}\nuser = \"clouduser\"\nsudo = true\n\
             host_key = \"{fingerprint}\"\nidentity = \"{}\"\n",
            self.port,
            self.node.join("identity").display(),
        )
    }

    /// All logins share one connection: each would cost the emulated processor a second.
    fn options(&self) -> [String; 20] {
        let identity = self.node.join("identity").display().to_string();
        let shared = format!("ControlPath={}", self.folder.path().join("ssh").display());
        [
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=yes",
            "-o",
            &shared,
            "-F",
            "none",
            "-i",
            &identity,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=60",
        ]
        .map(str::to_owned)
    }

    /// Ends the shared connection.
    fn hang_up(&self) {
        let mut command = Command::new(packages::program("ssh", "openssh-client"));
        // one that is already gone is what is wanted
        let _ = finish(command.args(self.options()).args(["-O", "exit", "clouduser@127.0.0.1"]));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}
