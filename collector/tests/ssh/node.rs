//! A node for tests: sshd on a port of its own with keys of its own, and the collector run against it.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use assay_report::{CleanUpResult, NodeReport, NodeRow, Outcome, SiteReport};
use tempfile::TempDir;

/// How long sshd may take to answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// The places where a visit may put its folder.
const PLACES: [&str; 4] = ["run", "var/tmp", "tmp", "root"];

/// Where a node sees its own folder.
pub(crate) const INSIDE: &str = "/mnt";

/// Each node has these places for itself, so that what a visit leaves can be told from what others do.
const OWN_PLACES: &str = "mount --bind \"$0\" /mnt
for d in /run /root; do mount -t tmpfs -o mode=755 tmpfs $d; done
for d in /var/tmp /tmp; do mount -t tmpfs -o mode=1777 tmpfs $d; done";

/// A running sshd that lets root in with one key.
pub(crate) struct Node {
    folder: TempDir,
    pub(crate) port: u16,
    daemon: Child,
    command: String,
}

/// What is unusual about a node.
#[derive(Default)]
pub(crate) struct Unusual<'a> {
    /// More lines for `sshd_config`, before the others.
    pub(crate) config: &'a str,
    /// Shell commands that are run in a mount namespace of the node's own before sshd is.
    pub(crate) mounts: &'a str,
    /// Programs in the node's folder, by name and text.
    pub(crate) scripts: &'a [(&'a str, &'a str)],
    /// The host keys' types; ed25519 when empty.
    pub(crate) host_keys: &'a [&'a str],
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::unusual(&Unusual::default())
    }

    pub(crate) fn unusual(unusual: &Unusual<'_>) -> Self {
        let sshd = need("sshd", "openssh-server");
        let folder = scratch();
        // Logins that are not root read their authorized keys themselves.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        key(&folder.path().join("identity"), "ed25519", "");
        fs::copy(folder.path().join("identity.pub"), folder.path().join("authorized_keys")).unwrap();
        let types = if unusual.host_keys.is_empty() { &["ed25519"][..] } else { unusual.host_keys };
        for kind in types {
            key(&folder.path().join(format!("host_{kind}")), kind, "");
        }
        for (name, text) in unusual.scripts {
            fs::write(folder.path().join(name), text).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Another program may take the port before sshd does. Then try another port.
        for _ in 0..5 {
            let port = free_port();
            let mut config = unusual.config.to_owned();
            for kind in types {
                write!(config, "\nHostKey {INSIDE}/host_{kind}").unwrap();
            }
            write!(
                config,
                "\nPort {port}\nListenAddress 127.0.0.1\nAuthorizedKeysFile {INSIDE}/authorized_keys\nPidFile none\n\
                 UsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nMaxStartups 100\nLogLevel VERBOSE\n"
            )
            .unwrap();
            fs::write(folder.path().join("sshd_config"), config).unwrap();
            let command = format!(
                "set -e\n{OWN_PLACES}\n{}\nmkdir -p /run/sshd\nexec {} -D -e -f {INSIDE}/sshd_config",
                unusual.mounts,
                sshd.display()
            );
            if let Some(daemon) = launch(folder.path(), &command, port) {
                return Self { folder, port, daemon, command };
            }
        }
        panic!(
            "sshd does not answer:\n{}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }

    /// The same node after a power cut: its processes are gone all at once, and so is what it had in memory.
    pub(crate) fn restart(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        wait_until("the end of its processes", || TcpStream::connect(("127.0.0.1", self.port)).is_err());
        self.daemon = launch(self.folder.path(), &self.command, self.port).expect("sshd starts again");
    }

    /// Kills the node's processes that are chosen by their program and their command line.
    pub(crate) fn kill(&self, chosen: impl Fn(&str, &str) -> bool) {
        let namespace = |process: &Path| fs::read_link(process.join("ns/mnt")).ok();
        let own = namespace(Path::new(&format!("/proc/{}", self.daemon.id())));
        for process in fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
            if own.is_none() || namespace(&process) != own {
                continue;
            }
            let program = fs::read_link(process.join("exe")).unwrap_or_default();
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            if chosen(&program.to_string_lossy(), &String::from_utf8_lossy(&line)) {
                let id = process.file_name().unwrap();
                // It may have ended by itself.
                let _ = Command::new("kill").arg("-9").arg(id).stderr(Stdio::null()).status();
            }
        }
    }

    /// What a script says that root runs on the node.
    pub(crate) fn inside(&self, script: &str) -> String {
        let parent = self.daemon.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--target", children.trim(), "sh", "-c", script]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A host key's public half: type and Base64.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("host_{kind}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// The node's name in `known_hosts`.
    pub(crate) fn known_name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// The line that makes the node known.
    pub(crate) fn known_line(&self) -> String {
        self.known_line_through(self.port)
    }

    /// The line that makes the node known behind another port.
    pub(crate) fn known_line_through(&self, port: u16) -> String {
        format!("[127.0.0.1]:{port} {}\n", self.host_key("ed25519"))
    }

    /// The node's entry in a site file.
    pub(crate) fn entry(&self, name: &str, store: &str) -> String {
        self.entry_through(self.port, name, store)
    }

    /// The node's entry where another port leads to it.
    pub(crate) fn entry_through(&self, port: u16, name: &str, store: &str) -> String {
        format!(
            "[[node]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = {}\nstore = \"layout:{store}\"\nidentity = \"{}\"\n",
            port,
            self.path("identity").display()
        )
    }

    pub(crate) fn logins(&self) -> usize {
        fs::read_to_string(self.path("log")).unwrap().matches("Accepted publickey").count()
    }

    /// Everything of any visit that is on the node: folders, and processes in them.
    pub(crate) fn traces(&self) -> Vec<String> {
        let root = PathBuf::from(format!("/proc/{}/root", self.daemon.id()));
        let mut traces = Vec::new();
        for place in PLACES {
            for entry in fs::read_dir(root.join(place)).unwrap().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("assay-2") {
                    traces.push(entry.path().display().to_string());
                }
            }
        }
        traces
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // sshd may have ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A run of the collector.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) report: SiteReport,
    pub(crate) stderr: String,
}

impl Site {
    /// A site file with these entries; all nodes' keys are in `known_hosts`.
    pub(crate) fn new(known_hosts: &str, entries: &[String]) -> Self {
        let folder = scratch();
        let site = format!("[defaults]\nknown_hosts = \"known_hosts\"\n\n{}", entries.join("\n"));
        fs::write(folder.path().join("site.toml"), site).unwrap();
        fs::write(folder.path().join("known_hosts"), known_hosts).unwrap();
        fs::create_dir(folder.path().join("trust")).unwrap();
        fs::write(folder.path().join("trust/trustpolicy.json"), "{}").unwrap();
        let site = Self { folder };
        site.write_bundle("a bundle");
        site
    }

    /// Writes a bundle of that content: a layout without images, and one more file.
    pub(crate) fn write_bundle(&self, content: &str) {
        let mut bundle = tar::Builder::new(fs::File::create(self.path("bundle.tar")).unwrap());
        let layout = r#"{"imageLayoutVersion":"1.0.0"}"#;
        for (name, text) in [("oci-layout", layout), ("index.json", "{}"), ("content", content)] {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            bundle.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        bundle.finish().unwrap();
    }

    /// The one node that `known_hosts` knows, behaving so.
    pub(crate) fn of(node: &Node, behaviour: &str) -> Self {
        Self::new(&node.known_line(), &[node.entry("node", behaviour)])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The collector with these subcommand and options, before it is started.
    pub(crate) fn collector(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.arg(subcommand).arg("--site").arg(self.path("site.toml")).arg("--out").arg(self.path("out"));
        command
            .env("HOME", self.folder.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("ASSAY_KEY_PASSPHRASE");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run_command(&self, options: &[&str]) -> Command {
        let mut command = self.collector("run");
        command.arg("--trust").arg(self.path("trust")).arg("--bundle").arg(self.path("bundle.tar"));
        command.arg("--agent").arg(stand_in()).args(options);
        if !options.contains(&"--retries") {
            command.args(["--retries", "0"]);
        }
        command
    }

    pub(crate) fn run(&self, options: &[&str]) -> Ran {
        self.read(&self.run_command(options).output().unwrap())
    }

    pub(crate) fn read(&self, output: &Output) -> Ran {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let path = self.path("out/report.json");
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}\n{stderr}", path.display()));
        let report = serde_json::from_slice(&bytes).unwrap();
        Ran { exit: output.status.code().unwrap_or(-1), report, stderr }
    }

    /// A run that is not to begin at all: its exit code.
    pub(crate) fn refused(&self, options: &[&str]) -> i32 {
        let output = self.run_command(options).output().unwrap();
        assert!(!self.path("out/report.json").exists(), "{}", String::from_utf8_lossy(&output.stderr));
        output.status.code().unwrap()
    }

    /// A run that is not to begin, after another: its exit code.
    pub(crate) fn refused_again(&self, options: &[&str]) -> i32 {
        fs::remove_dir_all(self.path("out")).unwrap();
        let code = self.refused(options);
        fs::create_dir_all(self.path("out")).unwrap();
        code
    }

    pub(crate) fn node_report(&self, node: &str) -> Option<NodeReport> {
        let bytes = fs::read(self.path(&format!("out/nodes/{node}.json"))).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }
}

impl Ran {
    /// The one row.
    pub(crate) fn row(&self) -> &NodeRow {
        assert_eq!(self.report.nodes.len(), 1);
        &self.report.nodes[0]
    }

    /// Asserts how the one node's visit and its clean-up came out.
    #[track_caller]
    pub(crate) fn expect(&self, outcome: Outcome, clean_up: CleanUpResult, exit: i32) {
        let row = self.row();
        assert_eq!(row.outcome, outcome, "{row:?}\n{}", self.stderr);
        assert_eq!(row.clean_up.result, clean_up, "{:?}\n{}", row.clean_up, self.stderr);
        assert_eq!(self.exit, exit, "{}", self.stderr);
        assert_eq!(row.report.is_some(), outcome == Outcome::Verified);
        assert!(outcome == Outcome::Verified || (row.message.is_some() && row.hint.is_some()), "{row:?}");
    }
}

/// The stand-in for the agent, built once.
pub(crate) fn stand_in() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("assay", &["--example", "stand_in_agent"], "examples/stand_in_agent"))
}

/// The real agent, built once.
pub(crate) fn real_agent() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("assay-agent", &["--bin", "assay-agent"], "assay-agent"))
}

/// Builds a program in the profile that the collector was built in.
fn build(package: &str, what: &[&str], path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", package]).args(what);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", folder.parent().unwrap());
    assert!(command.status().unwrap().success(), "{command:?}");
    folder.join(path)
}

