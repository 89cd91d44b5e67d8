//! Starts a containerd, Debian's or a newer one, with a root, a state and a socket in a scratch folder.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_fixtures::layout::Layout;
use assay_verifier::oci::Digest;
use tempfile::TempDir;

use crate::packages;
use crate::program::{Finished, finish};

/// The namespace that Kubernetes uses.
pub const KUBERNETES: &str = "k8s.io";

/// What the names of scratch folders begin with.
const PREFIX: &str = "assay-containerd-";

/// How long containerd may take to answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Debian's, which is 1.6.
    Debian,
    /// The 2.x that is built from its Go module.
    Two,
}

impl Release {
    /// Whether it is there; if not, says so.
    ///
    /// 2.x comes as a Go module only, which a machine may not be able to fetch: tests go on without it.
    pub fn is_there(self) -> bool {
        let there = self == Self::Debian || Self::folder().is_some();
        if !there {
            packages::not_run(
                "containerd 2. tests/run says how to get it; CONTAINERD2 names the folder of its programs.",
            );
        }
        there
    }

    pub(crate) fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Debian => packages::program(name, "containerd runc"),
            Self::Two => Self::folder().expect("containerd 2").join(name),
        }
    }

    /// Where the programs of 2.x are.
    fn folder() -> Option<PathBuf> {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/containerd-2/bin");
        let folder = std::env::var_os("CONTAINERD2").map_or(built, PathBuf::from);
        folder.join("containerd").is_file().then_some(folder)
    }
}

/// Makes of each function of a [`Release`] one test for each of them.
#[macro_export]
macro_rules! on_each_release {
    ($($test:ident,)*) => {
        mod debian {
            $(#[test] fn $test() { super::$test($crate::containerd::Release::Debian); })*
        }
        mod containerd_2 {
            $(#[test] fn $test() {
                let release = $crate::containerd::Release::Two;
                if release.is_there() {
                    super::$test(release);
                }
            })*
        }
    };
}

/// A running containerd. Dropping it ends it and what it runs, and removes its files.
#[derive(Debug)]
pub struct Containerd {
    release: Release,
    folder: TempDir,
    daemon: Option<Child>,
}

impl Containerd {
    /// Starts Debian's containerd and waits for it to answer.
    ///
    /// # Panics
    /// If it is not installed or does not answer.
    pub fn start() -> Self {
        Self::of(Release::Debian)
    }

    /// Starts the containerd of that release and waits for it to answer.
    ///
    /// # Panics
    /// If it is not there or does not answer.
    pub fn of(release: Release) -> Self {
        Self::new(release, PREFIX, false, "")
    }

