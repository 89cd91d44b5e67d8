//! Runs `assay-agent inspect`: what an envelope, its timestamp and its chain say, as JSON and for people.

use assay_fixtures::archive::Files;
use assay_fixtures::certificate::{Credential, Name, Profile};
use assay_fixtures::envelope::{Signing, cose, jws};
use assay_fixtures::keys::Key;
use assay_tests::program;
use assay_verifier::oci::{Descriptor, Digest, media_type};
use assay_verifier::time::UnixTime;
use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// The text of a line that begins with that name.
fn line<'t>(text: &'t str, name: &str) -> &'t str {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in\n{text}")).trim_start()
}

#[test]
fn an_envelope_is_shown_with_its_timestamp_and_chain() {
    let seeds: Files = assay_fixtures::fuzz::seeds();
    let scratch = tempfile::tempdir().unwrap();
    for (name, algorithm) in [("jws/stamped", "application/jose+json"), ("cose/stamped", "application/cose")]
    {
        let path = scratch.path().join(name.replace('/', "-"));
        std::fs::write(&path, &seeds[name]).unwrap();
        let run =
            program::run(AGENT, ["inspect".as_ref(), path.as_os_str(), "--format".as_ref(), "json".as_ref()]);
        assert_eq!(run.code, Some(0));
        let inspection: Value = serde_json::from_slice(&run.stdout).unwrap();
        let envelope = &inspection["signatures"][0]["envelope"];
        assert_eq!(envelope["media_type"], algorithm);
        assert_eq!((&envelope["intact"], &envelope["signing_scheme"]), (&json!(true), &json!("notary.x509")));
        assert_eq!(
            (&envelope["target"]["size"], &envelope["expiry"]),
            (&json!(5), &json!("2110-01-01T00:00:00Z"))
        );
        let timestamp = &envelope["timestamp"];
        assert_eq!(
            (&timestamp["time"], &timestamp["accuracy"]),
            (&json!("2025-01-01T00:00:00Z"), &json!(1.0))
        );
        assert_eq!((&timestamp["of_this_signature"], &timestamp["error"]), (&json!(true), &Value::Null));
        let subjects = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect()
        };
        assert!(subjects(&timestamp["certificates"])[0].starts_with("CN=Fuzz TSA"));
        let of_tsa: Vec<&Value> =
            timestamp["certificates"].as_array().unwrap().iter().map(|one| &one["tsa"]).collect();
        assert_eq!(of_tsa.iter().filter(|one| **one == true).count(), 1);
        assert_eq!(of_tsa[0], &json!(true));
        let chain = subjects(&envelope["certificates"]);
        assert!(
            chain.len() == 2
                && chain[0].starts_with("CN=Fuzz Signer")
                && chain[1].starts_with("CN=Fuzz Root")
        );

        let text = program::run(AGENT, ["inspect".as_ref(), path.as_os_str()]);
        let text = String::from_utf8(text.stdout).unwrap();
        assert_eq!(line(&text, "timestamp"), "2025-01-01T00:00:00Z ± 1 s");
        assert_eq!(line(&text, "of"), "this signature");
        assert!(line(&text, "signs").contains("sha256:") && line(&text, "intact").starts_with("yes"));
        assert_eq!(line(&text, "CRL"), "http://crl.example.test/leaf.crl");
        assert!(line(&text, "certificate of TSA").starts_with("CN=Fuzz TSA"));
        assert!(!text.contains("unverified") && !text.contains("UNVERIFIED"));
    }
}

/// A token of another signature is shown as what it is, and so is one that cannot be read.
#[test]
fn a_timestamp_of_something_else_is_named() {
    let seeds: Files = assay_fixtures::fuzz::seeds();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("envelope");
    let mut envelope: Value = serde_json::from_slice(&seeds["jws/stamped"]).unwrap();
    for (token, of, is_readable) in
        [(&seeds["timestamp/token"], false, true), (&b"hello".to_vec(), false, false)]
    {
        let token = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, token);
        envelope["header"]["io.cncf.notary.timestampSignature"] = token.into();
        std::fs::write(&path, envelope.to_string()).unwrap();
        let run =
            program::run(AGENT, ["inspect".as_ref(), path.as_os_str(), "--format".as_ref(), "json".as_ref()]);
        let inspection: Value = serde_json::from_slice(&run.stdout).unwrap();
        let timestamp = &inspection["signatures"][0]["envelope"]["timestamp"];
        assert_eq!(timestamp["of_this_signature"], json!(of));
        assert_eq!(timestamp["error"].is_null(), is_readable);
    }
}

