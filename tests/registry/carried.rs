//! Carries images across the air gap, from live registries to a node without a network: notation signed them there, and
//! they travel in our bundles and in the layouts of oras, skopeo and notation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::archive;
use assay_fixtures::certificate::{Credential, Extension, Name, Profile};
use assay_fixtures::image::{Image, linux};
use assay_fixtures::keys::Key;
use assay_fixtures::layout::Layout;
use assay_fixtures::revocation_list::RevocationList;
use assay_report::bundle::{Completeness, GapKind};
use assay_tests::http::{Answer, Server};
use assay_tests::interop::notation;
use assay_tests::packages;
use assay_tests::program::{Finished, finish, verdict};
use assay_tests::published::verify;
use assay_tests::registry::{Registry, oras};
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use serde_json::json;
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// Bytes of a bundle for each image, at most.
const BYTES: u64 = 25_000;

/// A registry with two images that notation signed in it, a server of CRLs, and a node's store.
struct Live {
    folder: TempDir,
    registry: Registry,
    oras: PathBuf,
    notation: PathBuf,
    crls: Option<Server>,
    app: Descriptor,
    platform: Descriptor,
    tool: Descriptor,
}

impl Live {
    fn new(registry: Registry) -> Option<Self> {
        let (oras, notation) = (oras()?, notation()?);
        let folder = tempfile::tempdir().unwrap();
        let (authority, crls) = Authority::new();
        authority.write(folder.path());

        let mut layout = Layout::new();
        let [platform, other] =
            ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "app").add_to(&mut layout));
        let app = layout.add_index(false, &[platform.clone(), other]);
        let tool = Image::of_text(linux("amd64"), "tool", "tool").docker().add_to(&mut layout);
        let live = Self { folder, registry, oras, notation, crls: Some(crls), app, platform, tool };
        for (target, name) in live.images() {
            layout.name(target, &live.reference(name));
        }
        layout.write(&live.path("store")).unwrap();
        for (target, name) in live.images() {
            let from = format!("{}@{}", live.path("store").display(), target.digest);
            let _ = live.oras(&["cp", "--from-oci-layout", &from, "--to-plain-http", &live.reference(name)]);
        }
        for (target, name, format) in [
            (&live.app, "app", "cose"),
            (&live.app, "app", "jws"),
            (&live.platform, "app", "cose"),
            (&live.tool, "tool", "cose"),
        ] {
            let image = format!("{}/team/{name}@{}", live.registry.host(), target.digest);
            let mut command = Command::new(&live.notation);
            command.args([
                "sign",
                "--insecure-registry",
                "--signature-format",
                format,
                "--key",
                "live",
                &image,
            ]);
            let _ = finish(command.env("XDG_CONFIG_HOME", live.path("signer"))).expect_code(0);
        }
        Some(live)
    }

    fn images(&self) -> [(&Descriptor, &'static str); 2] {
        [(&self.app, "app"), (&self.tool, "tool")]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/team/{name}:v1", self.registry.host())
    }

    fn oras(&self, arguments: &[&str]) -> Finished {
        finish(Command::new(&self.oras).args(arguments).current_dir(self.folder.path())).expect_code(0)
    }

    fn assay(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(ASSAY);
        command.args(arguments).current_dir(self.folder.path());
        finish(command.env("DOCKER_CONFIG", self.path("none")).env("NO_PROXY", "127.0.0.1"))
    }

    fn create(&self, out: &str, more: &[&str]) -> Finished {
        let host = self.registry.host();
        let first = ["bundle", "create", "--plain-http", &host, "--crl-from", "127.0.0.1", "--out", out];
        self.assay(&[&first, more].concat())
    }

    /// Runs the agent without a network on the node's store, which has no signatures; both images must pass.
    #[track_caller]
    fn passes(&self, bundle: &str, trust: &str) {
        let store = format!("layout:{}", self.path("store").display());
        let done = verify(Path::new(AGENT), &store, &self.path(trust), &self.path(bundle), &[]);
        let report = done.expect_code(0).report();
        assert_eq!(report.images.iter().map(verdict).collect::<Vec<_>>(), ["passed"; 2]);
    }
}

/// Each registry that is there, with its images.
fn each(test: impl Fn(&Live)) {
    for registry in [Some(Registry::debian("")), Registry::with_referrers()].into_iter().flatten() {
        let Some(live) = Live::new(registry) else { return };
        test(&live);
    }
}

