//! Starts a real cluster: etcd, kube-apiserver with RBAC, kube-controller-manager, and a kubelet on a containerd of its own for each
//! node.
//!
//! One cluster serves all tests of a program. It runs in namespaces of its own, whose first process ends with the program, so that
//! nothing outlives a test that failed or was killed. Its pods have no network.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use assay_fixtures::layout::Layout;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::containerd::Release;
use crate::packages;
use crate::program::{Finished, finish};
use crate::published::sleeper;
use crate::static_program::ROOT;

/// The names of the nodes: the first has Debian's containerd, the second containerd 2, if that is there.
pub const NODES: [(&str, Release); 2] = [("node-1", Release::Debian), ("node-2", Release::Two)];

/// How many users there are beside the administrator: `user-0` and so on. They may do nothing until a test says so.
pub const USERS: usize = 32;

/// How long anything may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the API server listens. In a network namespace of its own every port is free.
const ADDRESS: &str = "192.0.2.10";
const API_PORT: u16 = 6443;

/// What is left of control groups goes by this name.
const CGROUP: &str = "assay-tests";

/// The image that holds a pod's namespaces.
const PAUSE: &str = "registry.example.test/pause:1";

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    supervisor: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// Tests that stop a part of the cluster hold it alone.
    shared: RwLock<()>,
}

/// The cluster of this test program, started when it is first asked for; `None`, after saying so, if its programs are not there.
///
/// They come as Go modules only, which a machine may not be able to fetch: tests go on without them.
///
/// # Panics
/// If it does not start.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| programs().map(Cluster::start));
    if cluster.is_none() {
        packages::not_run(
            "a Kubernetes cluster. tests/run says how to get its programs; KUBERNETES names their folder.",
        );
    }
    cluster.as_ref()
}

/// The folder of the programs: the one that `KUBERNETES` names, else the one that `tests/run` fills.
fn programs() -> Option<PathBuf> {
    let built = Path::new(ROOT).join("target/tests/kubernetes/bin");
    let folder = std::env::var_os("KUBERNETES").map_or(built, PathBuf::from);
    let needed = ["etcd", "kube-apiserver", "kube-controller-manager", "kubelet"];
    needed.iter().all(|name| folder.join(name).is_file()).then(|| folder.canonicalize().expect("a folder"))
}

impl Cluster {
    fn start(programs: PathBuf) -> Self {
        packages::need_root();
        let folder = tempfile::Builder::new().prefix("assay-kubernetes-").tempdir().expect("scratch folder");
        let mut command = Command::new(packages::program("unshare", "util-linux"));
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.arg(packages::program("python3", "python3"));
        command.arg(Path::new(ROOT).join("tests/interop/kubernetes/supervisor.py"));
        command.arg(folder.path()).arg(CGROUP).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut supervisor = command.spawn().expect("unshare starts");
        let stdin = supervisor.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(supervisor.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe");
        assert_eq!(line, "ready\n", "the supervisor of the cluster does not start");
        let pipes = Mutex::new((stdin, stdout));
        let cluster = Self { folder, programs, supervisor, pipes, shared: RwLock::new(()) };
        cluster.control_plane();
        for (number, (name, release)) in NODES.into_iter().enumerate() {
            if release.is_there() {
                cluster.node(number, name, release);
            }
        }
        for name in cluster.nodes() {
            cluster.wait(&format!("{name} is ready"), || cluster.is_ready(name));
        }
        cluster
    }

    /// The nodes that there are.
    pub fn nodes(&self) -> Vec<&'static str> {
        let there = NODES.into_iter().filter(|(name, _)| self.path(format!("{name}/kubelet.yaml")).is_file());
        there.map(|(name, _)| name).collect()
    }