    /// The same in a folder that programs for Windows cannot open, because its name is not valid there.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn unseen_by_windows(release: Release) -> Self {
        Self::new(release, "assay|containerd-", false, "")
    }

    /// The same with Kubernetes' service, which gives each image of its namespace its config's digest as another name.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn with_kubernetes(release: Release) -> Self {
        Self::new(release, PREFIX, true, "")
    }

    /// The same, `more` being added to its configuration; with or without Kubernetes' service.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn configured(release: Release, kubernetes: bool, more: &str) -> Self {
        Self::new(release, PREFIX, kubernetes, more)
    }

    fn new(release: Release, prefix: &str, kubernetes: bool, more: &str) -> Self {
        packages::need_root();
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().expect("scratch folder");
        let mut containerd = Self { release, folder, daemon: None };
        let config = containerd.config(kubernetes) + more;
        fs::write(containerd.path("config.toml"), config).expect("scratch folder");
        containerd.start_again();
        containerd
    }

    /// Starts the daemon of a [`Self::stop`]ped containerd.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_again(&mut self) {
        assert!(self.daemon.is_none(), "already running");
        let program = self.release.program("containerd");
        let log = fs::File::create(self.path("log")).expect("scratch folder");
        let mut command = Command::new(&program);
        // Its own shim comes before any other.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = program.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).expect("folders without colons"));
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
            // Containers outlive their daemon. Those of a test must not.
            for namespace in self.namespaces() {
                for container in self.list(&namespace, ["containers", "list", "--quiet"]) {
                    self.ctr_in(&namespace, ["task", "kill", "--signal", "SIGKILL", &container]);
                    self.ctr_in(&namespace, ["task", "delete", "--force", &container]);
                }
            }
            // The daemon may have ended already.
            let _ = daemon.kill();
            let _ = daemon.wait();
            let _ = fs::remove_file(self.socket());
        }
    }

    /// Sends the daemon a signal, by its name.
    ///
    /// # Panics
    /// If there is no daemon.
    pub fn signal(&self, name: &str) {
        let daemon = self.daemon.as_ref().expect("a daemon").id().to_string();
        let _ = finish(Command::new("kill").args(["-s", name, &daemon])).expect_code(0);
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
        let mut command = Command::new(self.release.program("ctr"));
        command.arg("--address").arg(self.socket()).arg("--namespace").arg(namespace);
        finish(command.args(arguments))
    }

    /// Imports a layout's images, every platform's manifest included, without unpacking.
    ///
    /// # Panics
    /// If `ctr` refuses.
    pub fn import(&self, namespace: &str, layout: &Layout) {
        let mut archive = tempfile::NamedTempFile::new_in(self.folder.path()).expect("scratch folder");
        archive.write_all(&layout.tar()).expect("scratch folder");
        let path = archive.path().as_os_str();
        let flags = ["images", "import", "--all-platforms", "--no-unpack"].map(OsStr::new);
        let _ = self.ctr_in(namespace, flags.into_iter().chain([path])).expect_code(0);
        self.settle(namespace);
    }

    /// Waits until the daemon has removed what belongs to no image, such as an imported archive's index: it does so some time
    /// after an import, or at once when an image is removed and that is asked for.
    fn settle(&self, namespace: &str) {
        const NAME: &str = "settled.example.test/image:v1";
        if let Some(image) = self.list(namespace, ["images", "list", "--quiet"]).first() {
            let _ = self.ctr_in(namespace, ["images", "tag", image, NAME]).expect_code(0);
            let _ = self.ctr_in(namespace, ["images", "remove", "--sync", NAME]).expect_code(0);
        }
    }

    /// Runs a container of that image in Kubernetes' namespace, and gives its id, which begins with `name`: all daemons of a
    /// machine share one folder of running containers.
    ///
    /// # Panics
    /// If it does not start.
    pub fn run(&self, image: &str, name: &str) -> String {
        self.run_labelled(image, name, &[])
    }

    /// The same with labels, each `name=value`.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn run_labelled(&self, image: &str, name: &str, labels: &[&str]) -> String {
        let options: Vec<&str> = labels.iter().flat_map(|label| ["--label", *label]).collect();
        let (id, done) = self.run_with(image, name, &options);
        let _ = done.expect_code(0);
        id
    }

    /// The same with options of `ctr run`; and how that ended.
    pub fn run_with(&self, image: &str, name: &str, options: &[&str]) -> (String, Finished) {
        let own = self.folder.path().file_name().unwrap_or_default().to_string_lossy();
        let id = format!("{name}-{}", own.trim_start_matches(PREFIX));
        let arguments = ["run", "--detach"].iter().chain(options).copied().chain([image, &id]);
        let done = self.ctr(arguments);
        (id, done)
    }

    /// Where the files of a running container of Kubernetes' namespace are mounted.
    pub fn mounted(&self, id: &str) -> PathBuf {
        self.path(format!("state/io.containerd.runtime.v2.task/{KUBERNETES}/{id}/rootfs"))
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

    fn config(&self, kubernetes: bool) -> String {
        let folder = self.folder.path().display();
        // Kubernetes' service names images anew on its own, some time after they are imported
        let disabled =
            if kubernetes { "" } else { r#""io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images""# };
        format!(
            r#"version = 2
disabled_plugins = [{disabled}]
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/containerd.sock"
[ttrpc]
address = "{folder}/containerd.sock.ttrpc"
"#
        )
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.stop();
    }
}