#[test]
fn a_bundle_of_ours_crosses_the_gap() {
    each(|live| {
        let images = [live.reference("app"), live.reference("tool")];
        let images = ["--image", &images[0], "--image", &images[1]];
        let _ = live.create("site.tar", &images).expect_code(0);
        let document = assay::bundle::Opened::open(&live.path("site.tar")).unwrap();
        document.check_files().unwrap();
        let document = document.document().unwrap().clone();
        assert_eq!(document.images.iter().map(|image| image.signatures).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(document.crls.iter().filter(|crl| crl.delta).count(), 1);
        assert_eq!((document.crls.len(), document.gaps.len()), (3, 0));
        let size = fs::metadata(live.path("site.tar")).unwrap().len();
        assert!(size < 2 * BYTES, "{size} bytes for two images");
        println!("{} bytes an image", size / 2);

        let _ = live.assay(&["bundle", "check", "site.tar", "--trust", "trust"]).expect_code(0);
        live.passes("site.tar", "trust");

        // Without its CRLs the status of the certificates is unknown, and level strict does not accept that.
        let _ = live.create("bare.tar.zst", &[&images[..], &["--no-crls"]].concat()).expect_code(0);
        let store = format!("layout:{}", live.path("store").display());
        let done = verify(Path::new(AGENT), &store, &live.path("trust"), &live.path("bare.tar.zst"), &[]);
        let verdicts: Vec<String> = done.expect_code(1).report().images.iter().map(verdict).collect();
        assert_eq!(verdicts, ["failed/revocation"; 2]);
    });
}

#[test]
fn a_crl_that_cannot_be_had_is_a_gap_like_any_other() {
    let Some(mut live) = Live::new(Registry::debian("")) else { return };
    live.crls = None;
    let app = live.reference("app");
    let arguments = ["--image", &app, "--retries", "0"];
    let _ = live.create("site.tar", &arguments).expect_code(3);
    assert!(!live.path("site.tar").exists());
    let _ = live.create("site.tar", &[&arguments[..], &["--allow-gaps"]].concat()).expect_code(3);
    let opened = assay::bundle::Opened::open(&live.path("site.tar")).unwrap();
    let document = opened.document().unwrap();
    assert_eq!(document.completeness, Completeness::GapsAccepted);
    assert_eq!(document.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Crl; 2]);
}

#[test]
fn what_nodes_have_is_carried_and_notation_verifies_by_it() {
    each(|live| {
        let store = format!("layout:{}", live.path("store").display());
        let inventory = ["inventory", "--store", &store, "--format", "json"];
        let done = finish(Command::new(AGENT).args(inventory)).expect_code(0);
        for node in ["node-1.json", "node-2.json"] {
            fs::write(live.path(node), &done.stdout).unwrap();
        }
        let _ = live.create("site", &["--inventory", "node-1.json", "node-2.json"]).expect_code(0);
        live.passes("site", "trust");
        for (target, name) in live.images() {
            let image = format!("{}@{}", live.path("site").display(), target.digest);
            let scope = format!("{}/team/{name}", live.registry.host());
            let mut command = Command::new(&live.notation);
            command.args(["verify", "--oci-layout", &image, "--scope", &scope]);
            command.env("XDG_CONFIG_HOME", live.path("config")).env("NOTATION_EXPERIMENTAL", "1");
            let _ = finish(command.env("XDG_CACHE_HOME", live.path("cache"))).expect_code(0);
        }
    });
}

#[test]
fn what_oras_copies_and_backs_up_works_as_it_is() {
    each(|live| {
        for (_, name) in live.images() {
            let (from, to) = (live.reference(name), format!("copied:{name}"));
            let _ = live.oras(&["cp", "-r", "--from-plain-http", &from, "--to-oci-layout", &to]);
        }
        live.passes("copied", "trust-with-crls");
        let _ = live.assay(&["bundle", "slim", "copied", "--out", "slim.tar"]).expect_code(0);
        live.passes("slim.tar", "trust-with-crls");
        assert!(fs::metadata(live.path("slim.tar")).unwrap().len() < 2 * BYTES);

        let store = format!("layout:{}", live.path("store").display());
        for (target, name) in live.images() {
            for out in [format!("backup-{name}"), format!("backup-{name}.tar")] {
                let from = live.reference(name);
                let _ =
                    live.oras(&["backup", "--plain-http", "--include-referrers", "--output", &out, &from]);
                let more = ["--image", &from];
                let done =
                    verify(Path::new(AGENT), &store, &live.path("trust-with-crls"), &live.path(&out), &more);
                assert_eq!(done.expect_code(0).report().images[0].digest, target.digest);
            }
        }
    });
}

