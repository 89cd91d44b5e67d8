//! Runs `assay trust` as a site does. The agent and notation verify by what it makes, and it refuses what it refuses
//! before it writes anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::certificate::{Credential, Name, Profile};
use assay_fixtures::interop::{AT, Interop};
use assay_fixtures::keys::Key;
use assay_fixtures::revocation_list::RevocationList;
use assay_tests::interop::{Kept, notation};
use assay_tests::packages::not_run;
use assay_tests::program::{self, Finished, finish};
use assay_verifier::time::UnixTime;
use serde_json::{Value, json};
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A scratch folder with `root.crt`, `leaf.crt` and `root.crl` in it, valid in 2026; the CRL until June.
struct Site {
    folder: TempDir,
    root: Credential,
}

fn day(text: &str) -> UnixTime {
    UnixTime::parse(&format!("{text}T00:00:00Z")).unwrap()
}

impl Site {
    fn new() -> Self {
        let (from, until) = (day("2026-01-01"), day("2027-01-01"));
        let profile = Profile::ca(Name::new("Acme, Inc.", "Root"), 1, from, until);
        let root = Credential::self_signed(&profile, &Key::named("p256-a"));
        let leaf = Profile::signer(Name::new("Acme, Inc.", "Signer"), 2, from, until);
        let leaf = root.issue(&leaf, &Key::named("p256-b"));
        let crl = RevocationList::new(1, from, day("2026-06-01")).sign(&root);
        let site = Self { folder: tempfile::tempdir().unwrap(), root };
        fs::write(site.path("root.crt"), site.root.pem()).unwrap();
        fs::write(site.path("leaf.crt"), leaf.pem()).unwrap();
        fs::write(site.path("root.crl"), crl).unwrap();
        site
    }