/// A folder whose path is short enough for sockets and has no blanks, wherever the checkout lies. A node sees its own folder alone,
/// at [`INSIDE`]: it has other folders for temporary files.
pub(crate) fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("assay-ssh-").tempdir().unwrap()
}

/// Makes a key pair.
pub(crate) fn key(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new(need("ssh-keygen", "openssh-client"));
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", "", "-f"]).arg(path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The fingerprint of a public key file.
pub(crate) fn fingerprint(path: &Path) -> String {
    let output = Command::new(need("ssh-keygen", "openssh-client")).arg("-lf").arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(1).expect("size, fingerprint, comment, type").to_owned()
}

/// A program that the tests need.
pub(crate) fn need(program: &str, package: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{program} is not there; install it: apt-get install {package}"))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what} never happened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts sshd in mount and process namespaces of its own, so that a clean-up that ends whatever is of any run ends nothing
/// of other tests; none where it does not come up.
fn launch(folder: &Path, command: &str, port: u16) -> Option<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    unshare.args(["sh", "-c", command]).arg(folder);
    unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut daemon = unshare.spawn().expect("unshare, of util-linux; run as root");
    answers(port, &mut daemon).then_some(daemon)
}

fn answers(port: u16, daemon: &mut Child) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if daemon.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