#[test]
fn what_skopeo_copies_with_its_fallback_tags_works_as_it_is() {
    let Some(live) = Live::new(Registry::debian("")) else { return };
    let skopeo = packages::program("skopeo", "skopeo");
    let tag = |digest: &Digest| format!("sha256-{}", digest.hex());
    for (name, tags) in [
        ("app", ["v1".to_owned(), tag(&live.app.digest)]),
        ("tool", ["v1".to_owned(), tag(&live.tool.digest)]),
    ] {
        for tag in tags {
            let from = format!("docker://{}/team/{name}:{tag}", live.registry.host());
            let to = format!("oci:{}:{name}-{tag}", live.path("skopeo").display());
            let mut command = Command::new(&skopeo);
            command.args(["copy", "--all", "--insecure-policy", "--src-tls-verify=false", &from, &to]);
            let _ = finish(&mut command).expect_code(0);
        }
    }
    live.passes("skopeo", "trust-with-crls");
}

/// Who signs: a chain of three whose CRLs are published on loopback, with a delta.
struct Authority {
    root: Credential,
    signer: Credential,
    crls: Vec<(String, Vec<u8>)>,
}

impl Authority {
    fn new() -> (Self, Server) {
        let far = || time("2074-01-01T00:00:00Z");
        let since = || time("2024-01-01T00:00:00Z");
        // certificates name the server, and the server has what they sign
        let published = std::sync::Arc::new(std::sync::Mutex::new(Vec::<(String, Vec<u8>)>::new()));
        let served = std::sync::Arc::clone(&published);
        let server = Server::start(move |request| {
            let served = served.lock().unwrap();
            let found = served.iter().find(|(path, _)| *path == request.path);
            Some(found.map_or_else(|| Answer::new(404, ""), |(_, crl)| Answer::new(200, crl.clone())))
        });
        let url = |name: &str| format!("http://{}/{name}", server.host());
        let name = |common: &str| Name::new("Live", common);

        let root = Credential::self_signed(
            &Profile::ca(name("Live Root"), 1, since(), far()),
            &Key::named("p384-a"),
        );
        let ca = Profile::ca(name("Live CA"), 2, since(), far());
        let ca = root.issue(
            &ca.with(Extension::crl_distribution_points(&[&url("root.crl")])),
            &Key::named("rsa3072-a"),
        );
        let leaf = Profile::signer(name("Live Signer"), 3, since(), far());
        let signer = ca.issue(
            &leaf.with(Extension::crl_distribution_points(&[&url("ca.crl")])),
            &Key::named("rsa3072-b"),
        );

        let list =
            |number| RevocationList::new(number, time("2026-09-01T00:00:00Z"), time("2036-09-01T00:00:00Z"));
        let crls = vec![
            ("/root.crl".to_owned(), list(3).sign(&root)),
            ("/ca.crl".to_owned(), list(7).with(Extension::freshest_crl(&[&url("delta.crl")])).sign(&ca)),
            ("/delta.crl".to_owned(), list(8).delta_of(7).sign(&ca)),
        ];
        published.lock().unwrap().clone_from(&crls);
        (Self { root, signer, crls }, server)
    }

    /// `trust`, `trust-with-crls`, notation's `config/notation` of the same, and its signing key.
    fn write(&self, folder: &Path) {
        let policy = json!({ "version": "1.0", "trustPolicies": [{
            "name": "live", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
            "trustStores": ["ca:live"], "trustedIdentities": [self.signer.subject.identity()],
        }] });
        let mut files = archive::Files::from([
            ("trustpolicy.json".into(), policy.to_string().into_bytes()),
            ("truststore/x509/ca/live/root.crt".into(), self.root.pem().into_bytes()),
        ]);
        archive::write_files(&folder.join("trust"), &files).unwrap();
        archive::write_files(&folder.join("config/notation"), &files).unwrap();
        files.extend(self.crls.iter().map(|(path, crl)| (format!("crls{path}"), crl.clone())));
        archive::write_files(&folder.join("trust-with-crls"), &files).unwrap();
        let signer = folder.join("signer/notation");
        let key = json!({ "name": "live", "keyPath": signer.join("live.key"), "certPath": signer.join("live.crt") });
        let files = archive::Files::from([
            ("live.key".into(), Key::pem("rsa3072-b").into()),
            ("live.crt".into(), self.signer.chain_pem().into_bytes()),
            ("signingkeys.json".into(), json!({ "keys": [key] }).to_string().into_bytes()),
        ]);
        archive::write_files(&signer, &files).unwrap();
    }
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}
