//! Makes timestamps and CRLs, and has them judged by the agent, and by notation if it is there.

use std::fs;
use std::path::Path;
use std::process::Command;

use assay_fixtures::archive::{self, Files};
use assay_fixtures::certificate::{Credential, Extension, Name, Profile};
use assay_fixtures::envelope::{Format, Signing};
use assay_fixtures::image::{Image, linux};
use assay_fixtures::keys::Key;
use assay_fixtures::layout::Layout;
use assay_fixtures::revocation_list::{KEY_COMPROMISE, RevocationList, reason};
use assay_fixtures::timestamp::Stamp;
use assay_tests::interop::notation;
use assay_tests::program::{self, finish, verdict};
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const LEAF_CRL: &str = "http://crl.example.test/leaf.crl";
const LOST_CRL: &str = "http://crl.example.test/lost.crl";

/// What is to be judged: a name, and the verdict on it. Names under `stamped/` need a timestamp.
const EXPECTED: [(&str, &str); 8] = [
    ("plain/no-revocation", "passed"),
    ("plain/not-revoked", "passed"),
    ("plain/revoked", "failed/revocation"),
    ("plain/crl-lost", "failed/revocation"),
    ("stamped/before-expiry", "passed"),
    ("stamped/after-expiry", "failed/authentic-timestamp"),
    ("stamped/by-another-tsa", "failed/authentic-timestamp"),
    ("stamped/not-at-all", "failed/authentic-timestamp"),
];

/// A PKI whose certificates are valid for decades but for one, since notation judges by the machine's clock.
struct Site {
    root: Credential,
    ca: Credential,
    /// Nobody has a list of this one.
    other_ca: Credential,
    tsa_root: Credential,
    tsa: Credential,
    other_tsa: Credential,
}

impl Site {
    fn new() -> Self {
        let ca = |name: &str, key: &str| {
            let profile = Profile::ca(Name::new("Evidence", name), 1, time("2020-01-01T00:00:00Z"), far());
            Credential::self_signed(&profile, &Key::named(key))
        };
        let root = ca("Evidence Root", "p384-a");
        let intermediate = |name: &str, serial: u64, key: &str| {
            let profile =
                Profile::ca(Name::new("Evidence", name), serial, time("2020-01-01T00:00:00Z"), far());
            root.issue(&profile, &Key::named(key))
        };
        let tsa = |root: &Credential, key: &str| {
            let name = Name::new("Evidence", "Evidence TSA");
            root.issue(&Profile::timestamping(name, 3, time("2020-01-01T00:00:00Z"), far()), &Key::named(key))
        };
        let (tsa_root, other_root) =
            (ca("Evidence TSA Root", "rsa3072-a"), ca("Evidence TSA Root", "rsa3072-b"));
        Self {
            ca: intermediate("Evidence CA", 2, "p384-b"),
            other_ca: intermediate("Evidence Other CA", 4, "p384-c"),
            tsa: tsa(&tsa_root, "rsa2048-a"),
            other_tsa: tsa(&other_root, "p256-c"),
            root,
            tsa_root,
        }
    }

    /// A signer until 2025, or until much later.
    fn signer(&self, serial: u64, expires: bool, crl: Option<&str>) -> Credential {
        let end = if expires { time("2025-01-01T00:00:00Z") } else { far() };
        let mut profile = profile(serial, end);
        profile.extensions.extend(crl.map(|url| Extension::crl_distribution_points(&[url])));
        self.ca.issue(&profile, &Key::named("p256-a"))
    }

    fn sign(&self, case: &str, format: Format, layout: &mut Layout, target: &Descriptor) {
        let signer = match case {
            "plain/not-revoked" => self.signer(11, false, Some(LEAF_CRL)),
            "plain/revoked" => self.signer(12, false, Some(LEAF_CRL)),
            "plain/crl-lost" => {
                let profile = profile(13, far()).with(Extension::crl_distribution_points(&[LOST_CRL]));
                self.other_ca.issue(&profile, &Key::named("p256-a"))
            }
            "plain/no-revocation" => self.signer(14, false, None),
            _ => self.signer(15, true, None),
        };
        let mut signing = Signing::new(&signer, target, time("2024-06-01T00:00:00Z"));
        let (early, late) = (time("2024-06-01T00:00:10Z"), time("2025-06-01T00:00:00Z"));
        signing.timestamp = match case {
            "stamped/before-expiry" => Some(Stamp::new(&self.tsa, early)),
            "stamped/after-expiry" => Some(Stamp::new(&self.tsa, late)),
            "stamped/by-another-tsa" => Some(Stamp::new(&self.other_tsa, early)),
            _ => None,
        };
        let created = "2024-06-01T00:00:00Z";
        let signature =
            layout.add_signature(target, format, signing.envelope(format), &signer.chain, created);
        layout.list(signature);
    }

