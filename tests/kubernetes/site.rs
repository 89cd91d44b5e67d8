//! What the tests of a cluster share: images on its nodes, their signatures, and the collector, run as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use assay_fixtures::archive::{self, LayerFile};
use assay_fixtures::image::{Image, linux_here};
use assay_fixtures::layout::Layout;
use assay_report::{NodeRow, SiteReport};
use assay_tests::kubernetes::{Cluster, cluster};
use assay_tests::program::{Finished, finish};
use assay_tests::published::{AT, GOOD, Published, sleeper};
use assay_tests::static_program;
use assay_verifier::oci::Descriptor;
use serde_json::json;
use tempfile::TempDir;

pub(crate) const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// The name of an image that nobody signed.
pub(crate) const UNSIGNED: &str = "registry.example.test/team/unsigned:v1";

/// The collector's budget of memory, in KiB.
pub(crate) const MEMORY: u64 = 200 << 10;

/// The cluster, with images on its nodes and their signatures.
pub(crate) struct Site {
    pub(crate) cluster: &'static Cluster,
    published: Published,
    /// The agent's image.
    pub(crate) image: String,
}

/// The site of all tests; `None`, after saying so, if there is no cluster.
pub(crate) fn site() -> Option<&'static Site> {
    static SITE: OnceLock<Option<Site>> = OnceLock::new();
    SITE.get_or_init(|| cluster().map(Site::new)).as_ref()
}

/// An image of one program.
fn image_of(program: &[u8]) -> Image {
    let file = LayerFile { path: "assay-agent", mode: 0o755, content: program };
    Image {
        platform: linux_here(),
        docker: false,
        base: None,
        layers: vec![archive::layer(&[file])],
        entrypoint: "/assay-agent".into(),
    }
}

/// Names a target by its digest, as pods do.
fn by_digest(layout: &mut Layout, name: &str, target: &Descriptor) -> String {
    let reference = format!("registry.example.test/{name}@{}", target.digest);
    layout.name(target, &reference);
    reference
}

impl Site {
    fn new(cluster: &'static Cluster) -> Self {
        let agent = static_program::agent();
        let mut published = Published::new(agent);
        published.image("team/signed", &[GOOD]);
        let unsigned = Image::of_text(linux_here(), "app", "unsigned").add_to(&mut published.images);
        published.images.name(&unsigned, UNSIGNED);
        // a run finds its own image, and the one that holds pods' namespaces, signed
        let pause = sleeper().add_to(&mut published.images);
        published.publish("team/pause", &pause, &[GOOD]);
        let target = image_of(&fs::read(agent).unwrap()).add_to(&mut published.images);
        published.publish("team/assay", &target, &[GOOD]);
        let image = by_digest(&mut published.images, "team/assay", &target);
        published.write();
        for node in cluster.nodes() {
            cluster.import(node, &published.images);
        }
        Self { cluster, published, image }
    }

    /// Imports an image of a program that is not the agent, on every node.
    pub(crate) fn import(&self, name: &str, program: &[u8]) -> String {
        let mut layout = Layout::new();
        let target = image_of(program).add_to(&mut layout);
        let image = by_digest(&mut layout, name, &target);
        for node in self.cluster.nodes() {
            self.cluster.import(node, &layout);
        }
        image
    }
}

/// A run of the collector, in a namespace of its own.
pub(crate) struct Run {
    pub(crate) site: &'static Site,
    pub(crate) folder: TempDir,
    pub(crate) namespace: String,
    /// The image of its pods.
    pub(crate) image: String,
    /// Whose kubeconfig it has.
    pub(crate) user: String,
    /// Further options.
    pub(crate) more: Vec<String>,
}

impl Run {
    /// A run in a new namespace of that name.
    pub(crate) fn new(site: &'static Site, namespace: &str) -> Self {
        site.cluster.namespace(namespace);
        Self::in_namespace(site, namespace)
    }

    /// A run in a namespace that may not be there.
    pub(crate) fn in_namespace(site: &'static Site, namespace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = |name: &&str| {
            format!(
                "[[node]]\nname = \"{name}\"\naddress = \"{name}\"\nstore = \"{}\"\n",
                site.cluster.store(name)
            )
        };
        let text: String = site.cluster.nodes().iter().map(node).collect();
        fs::write(folder.path().join("site.toml"), text).unwrap();
        let (namespace, user) = (namespace.to_owned(), "admin".to_owned());
        Self { site, folder, namespace, image: site.image.clone(), user, more: Vec::new() }
    }

    /// The same with further options.
    pub(crate) fn with(mut self, more: &[&str]) -> Self {
        self.more.extend(more.iter().map(|&option| option.to_owned()));
        self
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The options that say where the cluster is.
    fn access(&self) -> Vec<String> {
        let kubeconfig = self.site.cluster.kubeconfig(&self.user).display().to_string();
        ["--kubeconfig", &kubeconfig, "--namespace", &self.namespace].map(str::to_owned).to_vec()
    }

    /// The collector, in the cluster's network.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.site.cluster.command(COLLECTOR);
        command.args(["run", "--via", "kubernetes", "--image", &self.image]).args(self.access());
        command.arg("--site").arg(self.folder.path().join("site.toml"));
        command.arg("--trust").arg(self.site.published.path("trust"));
        command.arg("--bundle").arg(self.site.published.path("bundle"));
        command.arg("--containerd-root").arg(self.site.cluster.containerds());
        command.arg("--agent").arg(static_program::agent()).args(["--at", AT]);
        command.arg("--out").arg(self.out()).args(&self.more);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Finished {
        finish(&mut self.command())
    }

    /// Runs it to its end. Gives how it ended, and the most memory that it had, in KiB.
    pub(crate) fn measured(&self) -> (ExitStatus, u64) {
        let mut collector = self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut peak = 0;
        loop {
            if let Some(status) = collector.try_wait().unwrap() {
                return (status, peak);
            }
            let text = fs::read_to_string(format!("/proc/{}/status", collector.id())).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
            peak = peak.max(kib.unwrap_or(0));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs `assay kubernetes cleanup`.
    pub(crate) fn clean_up(&self, more: &[&str]) -> Finished {
        let mut command = self.site.cluster.command(COLLECTOR);
        finish(command.args(["kubernetes", "cleanup"]).args(self.access()).args(more))
    }

    pub(crate) fn report(&self) -> SiteReport {
        serde_json::from_slice(&fs::read(self.out().join("report.json")).unwrap()).unwrap()
    }

    /// The only row.
    pub(crate) fn row(&self) -> NodeRow {
        let report = self.report();
        let [row] = &report.nodes[..] else { panic!("{} rows", report.nodes.len()) };
        row.clone()
    }

    /// What is in its namespace of what runs make.
    pub(crate) fn remains(&self) -> Vec<String> {
        let kinds = "jobs,pods,configmaps";
        let label = "app.kubernetes.io/managed-by=assay";
        let arguments =
            ["get", kinds, "--namespace", &self.namespace, "--selector", label, "--output", "name"];
        let text = self.site.cluster.kubectl(arguments).expect_code(0).text();
        text.lines().map(str::to_owned).collect()
    }

    /// Makes an object in its namespace.
    pub(crate) fn apply(&self, mut object: serde_json::Value) {
        object["metadata"]["namespace"] = json!(self.namespace);
        self.site.cluster.apply(&object);
    }
}

/// The trust directory and the bundle of the site.
pub(crate) fn trust_and_bundle(site: &Site) -> [PathBuf; 2] {
    ["trust", "bundle"].map(|name| site.published.path(name))
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
