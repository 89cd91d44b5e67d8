//! What the verifier makes of many small inputs: lines of JSON in, a verdict for each out.
//!
//!     cargo run -p assay-verifier --example verdicts < QUESTIONS
//!
//! `tests/interop/differential/mutants.py` asks this and notation's own libraries the same questions;
//! `tests/interop/differential/reference/main.go` says what they are.

use std::error::Error;
use std::fmt::Debug;
use std::io::{BufRead as _, stdin};
use std::time::SystemTime;

use assay_verifier::notary;
use assay_verifier::notary::envelope::Envelope;
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore};
use assay_verifier::revocation::{self, Purpose, RevocationEvidence};
use assay_verifier::time::UnixTime;
use assay_verifier::timestamp;
use assay_verifier::x509::{Certificate, CertificateError, check_code_signing_chain};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[derive(serde::Deserialize)]
struct Question {
    kind: String,
    parts: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let now = UnixTime::from_seconds(i64::try_from(now)?).ok_or("the clock is out of range")?;
    for line in stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let parts = question.parts.iter().map(|part| STANDARD.decode(part));
        let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        match answer(&question.kind, &parts, now) {
            Ok(()) => println!("ok"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

fn answer(kind: &str, parts: &[Vec<u8>], now: UnixTime) -> Result<(), String> {
    match (kind, parts) {
        ("chain", _) => check_code_signing_chain(&certificates(parts)?).map_err(words),
        ("store ca" | "store tsa", [file]) => {
            let store_type = if kind == "store ca" { StoreType::Ca } else { StoreType::Tsa };
            let mut store = TrustStore::default();
            store.add(store_type, "acme", [("file".into(), StoreEntry::File(file.clone()))]);
            store.certificates(store_type, "acme").map(|_| ()).map_err(words)
        }
        ("token", [token, stamped, roots @ ..]) => {
            timestamp::verify(token, stamped, &certificates(roots)?).map(|_| ()).map_err(words)
        }
        ("crl", [leaf, root, base, delta]) => {
            let chain = certificates(&[leaf.clone(), root.clone()])?;
            check_code_signing_chain(&chain).map_err(words)?;
            let mut evidence = RevocationEvidence::default();
            for (name, bytes) in [("leaf.crl", base), ("delta.crl", delta)] {
                if !bytes.is_empty() {
                    // what cannot be read makes the status unknown
                    let _ = evidence.add_file(name, bytes);
                }
            }
            revocation::check_chain(&chain, Purpose::CodeSigning, &evidence, now, None).map_err(words)
        }
        ("jws", [bytes]) => envelope(notary::media_type::JWS_ENVELOPE, bytes),
        ("cose", [bytes]) => envelope(notary::media_type::COSE_ENVELOPE, bytes),
        _ => panic!("unknown question {kind} of {} parts", parts.len()),
    }
}

fn certificates(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, String> {
    ders.iter().map(|der| Certificate::parse(der)).collect::<Result<_, CertificateError>>().map_err(words)
}

fn envelope(media_type: &str, bytes: &[u8]) -> Result<(), String> {
    Envelope::parse(media_type, bytes).and_then(Envelope::verify).map(|_| ()).map_err(words)
}

/// An error in one line.
fn words(error: impl Debug) -> String {
    format!("{error:?}")
}