    /// The same with a trust directory `trust`.
    fn with_trust() -> Self {
        let site = Self::new();
        let _ = site
            .assay(&["trust", "init", "--name", "acme", "--ca", "root.crt", "--tsa", "root.crt"], INIT)
            .expect_code(0);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn assay(&self, arguments: &[&str], more: &[&str]) -> Finished {
        finish(Command::new(ASSAY).args(arguments).args(more).current_dir(self.folder.path()))
    }

    fn check(&self, at: &str, code: i32) -> Value {
        let at = format!("{at}T00:00:00Z");
        let done =
            self.assay(&["trust", "check", "trust", "--format", "json", "--at", &at], &[]).expect_code(code);
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// The findings as severity and what each is about.
    fn findings(&self, at: &str, code: i32) -> Vec<String> {
        let check = self.check(at, code);
        let findings = check["findings"].as_array().unwrap();
        let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
        findings.iter().map(|one| format!("{} {}", text(one, "severity"), text(one, "what"))).collect()
    }
}

/// What every `init` of one's own CA here ends in.
const INIT: &[&str] = &["--identity", r"C=US,ST=Oregon,O=Acme\, Inc.", "trust"];

#[test]
fn a_directory_for_ones_own_ca_says_what_it_trusts_and_what_expires_when() {
    let site = Site::with_trust();
    let _ = site.assay(&["trust", "add", "trust", "--crl", "root.crl"], &[]);
    let check = site.check("2026-03-01", 0);
    assert_eq!(check["findings"], json!([]));
    let statement = &check["policy"]["statements"][0];
    assert_eq!(statement["scopes"], json!(["*"]));
    assert_eq!(statement["stores"], json!(["ca:acme", "tsa:acme"]));
    assert_eq!(statement["identities"], json!([r"x509.subject:C=US,O=Acme\, Inc.,ST=Oregon"]));
    assert_eq!((&statement["level"], &statement["timestamp"]), (&json!("strict"), &json!("always")));
    assert_eq!(check["certificates"][0]["not_after"], "2027-01-01T00:00:00Z");
    assert_eq!(check["crls"][0]["next_update"], "2026-06-01T00:00:00Z");

    let stale = ["incomplete crls/root.crl"];
    assert_eq!(site.findings("2026-07-01", 3), stale);
    let name = site.check("2027-02-01", 3)["certificates"][0]["subject"].as_str().unwrap().to_owned();
    let expired = [format!("incomplete {name} in ca:acme"), format!("incomplete {name} in tsa:acme")];
    assert_eq!(site.findings("2027-02-01", 3), [&expired[..], &[stale[0].to_owned()]].concat());

    // a newer CRL of the issuer makes up for the old one
    let newer = RevocationList::new(2, day("2026-05-15"), day("2026-08-01")).sign(&site.root);
    fs::write(site.path("newer.crl"), newer).unwrap();
    let _ = site.assay(&["trust", "add", "trust", "--crl", "newer.crl"], &[]);
    assert_eq!(site.findings("2026-07-01", 0), ["note crls/root.crl"]);
}

/// A file of evidence that cannot be used is refused before anyone travels, by every command that would rely on it.
#[test]
fn evidence_that_cannot_be_used_is_refused_beforehand() {
    let site = Site::with_trust();
    let add = |place: &str, bytes: &[u8]| {
        let path = site.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    add("site.toml", b"[[node]]\nname = \"a\"\naddress = \"192.0.2.1\"\n");
    add("layout/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    add("layout/index.json", br#"{"schemaVersion":2,"manifests":[]}"#);
    let check = ["bundle", "check", "layout", "--trust", "trust"];
    let run = [
        "run",
        "--site",
        "site.toml",
        "--trust",
        "trust",
        "--bundle",
        "layout",
        "--out",
        "out",
        "--agent",
        AGENT,
    ];
    let refused = || {
        let done = [site.assay(&run, &["--dry-run"]), site.assay(&check, &[])];
        done.map(|done| done.code == Some(2) && done.stderr.contains("cannot be used"))
    };
    let list = fs::read(site.path("root.crl")).unwrap();
    add("trust/crls/good.crl", &list);
    add("layout/crls/good name%20.crl", &list);
    add("trust/crls/.DS_Store", b"litter");
    add("layout/crls/._good.crl", b"litter");
    assert_eq!(refused(), [false; 2], "nothing is there that cannot be used");
    assert_eq!(site.check("2026-03-01", 0)["crls"].as_array().unwrap().len(), 1);

    add("layout/crls/cut off.crl", &list[..list.len() - 1]);
    assert_eq!(refused(), [true; 2]);
    let _ = site.check("2026-03-01", 0);
    fs::remove_file(site.path("layout/crls/cut off.crl")).unwrap();
    add("trust/crls/deep/down/page.crl", b"<html>");
    assert_eq!(refused(), [true; 2]);
    assert_eq!(site.findings("2026-03-01", 2)[..1], ["failed crls/deep/down/page.crl"]);
}

#[test]
fn what_is_malformed_or_trusts_nobody_is_named() {
    let site = Site::with_trust();
    let file = |place: &str, text: &str| {
        let path = site.path("trust").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("crls/a.crl", "no CRL");
    file("keys/a.pub", "no key");
    file("truststore/x509/ca/other/a.crt", "no certificate");
    let notes = ["failed crls/a.crl", "failed keys/a.pub", "failed trust store ca:other"];
    let all = site.findings("2026-03-01", 2);
    assert_eq!(all[..3], notes);
    assert_eq!(all[3..], ["note statement acme"], "revocation is enforced without a CRL");

    let policy = |change: &dyn Fn(&mut Value)| {
        let mut policy: Value =
            serde_json::from_slice(&fs::read(site.path("trust/trustpolicy.json")).unwrap()).unwrap();
        change(&mut policy["trustPolicies"][0]);
        fs::write(site.path("trust/trustpolicy.json"), policy.to_string()).unwrap();
    };
    for folder in ["crls", "keys", "truststore/x509/ca/other"] {
        fs::remove_dir_all(site.path("trust").join(folder)).unwrap();
    }
    // Each of these is wrong by itself. The first finding of a statement is its worst.
    for (stores, identities) in [
        (json!(["ca:absent"]), json!(["*"])),
        (json!(["tsa:acme"]), json!(["*"])),
        (json!(["ca:acme"]), json!(["x509.other: a"])),
    ] {
        policy(&|statement| {
            statement["trustStores"] = stores.clone();
            statement["trustedIdentities"] = identities.clone();
        });
        assert_eq!(site.findings("2026-03-01", 1)[0], "failed statement acme", "{stores} {identities}");
    }
    policy(&|statement| statement["name"] = json!(""));
    assert_eq!(site.findings("2026-03-01", 1)[0], "failed trustpolicy.json");
    fs::remove_file(site.path("trust/trustpolicy.json")).unwrap();
    let _ = site.assay(&["trust", "check", "trust"], &[]).expect_code(2);
}

#[test]
fn identities_that_can_never_match_are_named() {
    let site = Site::new();
    let init = |identity: &str| {
        let init = ["trust", "init", "--name", "acme", "--ca", "root.crt", "--identity", identity, "trust"];
        site.assay(&init, &[])
    };
    for identity in [
        "C=US,ST=Oregon,O=Acme,E=a@example.test",
        "C=US,ST=Oregon,O=Acme,emailAddress=a@example.test",
        "C=US,ST=Oregon,O=Acme,UID=a",
        "C=US,ST=Oregon,O=Acme,DC=example",
        "C=US,ST=Oregon,O=Acme,cn=Signer",
        "C=US,ST=Oregon,O=Acme,OU=a,OU=b",
        "C=US,O=Acme",
        "X509.Subject:C=US,ST=Oregon,O=Acme",
        "x509.subjects: C=US,ST=Oregon,O=Acme",
    ] {
        let done = init(identity).expect_code(2);
        let last = identity.rsplit(',').next().unwrap();
        assert!(done.stderr.contains(last), "{}", done.stderr);
        assert!(!site.path("trust").exists(), "{identity}");
    }
    for identity in ["C=US,S=Oregon,O=Acme", "x509.subject:C=US,ST=Oregon,O=Acme,CN=a:b,STREET=c", "*"] {
        let _ = init(identity).expect_code(0);
        fs::remove_dir_all(site.path("trust")).unwrap();
    }

    let site = Site::with_trust();
    let good = "x509.subject: C=US, ST=Oregon, O=Acme";
    for (identity, alone, beside) in [
        ("x509.subject: C=US,ST=Oregon,O=Other,emailAddress=a", 1, 3),
        ("x509.subject: C=US,ST=Oregon,O=Other,cn=a", 1, 3),
        ("X509.Subject: C=US,ST=Oregon,O=Other", 1, 3),
        ("x509.san: a", 1, 0),
    ] {
        for (identities, code) in [(json!([identity]), alone), (json!([good, identity]), beside)] {
            let path = site.path("trust/trustpolicy.json");
            let mut policy: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            policy["trustPolicies"][0]["trustedIdentities"] = identities;
            fs::write(path, policy.to_string()).unwrap();
            let check = site.check("2026-03-01", code);
            let named = |finding: &&Value| finding["why"].as_str().unwrap().contains("never matches");
            let findings = check["findings"].as_array().unwrap();
            assert_eq!(findings.iter().filter(named).count(), 1, "{identity}: {findings:?}");
        }
    }
}

#[test]
fn what_is_refused_writes_nothing() {
    let site = Site::new();
    fs::write(site.path("junk"), "junk").unwrap();
    let init = ["trust", "init", "--name"];
    for options in [
        &["acme", "--ca", "leaf.crt"][..],
        &["acme", "--ca", "junk"],
        &["acme", "--ca", "absent"],
        &["acme", "--ca", "root.crt", "--tsa", "leaf.crt"],
        &["..", "--ca", "root.crt"],
        &["acme", "--ca", "root.crt", "--scope", "registry.example.test/app:v1"],
        &["acme", "--ca", "root.crt", "--identity", "O=Acme"],
        &["acme", "--ca", "root.crt", "--identity", "*"],
    ] {
        let _ = site.assay(&[&init[..], options].concat(), INIT).expect_code(2);
        assert!(!site.path("trust").exists(), "{options:?}");
    }

    let site = Site::with_trust();
    let before = files(&site.path("trust"));
    fs::write(site.path("junk"), "junk").unwrap();
    fs::write(site.path("private.pem"), Key::pem("p256-a")).unwrap();
    let same_name =
        json!({"name": "acme", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}});
    fs::write(site.path("same-name.json"), same_name.to_string()).unwrap();
    let same_scope =
        json!({"name": "b", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}});
    fs::write(site.path("same-scope.json"), same_scope.to_string()).unwrap();
    fs::create_dir(site.path("else")).unwrap();
    fs::write(site.path("else/root.crt"), site.root.certificate()).unwrap();
    for options in [
        &["--ca", "acme=leaf.crt"][..],
        &["--ca", "../acme=root.crt"],
        &["--ca", "acme=else/root.crt"], // DER where PEM is: the same name with other bytes
        &["--crl", "junk"],
        &["--crl", "root.crl", "--key", "junk"],
        &["--key", "private.pem"],
        &["--statement", "junk"],
        &["--statement", "same-name.json"],
        &["--statement", "same-scope.json", "--force"],
    ] {
        let _ = site.assay(&["trust", "add", "trust"], options).expect_code(2);
        assert_eq!(files(&site.path("trust")), before, "{options:?}");
    }
    let again = ["trust", "init", "--name", "acme", "--ca", "root.crt"];
    let _ = site.assay(&again, INIT).expect_code(2);
    assert_eq!(files(&site.path("trust")), before);
    let _ = site.assay(&[&again[..], &["--force"]].concat(), INIT).expect_code(0);
    assert_ne!(files(&site.path("trust")), before, "the policy is another");
}

#[test]
fn a_statement_and_a_key_are_added() {
    let site = Site::with_trust();
    let _ = site.assay(&["site-key", "create", "key"], &[]).expect_code(0);
    let skip = json!({"name": "b", "registryScopes": ["registry.example.test/b"], "signatureVerification": {"level": "skip"}});
    fs::write(site.path("b.json"), skip.to_string()).unwrap();
    let add = ["trust", "add", "trust", "--statement", "b.json", "--key", "key.pub"];
    let _ = site.assay(&add, &[]).expect_code(0);
    let check = site.check("2026-03-01", 0);
    let statements: Vec<&Value> =
        check["policy"]["statements"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(statements, ["acme", "b"]);
    assert_eq!(check["keys"][0]["kind"], "Ed25519");
    let _ = site.assay(&add, &[]).expect_code(2);
    let _ = site.assay(&add, &["--force"]).expect_code(0);
}

#[test]
fn a_notation_configuration_is_imported_and_the_agent_verifies_by_it() {
    let kept = Kept::unpack();
    let folder = tempfile::tempdir().unwrap();
    let trust = folder.path().join("trust");
    let import = |from: &Path| {
        let paths = [from, trust.as_path()].map(|path| path.display().to_string());
        program::run(ASSAY, ["trust", "import", &paths[0], &paths[1]])
    };
    fs::write(kept.trust().join("signingkeys.json"), "{}").unwrap();
    let _ = import(&kept.trust()).expect_code(0);
    assert!(!trust.join("signingkeys.json").exists(), "what signs stays where it is");
    let store = format!("layout:{}", kept.layout().display());
    let path = trust.display().to_string();
    let _ = program::run(AGENT, ["verify", "--store", &store, "--trust", &path, "--at", AT]).expect_code(0);

    fs::remove_dir_all(&trust).unwrap();
    fs::write(kept.trust().join("truststore/x509/ca/bad"), "a file").unwrap();
    let _ = import(&kept.trust()).expect_code(1);
    assert!(!trust.exists(), "nothing of what is malformed is imported");
}

#[test]
fn notation_verifies_by_what_init_makes() {
    let Some(notation) = notation() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut interop = Interop::new();
    interop.sign();
    interop.write(folder.path()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut options = vec!["trust".to_owned(), "init".to_owned(), "--identity".to_owned(), "*".to_owned()];
    for root in files(&folder.path().join("trust/truststore/x509/ca")).into_keys() {
        options.extend(["--ca".to_owned(), root.display().to_string()]);
    }
    options.push(path("config/notation"));
    let _ = program::run(ASSAY, options).expect_code(0);
    let job = &interop.jobs[0];
    let target = format!("{}@{}", path("layout"), job.target.digest);
    let mut command = Command::new(&notation);
    command.args(["verify", "--oci-layout", &target, "--scope", job.reference.rsplit_once(':').unwrap().0]);
    command.env("XDG_CONFIG_HOME", path("config")).env("NOTATION_EXPERIMENTAL", "1");
    let _ = finish(&mut command).expect_code(0);
}

/// The real roots are others' property and no part of the project; they lie beside the checkout where it is developed.
#[test]
fn the_profile_of_microsoft_takes_its_two_roots_and_no_look_alike() {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/real").into();
    let real = PathBuf::from(std::env::var_os("REAL_DATA").unwrap_or_else(beside));
    if !real.is_dir() {
        not_run(&format!("{} is absent", real.display()));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trust = folder.path().join("trust").display().to_string();
    let init = |ca: &str, tsa: &str| {
        let [ca, tsa] = [ca, tsa].map(|name| real.join(name).display().to_string());
        program::run(ASSAY, ["trust", "init", "--profile", "microsoft", "--ca", &ca, "--tsa", &tsa, &trust])
    };
    let (ca, tsa) = ("ms-supply-chain-rsa-root-ca-2022.crt", "ms-root-ca-2010.crt");
    for (ca, tsa) in [
        (tsa, ca),
        (ca, ca),
        (ca, "negative/forged-MicRooCerAut_2010-06-23.crt"),
        (ca, "tsa/root-ms-identity-verification-2020.crt"),
        ("ms-scd-products-rsa-ca.crt", tsa),
    ] {
        let _ = init(ca, tsa).expect_code(2);
        assert!(!Path::new(&trust).exists(), "{ca} {tsa}");
    }
    let done = init(ca, tsa).expect_code(0);
    for crl in ["SCD%20Products%20RSA%20CA.crl", "MicRooCerAut_2010-06-23.crl"] {
        assert!(done.stderr.contains(crl), "{}", done.stderr);
    }
    let check = program::run(ASSAY, ["trust", "check", &trust, "--format", "json"]).expect_code(0);
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    let statement = &check["policy"]["statements"][0];
    assert_eq!(
        (&statement["stores"], &statement["level"]),
        (&json!(["ca:supplychain", "tsa:esrp"]), &json!("strict"))
    );
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}
