//! Debian's containerd on a root, state and socket of its own, in a scratch folder.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_fixtures::layout::Layout;
use assay_shared::oci::Digest;
use tempfile::TempDir;

use crate::packages;
use crate::program::{Finished, finish};

/// The namespace that Kubernetes uses.
pub const KUBERNETES: &str = "k8s.io";

/// How long containerd may take to answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running containerd. Dropping it ends it and what it runs, and removes its files.
#[derive(Debug)]
pub struct Containerd {
    folder: TempDir,
    daemon: Option<Child>,
}

impl Containerd {
    /// Starts containerd and waits for it to answer.
    ///
    /// # Panics
    /// Where it is not installed or does not answer.
    pub fn start() -> Self {
        packages::need_root();
        let folder = tempfile::Builder::new().prefix("assay-containerd-").tempdir().expect("scratch folder");
        let mut containerd = Self { folder, daemon: None };
        fs::write(containerd.path("config.toml"), containerd.config()).expect("scratch folder");
        containerd.start_again();
        containerd
    }

    /// Starts the daemon of a [`Self::stop`]ped containerd.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_again(&mut self) {
        assert!(self.daemon.is_none(), "already running");
        let program = packages::program("containerd", "containerd runc");
        let log = fs::File::create(self.path("log")).expect("scratch folder");
        let mut command = Command::new(program);
        command.arg("--config").arg(self.path("config.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.daemon = Some(command.spawn().expect("containerd starts"));
        let patience = Instant::now();
        while self.ctr(["version"]).code != Some(0) {
            assert!(patience.elapsed() < PATIENCE, "containerd does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the daemon and keeps its files.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // containers outlive a daemon that ends; a test's must not
            for namespace in self.namespaces() {
                for container in self.list(&namespace, ["containers", "list", "--quiet"]) {
                    self.ctr_in(&namespace, ["task", "kill", "--signal", "SIGKILL", &container]);
                    self.ctr_in(&namespace, ["task", "delete", "--force", &container]);
                }
            }
            // a daemon that is already gone is what is wanted
            let _ = daemon.kill();
            let _ = daemon.wait();
            let _ = fs::remove_file(self.socket());
        }
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.path("containerd.sock")
    }

    /// The agent's `--store` for it.
    pub fn store(&self) -> String {
        format!("containerd:{}", self.socket().display())
    }

    /// The agent's `--store` for its files, with no need of the daemon.
    pub fn root_store(&self) -> String {
        format!("root:{}", self.path("root").display())
    }

    /// The file that holds the blob of that digest.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        let blobs = self.path("root/io.containerd.content.v1.content/blobs");
        blobs.join(digest.algorithm().name()).join(digest.hex())
    }

    /// Runs `ctr` in Kubernetes' namespace.
    pub fn ctr<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.ctr_in(KUBERNETES, arguments)
    }

    /// Runs `ctr` in that namespace.
    pub fn ctr_in<A: AsRef<OsStr>>(
        &self,
        namespace: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        let mut command = Command::new(packages::program("ctr", "containerd runc"));
        command.arg("--address").arg(self.socket()).arg("--namespace").arg(namespace);
        finish(command.args(arguments))
    }

    /// Imports a layout's images, every platform's manifest included, without unpacking.
    ///
    /// # Panics
    /// Where `ctr` refuses.
    pub fn import(&self, namespace: &str, layout: &Layout) {
        let mut archive = tempfile::NamedTempFile::new_in(self.folder.path()).expect("scratch folder");
        archive.write_all(&layout.tar()).expect("scratch folder");
        let path = archive.path().as_os_str();
        let flags = ["images", "import", "--all-platforms", "--no-unpack"].map(OsStr::new);
        let _ = self.ctr_in(namespace, flags.into_iter().chain([path])).expect_code(0);
    }

    /// The names of Kubernetes' images with that target.
    pub fn images_of(&self, target: &Digest) -> Vec<String> {
        let text = self.ctr(["images", "list"]).text();
        let lines = text.lines().filter(|line| line.contains(target.as_str()));
        lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    }

    /// What the daemon wrote to its log.
    pub fn log(&self) -> String {
        let mut text = String::new();
        let log = fs::File::open(self.path("log")).map(|mut log| log.read_to_string(&mut text));
        log.map_or_else(|error| error.to_string(), |_| text)
    }

    /// A path in the scratch folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn namespaces(&self) -> Vec<String> {
        self.list(KUBERNETES, ["namespaces", "list", "--quiet"])
    }

    fn list<const N: usize>(&self, namespace: &str, arguments: [&str; N]) -> Vec<String> {
        self.ctr_in(namespace, arguments).text().lines().map(str::to_owned).collect()
    }

    fn config(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            r#"version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/containerd.sock"
[ttrpc]
address = "{folder}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{folder}/cni/bin"
conf_dir = "{folder}/cni/conf"
"#
        )
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.stop();
    }
}