    fn crl(&self) -> Vec<u8> {
        RevocationList::new(5, time("2024-02-01T00:00:00Z"), far())
            .listing(12, time("2024-03-01T00:00:00Z"), &[reason(KEY_COMPROMISE)])
            .sign(&self.ca)
    }

    fn trust(&self) -> Files {
        let scopes = |kind: &str| {
            let names = EXPECTED.iter().filter(|(name, _)| name.starts_with(kind));
            names.map(|(name, _)| format!("registry.example.test/{name}")).collect::<Vec<_>>()
        };
        let statement = |name: &str, stores: &[&str]| {
            json!({
                "name": name,
                "registryScopes": scopes(name),
                "signatureVerification": { "level": "strict" },
                "trustStores": stores,
                "trustedIdentities": ["*"],
            })
        };
        let policy = json!({
            "version": "1.0",
            "trustPolicies": [
                statement("plain", &["ca:evidence"]),
                statement("stamped", &["ca:evidence", "tsa:evidence"]),
            ],
        });
        Files::from([
            ("trustpolicy.json".into(), policy.to_string().into_bytes()),
            ("truststore/x509/ca/evidence/root.crt".into(), self.root.pem().into_bytes()),
            ("truststore/x509/tsa/evidence/root.crt".into(), self.tsa_root.pem().into_bytes()),
            ("crls/leaf.crl".into(), self.crl()),
        ])
    }
}

#[test]
fn timestamps_and_crls_count_as_for_notation() {
    for format in [Format::Jws, Format::Cose] {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new();
        let mut layout = Layout::new();
        let mut targets = Vec::new();
        for (name, expected) in EXPECTED {
            let target = Image::of_text(linux("amd64"), "app", name).add_to(&mut layout);
            layout.name(&target, &format!("registry.example.test/{name}:v1"));
            site.sign(name, format, &mut layout, &target);
            targets.push((name, expected, target));
        }
        layout.write(&folder.path().join("layout")).unwrap();
        archive::write_files(&folder.path().join("config/notation"), &site.trust()).unwrap();

        if let Some(notation) = notation() {
            cache_crl(folder.path(), &site.crl());
            for (name, expected, target) in &targets {
                let passes = notation_passes(&notation, folder.path(), name, &target.digest);
                assert_eq!(passes, *expected == "passed", "{name} in {format:?}, says notation");
            }
        }
        let done = program::run(
            AGENT,
            [
                "verify",
                "--store",
                &format!("layout:{}", folder.path().join("layout").display()),
                "--trust",
                &folder.path().join("config/notation").display().to_string(),
            ],
        );
        let report = done.expect_code(1).report();
        assert_eq!(report.images.len(), EXPECTED.len());
        for (name, expected, target) in &targets {
            let image = report.images.iter().find(|image| image.digest == target.digest).unwrap();
            assert_eq!(verdict(image), *expected, "{name} in {format:?}: {:?}", image.message);
        }
    }
}

/// Puts the CRL where notation looks before it asks the network.
fn cache_crl(folder: &Path, crl: &[u8]) {
    let cache = folder.join("cache/notation/crl");
    fs::create_dir_all(&cache).unwrap();
    let entry = json!({ "baseCRL": base64(crl) });
    fs::write(cache.join(Digest::sha256(LEAF_CRL.as_bytes()).hex()), entry.to_string()).unwrap();
}

/// Base64 of `bytes`, taken from the middle of a PEM block.
fn base64(bytes: &[u8]) -> String {
    let pem = assay_fixtures::certificate::pem("X509 CRL", bytes);
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn notation_passes(notation: &Path, folder: &Path, name: &str, digest: &Digest) -> bool {
    let target = format!("{}@{digest}", folder.join("layout").display());
    let mut command = Command::new("unshare");
    command.arg("--net").arg(notation);
    command.args(["verify", "--oci-layout", &target, "--scope", &format!("registry.example.test/{name}")]);
    command.env("XDG_CONFIG_HOME", folder.join("config")).env("XDG_CACHE_HOME", folder.join("cache"));
    let done = finish(command.env("NOTATION_EXPERIMENTAL", "1"));
    println!("{name}: {:?} {}", done.code, done.stderr);
    done.code == Some(0)
}

fn profile(serial: u64, end: UnixTime) -> Profile {
    let name = Name::new("Evidence", "Evidence Signer");
    Profile::signer(name, serial, time("2024-01-01T00:00:00Z"), end)
}

fn far() -> UnixTime {
    time("2070-01-01T00:00:00Z")
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}
