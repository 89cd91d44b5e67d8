//! Builds a vector, one image in a store with its signatures in a bundle and a trust directory, and gives the agent's
//! verdict on it.
//!
//! The toolkit in `fixtures/generate` makes whatever is needed, right or wrong.

use std::fs;
use std::path::{Path, PathBuf};

use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Publisher, Signature};
use assay_fixtures::image::{Image, linux};
use assay_fixtures::layout::Layout;
use assay_report::Via;
use assay_verifier::oci::Descriptor;
use serde_json::{Value, json};

use crate::program::{self, Finished, verdict};
use crate::published::{AT, GOOD};

/// The name of a vector's image.
pub const NAME: &str = "registry.example.test/team/app:v1";

/// One image in a store, signatures in a bundle, and the trust directory for both.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Who signs.
    pub publisher: Publisher,
    /// The store.
    pub store: Layout,
    /// The bundle of signatures.
    pub bundle: Layout,
    /// A trust policy in place of the publisher's.
    pub policy: Option<Value>,
    /// More flags of `verify`.
    pub flags: Vec<&'static str>,
}

/// A trust policy's statement that trusts the publisher for `scope`, if the signer is `identity`.
pub fn statement(name: &str, scope: &str, identity: &str) -> Value {
    json!({
        "name": name,
        "registryScopes": [scope],
        "signatureVerification": { "level": "strict" },
        "trustStores": ["ca:publisher"],
        "trustedIdentities": [identity],
    })
}

impl Vector {
    /// An empty store and an empty bundle.
    pub fn new() -> Self {
        Self {
            publisher: Publisher::new(),
            store: Layout::new(),
            bundle: Layout::new(),
            policy: None,
            flags: Vec::new(),
        }
    }

    /// A store with one image of one manifest.
    pub fn of_image() -> (Self, Descriptor) {
        let mut vector = Self::new();
        let target = Image::of_text(linux("amd64"), "app", "vector").add_to(&mut vector.store);
        vector.store.name(&target, NAME);
        (vector, target)
    }

    /// A store with an index of two platforms, both there, and its manifests.
    pub fn of_index() -> (Self, Descriptor, [Descriptor; 2]) {
        let mut vector = Self::new();
        let manifests =
            ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "vector").add_to(&mut vector.store));
        let index = vector.store.add_index(false, &manifests);
        (vector, index, manifests)
    }

    /// Signs `subject` in the bundle.
    pub fn sign(&mut self, subject: &Descriptor, signature: Signature) {
        let signature = self.publisher.sign(&mut self.bundle, subject, signature);
        self.bundle.list(signature);
    }

    /// Adds an envelope for `target`, in a signature manifest that `change` has changed.
    ///
    /// # Panics
    /// If the change takes the manifest's media type away.
    pub fn sign_in(&mut self, target: &Descriptor, change: impl FnOnce(&mut Value)) {
        let signature = self.publisher.sign(&mut self.bundle, target, GOOD);
        let mut manifest: Value =
            serde_json::from_slice(self.bundle.blob(&signature.digest)).expect("manifests are JSON");
        change(&mut manifest);
        let media_type = manifest["mediaType"].as_str().expect("manifests have one").to_owned();
        self.bundle.remove(&signature.digest);
        let changed = self.bundle.add(&media_type, manifest.to_string().into_bytes());
        self.bundle.list(changed);
    }

    /// Copies an index to the bundle, without what it lists.
    pub fn carry(&mut self, index: &Descriptor) {
        self.bundle.copy(&self.store, index, |_| false);
        self.bundle.list(index.clone());
    }

    /// Writes `store`, `bundle` and `trust` into `folder`.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) {
        self.store.write(&folder.join("store")).expect("scratch folder");
        self.bundle.write(&folder.join("bundle")).expect("scratch folder");
        archive::write_files(&folder.join("trust"), &self.publisher.trust()).expect("scratch folder");
        if let Some(policy) = &self.policy {
            fs::write(folder.join("trust/trustpolicy.json"), policy.to_string()).expect("scratch folder");
        }
    }

    /// Runs the agent on it.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn verify(&self) -> Finished {
        let folder = tempfile::tempdir().expect("scratch folder");
        self.write(folder.path());
        let path = |name: &str| folder.path().join(name).display().to_string();
        verify(&format!("layout:{}", path("store")), &path("trust"), &path("bundle"), &self.flags)
    }

    /// Judges the vector, whose store has one image.
    ///
    /// # Panics
    /// If the verdict is another.
    #[track_caller]
    pub fn expect(&self, expected: &str) {
        self.expect_via(expected, None);
    }

    /// Judges the vector, whose store has one image, which passes by what `via` says.
    ///
    /// # Panics
    /// As [`Vector::expect`].
    #[track_caller]
    pub fn expect_via(&self, expected: &str, via: Option<Via>) {
        let done = self.verify();
        let report = done.report();
        let [image] = &report.images[..] else { panic!("{} images", report.images.len()) };
        assert_eq!((verdict(image).as_str(), image.via), (expected, via), "{:?}", image.message);
        let code = match expected.split('/').next() {
            Some("passed" | "skipped") => 0,
            Some("failed") => 1,
            _ => 3,
        };
        let _ = done.expect_code(code);
        assert!(image.message.is_some() || code == 0, "what did not pass says why");
    }
}

/// Runs the agent's `verify` on a store at [`AT`].
pub fn verify(store: &str, trust: &str, bundle: &str, flags: &[&str]) -> Finished {
    let arguments = ["verify", "--store", store, "--trust", trust, "--signatures", bundle, "--at", AT];
    program::run(agent(), arguments.iter().chain(flags))
}

impl Default for Vector {
    fn default() -> Self {
        Self::new()
    }
}

/// The agent, which cargo builds beside the tests.
fn agent() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.ancestors().nth(2).unwrap_or(Path::new("."));
    folder.join(format!("agent-under-test{}", std::env::consts::EXE_SUFFIX))
}