    /// Uses the cluster beside other tests.
    pub fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the cluster alone.
    pub fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn control_plane(&self) {
        let path = |name: &str| self.path(name).display().to_string();
        fs::create_dir_all(self.path("pki")).expect("scratch folder");
        let openssl = packages::program("openssl", "openssl");
        for arguments in [
            vec!["genrsa".to_owned(), "-out".to_owned(), path("pki/accounts.key"), "2048".to_owned()],
            ["rsa", "-in", &path("pki/accounts.key"), "-pubout", "-out", &path("pki/accounts.pub")]
                .map(str::to_owned)
                .to_vec(),
        ] {
            let _ = finish(Command::new(&openssl).args(arguments)).expect_code(0);
        }
        let users = (0..USERS).map(|number| format!("token-{number},user-{number},user-{number}\n"));
        let tokens = "admin,admin,admin,\"system:masters\"\n".to_owned() + &users.collect::<String>();
        fs::write(self.path("pki/tokens.csv"), tokens).expect("scratch folder");
        let etcd = "http://127.0.0.1:2379";
        let peers = "http://127.0.0.1:2380";
        self.run(
            "etcd",
            &[
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={etcd}"),
                format!("--advertise-client-urls={etcd}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        );
        self.run(
            "kube-apiserver",
            &[
                format!("--etcd-servers={etcd}"),
                format!("--cert-dir={}", path("pki")),
                format!("--secure-port={API_PORT}"),
                format!("--advertise-address={ADDRESS}"),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                format!("--service-account-key-file={}", path("pki/accounts.pub")),
                format!("--service-account-signing-key-file={}", path("pki/accounts.key")),
                "--service-account-issuer=https://cluster.example.test".to_owned(),
                format!("--token-auth-file={}", path("pki/tokens.csv")),
                "--authorization-mode=Node,RBAC".to_owned(),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ],
        );
        self.wait("the API server writes its certificate", || {
            fs::metadata(self.path("pki/apiserver.crt")).is_ok_and(|file| file.len() > 0)
        });
        let users = (0..USERS).map(|number| (format!("user-{number}"), format!("token-{number}")));
        for (name, token) in users.chain([("admin".to_owned(), "admin".to_owned())]) {
            fs::write(self.kubeconfig(&name), self.kubeconfig_text(&token)).expect("scratch folder");
        }
        self.wait("the API server is ready", || self.kubectl(["get", "--raw", "/readyz"]).code == Some(0));
        let controllers = [
            "garbage-collector-controller",
            "job-controller",
            "namespace-controller",
            "node-lifecycle-controller",
            "pod-garbage-collector-controller",
            "resourcequota-controller",
            "serviceaccount-controller",
            "ttl-after-finished-controller",
        ];
        self.run(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", self.kubeconfig("admin").display()),
                format!("--service-account-private-key-file={}", path("pki/accounts.key")),
                format!("--controllers={}", controllers.join(",")),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                // a node that says nothing is soon not ready
                "--node-monitor-period=1s".to_owned(),
                "--node-monitor-grace-period=10s".to_owned(),
            ],
        );
    }

    fn node(&self, number: usize, name: &str, release: Release) {
        let folder = self.path(name);
        for part in ["cni", "plugins", "state", "root"] {
            fs::create_dir_all(folder.join(part)).expect("scratch folder");
        }
        for plugin in ["loopback", "none"] {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.join("plugins").join(plugin);
            fs::write(&path, NO_NETWORK).expect("scratch folder");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("scratch folder");
        }
        let network = json!({"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "none"}]});
        fs::write(folder.join("cni/none.conflist"), network.to_string()).expect("scratch folder");
        let shown = folder.display();
        let config = format!(
            r#"version = 2
root = "{shown}/root"
state = "{shown}/state"
[grpc]
address = "{shown}/containerd.sock"
[ttrpc]
address = "{shown}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{shown}/plugins"
conf_dir = "{shown}/cni"
"#
        );
        fs::write(folder.join("containerd.toml"), config).expect("scratch folder");
        let containerd = release.program("containerd");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let beside = containerd.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(beside).expect("folders without colons");
        let daemon = format!("{name}-containerd");
        let config = format!("--config={}", folder.join("containerd.toml").display());
        self.run_program(&daemon, &containerd, &[config], &[("PATH", &path.to_string_lossy())]);
        self.wait(&format!("{daemon} answers"), || self.ctr(name, ["version"]).code == Some(0));
        let mut pause = Layout::new();
        let target = sleeper().add_to(&mut pause);
        pause.name(&target, PAUSE);
        self.import(name, &pause);

        let kubelet = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{CGROUP}"),
            "cgroupsPerQOS": false,
            "containerLogMaxSize": "10Mi",
            "containerRuntimeEndpoint": format!("unix://{shown}/containerd.sock"),
            "enforceNodeAllocatable": [],
            // the tests' disk may be nearly full
            "evictionHard": {"memory.available": "1Mi"},
            "failSwapOn": false,
            "healthzPort": 0,
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": false,
            "makeIPTablesUtilChains": false,
            "nodeLeaseDurationSeconds": 8,
            "nodeStatusUpdateFrequency": "2s",
            "podLogsDir": format!("{shown}/logs"),
            "port": 10_250 + number,
            "readOnlyPort": 0,
            "resolvConf": "",
        });
        fs::write(folder.join("kubelet.yaml"), kubelet.to_string()).expect("scratch folder");
        self.run_program(
            &format!("{name}-kubelet"),
            &self.programs.join("kubelet"),
            &[
                format!("--kubeconfig={}", self.kubeconfig("admin").display()),
                format!("--config={shown}/kubelet.yaml"),
                format!("--root-dir={shown}/kubelet"),
                format!("--cert-dir={shown}/kubelet/pki"),
                format!("--hostname-override={name}"),
                format!("--node-ip={ADDRESS}"),
            ],
            &[],
        );
    }

    /// Writes a program's command line, and starts it.
    fn run(&self, name: &str, arguments: &[String]) {
        self.run_program(name, &self.programs.join(name), arguments, &[]);
    }

    /// The same for a program of any folder, in an environment with these variables.
    pub fn run_program(
        &self,
        name: &str,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) {
        let mut argv = vec![program.display().to_string()];
        argv.extend_from_slice(arguments);
        let environment: serde_json::Map<String, Value> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let command = json!({"argv": argv, "environment": environment});
        fs::write(self.path(format!("{name}.json")), command.to_string()).expect("scratch folder");
        self.start_again(name);
    }

    /// Starts a program of the cluster that was [`stopped`](Self::stop).
    pub fn start_again(&self, name: &str) {
        self.tell(&format!("start {name}"));
    }

    /// Kills a program of the cluster: `kube-apiserver`, `node-1-kubelet`, `node-1-containerd`, …
    pub fn stop(&self, name: &str) {
        self.tell(&format!("stop {name}"));
    }

    /// Sends a program of the cluster a signal, such as `SIGSTOP`.
    pub fn signal(&self, name: &str, signal: &str) {
        self.tell(&format!("signal {name} {signal}"));
    }

    fn tell(&self, line: &str) {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{line}").expect("the supervisor of the cluster runs");
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).expect("the supervisor of the cluster runs");
        assert_eq!(answer, "done\n", "{line}");
    }

    /// A program that runs in the cluster's network.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(packages::program("nsenter", "util-linux"));
        command.arg(format!("--net=/proc/{}/ns/net", self.supervisor.id())).arg("--");
        command.arg(program.as_ref());
        command
    }

