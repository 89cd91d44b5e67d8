//! Layouts, signatures and trust directories made on the fly, and the agent run on them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use assay_fixtures::certificate::{Credential, Extension, Name, Profile, key_usage};
use assay_fixtures::envelope::Signing;
use assay_fixtures::keys::Key;
use assay_report::{Image, NodeReport};
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, Digest, media_type};
use assay_verifier::time::UnixTime;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The time that everything is judged at.
pub(crate) const AT: &str = "2026-06-01T00:00:00Z";

/// A root, a signer, and folders to put things in.
pub(crate) struct Site {
    folder: TempDir,
    root: Credential,
    signer: Credential,
    /// How many envelopes were made: each has a signing time of its own, so that no two are the same.
    envelopes: Cell<u64>,
}

impl Site {
    /// A site whose trust directory trusts its root under level strict, for every repository.
    pub(crate) fn new() -> Self {
        let site = Self::with_a_signer();
        site.trust(&policy(&[("all", "*", "strict")]));
        site
    }

    fn with_a_signer() -> Self {
        let profile = |name: &str| {
            let name = [("CN", name), ("C", "US"), ("ST", "WA"), ("O", "Acme")];
            let name = Name(name.map(|(kind, value)| (kind, value.to_owned())).into());
            Profile::ca(name, 1, time("2020-01-01T00:00:00Z"), time("2049-01-01T00:00:00Z"))
        };
        let root = Credential::self_signed(&profile("Root"), &Key::named("p256-a"));
        let usage = vec![Extension::key_usage(&[key_usage::DIGITAL_SIGNATURE])];
        let signer = Profile { serial: 2, extensions: usage, ..profile("Signer") };
        let signer = root.issue(&signer, &Key::named("p256-b"));
        Self { folder: tempfile::tempdir().unwrap(), root, signer, envelopes: Cell::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the trust directory.
    pub(crate) fn trust(&self, policy: &str) {
        let store = self.path("trust/truststore/x509/ca/acme");
        std::fs::create_dir_all(&store).unwrap();
        std::fs::write(store.join("root.crt"), self.root.certificate()).unwrap();
        std::fs::write(self.path("trust/trustpolicy.json"), policy).unwrap();
    }

    /// A new layout in the site's folder.
    pub(crate) fn layout(&self, name: &str) -> Layout {
        let path = self.path(name);
        std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let layout = Layout { path, entries: RefCell::default() };
        layout.write();
        layout
    }

    /// A JWS envelope that signs `target`.
    pub(crate) fn envelope(&self, target: &Descriptor) -> Vec<u8> {
        let number = self.envelopes.replace(self.envelopes.get() + 1);
        let signed = time("2026-05-01T00:00:00Z").later(Duration::from_secs(number)).unwrap();
        Signing::new(&self.signer, target, signed).jws()
    }

    /// Signs `target` and lists the signature in `layout`.
    pub(crate) fn sign(&self, layout: &Layout, target: &Descriptor) -> Descriptor {
        layout.signature(&self.envelope(target), target)
    }

    /// `verify` with these arguments; `--trust` and `--at` are added.
    pub(crate) fn verify(&self, args: &[&str]) -> Run {
        let trust = self.path("trust");
        let trust = trust.to_str().unwrap();
        Run::of(self.folder.path(), &[&["verify", "--trust", trust, "--at", AT], args].concat())
    }

    /// The agent with exactly these arguments, in the site's folder.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(self.folder.path(), args)
    }
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

/// A trust policy of statements by name, scope and level.
pub(crate) fn policy(statements: &[(&str, &str, &str)]) -> String {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(name, scope, level)| {
            let mut statement = json!({
                "name": name, "registryScopes": [scope], "signatureVerification": {"level": level},
            });
            if *level != "skip" {
                statement["trustStores"] = json!(["ca:acme"]);
                statement["trustedIdentities"] = json!(["*"]);
            }
            statement
        })
        .collect();
    json!({"version": "1.0", "trustPolicies": statements}).to_string()
}

/// An OCI image layout in a directory.
pub(crate) struct Layout {
    pub(crate) path: PathBuf,
    entries: RefCell<Vec<Descriptor>>,
}

impl Layout {
    /// Puts a blob into the layout.
    pub(crate) fn blob(&self, media_type: &str, content: &[u8]) -> Descriptor {
        let digest = Digest::sha256(content);
        std::fs::write(self.blob_path(&digest), content).unwrap();
        Descriptor::new(media_type, digest, content.len() as u64)
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path.join("blobs/sha256").join(digest.hex())
    }