/// What no verifier here accepts is shown all the same, and marked.
#[test]
fn envelopes_that_cannot_be_verified_are_shown() {
    let time = |text| UnixTime::parse(text).unwrap();
    let (from, to) = (time("2020-01-01T00:00:00Z"), time("2120-01-01T00:00:00Z"));
    let root = Profile::ca(Name::new("Assay", "Root"), 1, from, to);
    let root = Credential::self_signed(&root, &Key::named("p256-a"));
    let signer =
        root.issue(&Profile::signer(Name::new("Assay", "Signer"), 2, from, to), &Key::named("p256-b"));
    let target = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b"image"), 5);
    let signing = Signing::new(&signer, &target, time("2025-01-01T00:00:00Z"));
    let header = |change: &dyn Fn(&mut Value)| {
        let mut header = jws::protected(&signing);
        change(&mut header);
        jws::assemble(&signer, &header.to_string(), &signing.payload, None)
    };
    let plugin = |header: &mut Value| {
        header["io.cncf.notary.verificationPlugin"] = json!("com.example.plugin");
        header["io.cncf.notary.verificationPluginMinVersion"] = json!("1.2.0");
        header["crit"].as_array_mut().unwrap().push(json!("io.cncf.notary.verificationPlugin"));
    };
    let mut tampered = signing.cose();
    *tampered.last_mut().unwrap() ^= 1;
    // an envelope of another standard has its chain in the protected header, and no tag
    let mut foreign = signing.cose();
    foreign.remove(0);
    let mut broken: Value = serde_json::from_slice(&signing.jws()).unwrap();
    broken["header"]["x5c"][1] = json!("AAAA");
    let mut repeated: Value = serde_json::from_slice(&signing.jws()).unwrap();
    repeated["Header"] = json!({});
    let empty = cose::assemble(&signer, &[0xa0], &signing.payload, None);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("envelope");
    for (what, bytes) in [
        ("plugin", header(&plugin)),
        (
            "critical",
            header(&|header| header["crit"].as_array_mut().unwrap().push(json!("com.example.more"))),
        ),
        ("scheme", header(&|header| header["io.cncf.notary.signingScheme"] = json!("other"))),
        ("time", header(&|header| header["io.cncf.notary.signingTime"] = json!("yesterday"))),
        ("algorithm", header(&|header| header["alg"] = json!("none"))),
        ("content type", header(&|header| header["cty"] = json!("text/plain"))),
        ("empty header", empty),
        ("signature", tampered),
        ("no tag", foreign),
        ("certificate", broken.to_string().into_bytes()),
        ("letter case", repeated.to_string().into_bytes()),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let run =
            program::run(AGENT, ["inspect".as_ref(), path.as_os_str(), "--format".as_ref(), "json".as_ref()]);
        assert_eq!(run.code, Some(0), "{what}: {}", run.stderr);
        let inspection: Value = serde_json::from_slice(&run.stdout).unwrap();
        let envelope = &inspection["signatures"][0]["envelope"];
        assert_eq!((&envelope["verified"], &envelope["intact"]), (&json!(false), &json!(false)), "{what}");
        assert!(envelope["not_intact"].is_string(), "{what}");
        assert!(envelope["signer"].as_str().unwrap().starts_with("CN=Signer"), "{what}");
        assert_eq!(envelope["target"]["digest"], target.digest.as_str(), "{what}");
        let read = envelope["certificates"].as_array().unwrap().len();
        let unread = envelope["unreadable_certificates"].as_array().unwrap().len();
        assert_eq!((read, unread), if what == "certificate" { (1, 1) } else { (2, 0) }, "{what}");
        let shown = json!({ "name": "com.example.plugin", "min_version": "1.2.0" });
        assert_eq!(envelope["plugin"], if what == "plugin" { shown } else { Value::Null }, "{what}");

        let text = program::run(AGENT, ["inspect".as_ref(), path.as_os_str()]);
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(line(&text, "intact").starts_with("no"), "{what}");
        for name in ["signer", "signs", "certificate 0"] {
            assert!(line(&text, name).ends_with("(unverified)"), "{what}: {name}");
        }
        assert_eq!(text.contains("demands plugin"), what == "plugin");
    }
    // These are not signatures in any form.
    for bytes in [&b"hello"[..], b"{}", b"[]", b"", b"\x84\x40\xa0\x40"] {
        std::fs::write(&path, bytes).unwrap();
        let run = program::run(AGENT, ["inspect".as_ref(), path.as_os_str()]);
        assert_eq!(run.code, Some(2), "{bytes:?}");
    }
}