    /// The kubeconfig of a user: `admin`, or one of [`USERS`].
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.path(format!("{user}.kubeconfig"))
    }

    fn kubeconfig_text(&self, token: &str) -> String {
        let server = format!("https://{ADDRESS}:{API_PORT}");
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "cluster",
                "cluster": {"server": server, "certificate-authority": self.path("pki/apiserver.crt")},
            }],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
            "current-context": "context",
        })
        .to_string()
    }

    /// Runs `kubectl` as the administrator.
    pub fn kubectl<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        let mut command = self.command(packages::program("kubectl", "kubernetes-client"));
        command.arg("--kubeconfig").arg(self.kubeconfig("admin")).arg("--cache-dir").arg(self.path("cache"));
        finish(command.args(arguments))
    }

    /// Makes or changes objects.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn apply(&self, object: &Value) {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).expect("scratch folder");
        fs::write(file.path(), object.to_string()).expect("scratch folder");
        let path = file.path().display().to_string();
        let _ = self.kubectl(["apply", "--validate=false", "-f", &path]).expect_code(0);
    }

    /// Objects as JSON.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let got = self.kubectl(["get", "-o", "json"].iter().chain(arguments)).expect_code(0);
        serde_json::from_slice(&got.stdout).expect("JSON")
    }

    /// Makes a namespace in which pods may have paths of their nodes, and waits until pods can be made there.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn namespace(&self, name: &str) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        }));
        self.wait("the namespace has its service account", || {
            self.kubectl(["get", "serviceaccount", "default", "--namespace", name]).code == Some(0)
        });
    }

    fn is_ready(&self, node: &str) -> bool {
        let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        self.kubectl(["get", "node", node, "-o", ready]).text() == "True"
    }

    /// Runs `ctr` on a node, in Kubernetes' namespace.
    pub fn ctr<A: AsRef<std::ffi::OsStr>>(
        &self,
        node: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        let release = NODES.into_iter().find(|(name, _)| *name == node).expect("a node of the cluster").1;
        let mut command = Command::new(packages::program("nsenter", "util-linux"));
        // snapshots are mounted where the daemon runs
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.first()));
        command.arg("--").arg(release.program("ctr")).arg("--address").arg(self.socket(node));
        finish(command.args(["--namespace", crate::containerd::KUBERNETES]).args(arguments))
    }

    /// The first process of the cluster's namespaces, as this process sees it.
    fn first(&self) -> String {
        let id = self.supervisor.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("/proc");
        children.split_whitespace().next().expect("the supervisor of the cluster runs").to_owned()
    }

    /// Imports a layout's images on a node, under their names, and unpacks them.
    ///
    /// # Panics
    /// If `ctr` refuses.
    pub fn import(&self, node: &str, layout: &Layout) {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).expect("scratch folder");
        fs::write(file.path(), layout.tar()).expect("scratch folder");
        let path = file.path().display().to_string();
        let _ = self.ctr(node, ["images", "import", &path]).expect_code(0);
    }

    /// A node's containerd.
    pub fn socket(&self, node: &str) -> PathBuf {
        self.path(format!("{node}/containerd.sock"))
    }

    /// The agent's `--store` for it.
    pub fn store(&self, node: &str) -> String {
        format!("containerd:{}", self.socket(node).display())
    }

    /// The folder of the cluster's programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The folder that all nodes' containerds have their folders in.
    pub fn containerds(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the scratch folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If it takes too long, with the ends of all logs.
    pub fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let patience = Instant::now();
        while !is_so() {
            assert!(patience.elapsed() < PATIENCE, "not so: {what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The ends of all programs' logs.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.folder.path()).expect("scratch folder").flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "log") {
                let log = fs::read(entry.path()).unwrap_or_default();
                let end = log.get(log.len().saturating_sub(4_000)..).unwrap_or_default();
                text += &format!("\n== {}\n{}", entry.path().display(), String::from_utf8_lossy(end));
            }
        }
        text
    }
}

/// A plugin that gives a pod no network at all.
const NO_NETWORK: &str = r#"#!/bin/sh
cat >/dev/null
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
ADD) echo '{"cniVersion":"0.4.0","interfaces":[{"name":"eth0","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"version":"4","address":"192.0.2.99/32","interface":0}]}' ;;
esac
"#;