    /// Puts an image of one layer into the layout, unlisted.
    pub(crate) fn image(&self, layer: &str, platform: &str) -> Descriptor {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config = json!({"os": os, "architecture": architecture, "made_for": layer}).to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": self.blob("application/vnd.oci.image.config.v1+json", config.as_bytes()),
            "layers": [self.blob("application/vnd.oci.image.layer.v1.tar", layer.as_bytes())],
        });
        self.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Puts an index of `manifests` by platform into the layout, unlisted.
    pub(crate) fn index(&self, manifests: &[(&Descriptor, &str)]) -> Descriptor {
        let manifests: Vec<Value> = manifests
            .iter()
            .map(|(manifest, platform)| {
                let (os, architecture) = platform.split_once('/').unwrap();
                let mut entry = serde_json::to_value(manifest).unwrap();
                entry["platform"] = json!({"os": os, "architecture": architecture});
                entry
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
        self.blob(media_type::OCI_INDEX, index.to_string().as_bytes())
    }

    /// Puts the manifest of a signature into the layout and lists it.
    pub(crate) fn signature(&self, envelope: &[u8], subject: &Descriptor) -> Descriptor {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": self.blob(notary::media_type::SIGNATURE, b"{}"),
            "layers": [self.blob(notary::media_type::JWS_ENVELOPE, envelope)],
            "subject": subject,
        });
        let manifest = self.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes());
        self.list(&manifest, None);
        manifest
    }

    /// Lists a manifest in `index.json`, under a name where one is given.
    pub(crate) fn list(&self, manifest: &Descriptor, name: Option<&str>) {
        let annotations = name.map(|name| ("io.containerd.image.name".to_owned(), name.to_owned()));
        let entry = Descriptor { annotations: annotations.into_iter().collect(), ..manifest.clone() };
        self.entries.borrow_mut().push(entry);
        self.write();
    }

    /// An image of one layer, listed under a name.
    pub(crate) fn named(&self, name: &str) -> Descriptor {
        let image = self.image(name, here());
        self.list(&image, Some(name));
        image
    }

    fn write(&self) {
        let index = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": *self.entries.borrow(),
        });
        std::fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }

    /// The layout as `--store` takes it.
    pub(crate) fn store(&self) -> String {
        format!("layout:{}", self.path.display())
    }
}

/// The platform that the tests run on.
pub(crate) fn here() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux/amd64",
        ("linux", "aarch64") => "linux/arm64",
        ("windows", "x86_64") => "windows/amd64",
        other => panic!("no name for {other:?}"),
    }
}

/// How a run of the agent came out.
pub(crate) struct Run {
    pub(crate) exit: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    #[expect(clippy::disallowed_methods, reason = "tests start the program that they test")]
    fn of(folder: &Path, args: &[&str]) -> Self {
        let Output { status, stdout, stderr } =
            Command::new(env!("CARGO_BIN_EXE_assay-agent")).args(args).current_dir(folder).output().unwrap();
        Self { exit: status.code().unwrap(), stdout, stderr: String::from_utf8(stderr).unwrap() }
    }

    /// The node report on standard output.
    pub(crate) fn report(&self) -> NodeReport {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("exit {}, no report ({error}): {}", self.exit, self.stderr))
    }

    /// Each image's status and reason, by its first reference.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, String> {
        let outcome = |image: &Image| {
            let status = serde_json::to_value(image.status).unwrap();
            let reason = image.reason.map(|reason| format!(" {}", reason.as_str())).unwrap_or_default();
            (image.references[0].clone(), format!("{}{reason}", status.as_str().unwrap()))
        };
        self.report().images.iter().map(outcome).collect()
    }

    /// The outcome of the only image.
    pub(crate) fn outcome(&self) -> String {
        let outcomes = self.outcomes();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        outcomes.into_values().next().unwrap()
    }
}
