//! Makes images as a publisher does, with signatures in a bundle and a trust directory beside it, and runs the agent
//! without a network on a store that holds them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::archive::{self, LayerFile};
use assay_fixtures::demo::publisher::{Algorithm, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux_here};
use assay_fixtures::layout::Layout;
use assay_report::NodeReport;
use assay_verifier::oci::{Descriptor, Digest};
use tempfile::TempDir;

use crate::packages::program;
use crate::program::{Finished, finish, verdict};
use crate::registry::Registry;
use crate::static_program;

/// A time at which the publisher's certificates are valid.
pub const AT: &str = "2026-11-20T12:00:00Z";

/// A signature that passes.
pub const GOOD: Signature = Signature::Good(Algorithm::P256, Format::Cose);

/// Images as published, with their signatures in a bundle and a trust directory beside it.
#[derive(Debug)]
pub struct Published {
    agent: PathBuf,
    folder: TempDir,
    publisher: Publisher,
    /// The images.
    pub images: Layout,
    /// Their signatures.
    pub bundle: Layout,
}

impl Published {
    /// Nothing yet, for that agent.
    ///
    /// # Panics
    /// If no scratch folder can be made.
    pub fn new(agent: impl Into<PathBuf>) -> Self {
        Self {
            agent: agent.into(),
            folder: tempfile::tempdir().expect("scratch folder"),
            publisher: Publisher::new(),
            images: Layout::new(),
            bundle: Layout::new(),
        }
    }

    /// Publishes an image of that name, and gives its target.
    pub fn image(&mut self, name: &str, signatures: &[Signature]) -> Descriptor {
        let target = Image::of_text(linux_here(), "app", name).add_to(&mut self.images);
        self.publish(name, &target, signatures);
        target
    }

    /// Publishes what is at `target` under that name.
    pub fn publish(&mut self, name: &str, target: &Descriptor, signatures: &[Signature]) {
        self.images.name(target, &reference(name));
        for &signature in signatures {
            let signature = self.publisher.sign(&mut self.bundle, target, signature);
            self.bundle.list(signature);
        }
    }

    /// Writes bundle and trust directory.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&self) {
        self.bundle.write(&self.path("bundle")).expect("scratch folder");
        archive::write_files(&self.path("trust"), &self.publisher.trust()).expect("scratch folder");
    }

    /// A path in the scratch folder, such as `trust` or `bundle`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Carries the one image that there is to a registry with skopeo, with all its platforms.
    ///
    /// # Panics
    /// If the registry does not take it.
    pub fn push(&self, name: &str, registry: &Registry) {
        let layout = self.path("pushed");
        self.images.write(&layout).expect("scratch folder");
        let mut copy = Command::new(program("skopeo", "skopeo"));
        copy.args(["copy", "--all", "--insecure-policy", "--preserve-digests", "--dest-tls-verify=false"]);
        copy.arg(format!("oci:{}", layout.display()));
        let _ = finish(copy.arg(format!("docker://{}/{name}:v1", registry.host()))).expect_code(0);
        fs::remove_dir_all(layout).expect("scratch folder");
    }

    /// Carries the one image to a registry, and has `collector` make a bundle with the lists of its layers' files from there.
    ///
    /// # Panics
    /// If it makes none.
    pub fn lists(&self, collector: &str, name: &str, out: &str) -> PathBuf {
        let (registry, out) = (Registry::debian(""), self.path(out));
        self.push(name, &registry);
        let mut create = Command::new(collector);
        create.args(["bundle", "create", "--rootfs", "--image", &reference(name), "--out"]).arg(&out);
        create.args(["--from", &registry.host(), "--plain-http", &registry.host()]);
        create.env("NO_PROXY", "127.0.0.1").env("DOCKER_CONFIG", self.path("none"));
        let _ = finish(&mut create).expect_code(0);
        out
    }

    /// Runs the agent on `store` at [`AT`].
    pub fn verify(&self, store: &str, more: &[&str]) -> Finished {
        let more = [&["--at", AT], more].concat();
        verify(&self.agent, store, &self.path("trust"), &self.path("bundle"), &more)
    }
}

/// Runs the agent without a network.
pub fn verify(agent: &Path, store: &str, trust: &Path, bundle: &Path, more: &[&str]) -> Finished {
    let mut command = Command::new("unshare");
    command.arg("--net").arg(agent).args(["verify", "--store", store]);
    command.arg("--trust").arg(trust).arg("--signatures").arg(bundle).args(more);
    finish(&mut command)
}

/// The verdict of each image, as fixtures write it.
pub fn verdicts(report: &NodeReport) -> BTreeMap<Digest, String> {
    report.images.iter().map(|image| (image.digest.clone(), verdict(image))).collect()
}

/// The full name of an image.
pub fn reference(name: &str) -> String {
    format!("registry.example.test/{name}:v1")
}

/// An image whose program runs without anything else in it.
pub fn sleeper() -> Image {
    let program = static_program::sleeper();
    let file = LayerFile { path: "sleeper", mode: 0o755, content: program };
    Image {
        platform: linux_here(),
        docker: false,
        base: None,
        layers: vec![archive::layer(&[file])],
        entrypoint: "/sleeper".into(),
    }
}
