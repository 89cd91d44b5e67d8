//! Serves a signed image as registries do, rightly or wrongly, and runs `assay bundle create` for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux};
use assay_fixtures::layout::Layout;
use assay_report::bundle::{BundleManifest, Completeness};
use assay_verifier::oci::{Descriptor, Manifest, media_type};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, Request, Server};
use crate::program::{Finished, finish};
use crate::published::AT;
use crate::registry::answer;

/// Answers rightly.
pub fn right(_: &Request, answer: Answer) -> Option<Answer> {
    Some(answer)
}

/// An image of two platforms with signatures of the index and of a platform, as a registry holds it.
#[derive(Debug)]
pub struct Served {
    agent: PathBuf,
    collector: PathBuf,
    folder: TempDir,
    /// The images and their signatures.
    pub layout: Arc<Layout>,
    /// What the tag stands for.
    pub index: Descriptor,
}

impl Served {
    /// The image, for these programs.
    ///
    /// # Panics
    /// If no scratch folder can be made.
    pub fn new(agent: impl Into<PathBuf>, collector: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("scratch folder");
        let publisher = Publisher::new();
        let mut layout = Layout::new();
        let manifests =
            ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "app").add_to(&mut layout));
        let index = layout.add_index(false, &manifests);
        let mut store = layout.clone();
        for (algorithm, format) in [(Algorithm::P256, Format::Cose), (Algorithm::Rsa2048, Format::Jws)] {
            publisher.sign(&mut layout, &index, Signature::Good(algorithm, format));
        }
        publisher.sign(&mut layout, &manifests[0], Signature::Good(Algorithm::P384, Format::Cose));
        let config = layout.add(media_type::OCI_EMPTY, b"{}".to_vec());
        let sbom = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [],
            "artifactType": "application/vnd.example.sbom", "subject": index });
        layout.add(media_type::OCI_MANIFEST, sbom.to_string().into_bytes());
        archive::write_files(&folder.path().join("trust"), &publisher.trust()).expect("scratch folder");
        store.name(&index, "registry.example.test/team/app:v1");
        store.write(&folder.path().join("store")).expect("scratch folder");
        Self { agent: agent.into(), collector: collector.into(), folder, layout: Arc::new(layout), index }
    }

    /// A path in the scratch folder: `trust`, and `store`, a layout with the image and no signature.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A registry that answers rightly, but for what `change` makes of it.
    pub fn serve(
        &self,
        change: impl Fn(&Request, Answer) -> Option<Answer> + Send + Sync + 'static,
    ) -> Server {
        let (layout, root) = (Arc::clone(&self.layout), self.index.digest.clone());
        Server::start(move |request| change(request, answer(&layout, &root, 1, request)))
    }

    /// Pushes everything to a real registry with oras, which is given `more`.
    ///
    /// # Panics
    /// If the registry does not take it.
    pub fn push(&self, oras: &Path, host: &str, more: &[&str]) {
        let mut layout = (*self.layout).clone();
        for digest in layout.digests() {
            let has_subject = Manifest::parse(layout.blob(&digest)).is_ok_and(|one| one.subject.is_some());
            if has_subject {
                let size = layout.blob(&digest).len() as u64;
                layout.list(Descriptor::new(media_type::OCI_MANIFEST, digest, size));
            }
        }
        layout.list(self.index.clone());
        layout.write(&self.path("push")).expect("scratch folder");
        let mut command = Command::new(oras);
        command.args(["cp", "-r", "--from-oci-layout"]);
        command.arg(format!("{}@{}", self.path("push").display(), self.index.digest));
        let _ = finish(command.arg(format!("{host}/team/app:v1")).args(more)).expect_code(0);
    }

    /// Runs `assay bundle create` for the image at `host`.
    #[must_use]
    pub fn create(&self, host: &str, more: &[&str]) -> Finished {
        let mut command = self.command(host);
        finish(command.args(more))
    }

    /// The command of [`Self::create`].
    pub fn command(&self, host: &str) -> Command {
        let mut command = self.bundle_create();
        command.args(["--retries", "1", "--plain-http", host]);
        command.arg("--image").arg(format!("{host}/team/app:v1"));
        command
    }

    /// `assay bundle create` of nothing yet, to `site.tar`. Credentials are those of `docker/` in the scratch folder alone, and
    /// there are no proxies.
    pub fn bundle_create(&self) -> Command {
        let mut command = Command::new(&self.collector);
        command.args(["bundle", "create", "--no-crls", "--out"]).arg(self.path("site.tar"));
        command.env("DOCKER_CONFIG", self.path("docker")).env_remove("REGISTRY_AUTH_FILE");
        command.env("XDG_RUNTIME_DIR", self.path("run")).env("XDG_CONFIG_HOME", self.path("config"));
        for proxy in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
    }

    /// Writes Docker's `config.json`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn docker_config(&self, config: &Value) {
        fs::create_dir_all(self.path("docker")).expect("scratch folder");
        fs::write(self.path("docker/config.json"), config.to_string()).expect("scratch folder");
    }

    /// That the bundle is whole and the image passes by it.
    ///
    /// # Panics
    /// If it is not so.
    #[track_caller]
    pub fn passes(&self) {
        let opened = assay::bundle::Opened::open(&self.path("site.tar")).expect("a bundle");
        let document = opened.document().expect("a bundle of ours");
        assert_eq!((document.completeness, document.images[0].signatures), (Completeness::Complete, 3));
        let store = format!("layout:{}", self.path("store").display());
        let mut command = Command::new(&self.agent);
        command.args(["verify", "--at", AT, "--store", &store, "--trust"]).arg(self.path("trust"));
        let _ = finish(command.arg("--signatures").arg(self.path("site.tar"))).expect_code(0);
    }

    /// Asserts that there is no bundle, and that what is left of one is not usable.
    ///
    /// # Panics
    /// If it is not so.
    #[track_caller]
    pub fn is_not_written(&self, done: Finished) {
        let done = done.expect_code(3);
        assert!(!self.path("site.tar").exists(), "{}", done.stderr);
        let partial = self.path("site.tar.partial");
        assert!(!partial.join("index.json").exists());
        let document = fs::read(partial.join("bundle.json")).expect("scratch folder");
        assert!(!BundleManifest::parse(&document).expect("a document").is_usable());
    }
}
