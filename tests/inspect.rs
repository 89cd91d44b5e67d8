//! `assay-agent inspect`: what an envelope, its timestamp and its chain say, as JSON and for people.

use assay_fixtures::archive::Files;
use assay_tests::program;
use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// The text of a line that begins with that name.
fn line<'t>(text: &'t str, name: &str) -> &'t str {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in\n{text}")).trim_start()
}

#[test]
fn an_envelope_with_its_timestamp_and_chain() {
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
    }
}

/// A token of another signature is shown as what it is, and so is one that cannot be read.
#[test]
fn a_timestamp_of_something_else() {
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
