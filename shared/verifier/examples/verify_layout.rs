//! Verifies the signatures of one image in an OCI layout directory with nothing but this library and files.
//!
//!     cargo run -p assay-verifier --example verify_layout -- LAYOUT TRUST REFERENCE
//!
//! Prints `{"images":[{"status":…,"reason":…}]}`. The agent does the same with stores, bundles and content checks.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::notary::trust_policy::TrustPolicy;
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore};
use assay_verifier::notary::verify::Verifier;
use assay_verifier::oci::{Descriptor, Manifest, Reference};
use assay_verifier::outcome::{Conclusion, Step};
use assay_verifier::revocation::RevocationEvidence;
use assay_verifier::time::UnixTime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [layout, trust, reference] = arguments.as_slice() else {
        return Err("usage: LAYOUT TRUST REFERENCE".into());
    };
    let (status, reason) = verify(Path::new(layout), Path::new(trust), reference)?;
    println!("{}", serde_json::json!({ "images": [{ "status": status, "reason": reason }] }));
    Ok(())
}

type Verdict = (&'static str, Option<&'static str>);

fn verify(layout: &Path, trust: &Path, name: &str) -> Result<Verdict, Box<dyn Error>> {
    let Ok(policy) = TrustPolicy::parse(&fs::read(trust.join("trustpolicy.json"))?) else {
        return Ok(("failed", Some("policy")));
    };
    let reference: Reference = name.parse()?;
    let Ok(statement) = policy.statement_for(Some(&reference.repository)) else {
        return Ok(("failed", Some("policy")));
    };
    if statement.is_skip() {
        return Ok(("skipped", None));
    }
    let index = Manifest::parse(&fs::read(layout.join("index.json"))?)?;
    let named = |entry: &&Descriptor| {
        entry.annotations.get("io.containerd.image.name").is_some_and(|value| value == name)
    };
    let target = index.manifests.iter().find(named).ok_or("no such image in the layout")?;
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let at = UnixTime::from_seconds(since_epoch.as_secs().try_into()?).ok_or("the clock is out of range")?;
    let (trust_store, evidence) = (read_trust_store(trust)?, read_evidence(trust)?);
    let verifier = Verifier { trust_store: &trust_store, evidence: &evidence, at };

    let blob = |descriptor: &Descriptor| {
        let path =
            layout.join("blobs").join(descriptor.digest.algorithm().name()).join(descriptor.digest.hex());
        fs::read(path)
            .ok()
            .filter(|bytes| bytes.len() as u64 == descriptor.size && descriptor.digest.matches(bytes))
    };
    let mut last = Some("no-signature");
    for entry in &index.manifests {
        let Some(manifest) = blob(entry).and_then(|bytes| Manifest::parse(&bytes).ok()) else { continue };
        let Ok(Some(signature)) = SignatureManifest::read(&entry.media_type, &manifest) else { continue };
        if !signature.subject.same_target(target) {
            continue;
        }
        let Some(envelope) = blob(&signature.envelope) else { continue };
        let verdict = verifier.verify(&signature.envelope.media_type, &envelope, target, statement);
        if verdict.conclusion == Conclusion::Passed {
            return Ok(("passed", None));
        }
        last = verdict.conclusion.step().map(reason);
    }
    Ok(("failed", last))
}

fn reason(step: Step) -> &'static str {
    match step {
        Step::Integrity => "integrity",
        Step::Authenticity => "authenticity",
        Step::Expiry => "expiry",
        Step::AuthenticTimestamp => "authentic-timestamp",
        Step::Revocation => "revocation",
        Step::Target => "descriptor-mismatch",
    }
}

fn read_trust_store(trust: &Path) -> Result<TrustStore, Box<dyn Error>> {
    let mut store = TrustStore::default();
    for store_type in StoreType::ALL {
        let Ok(names) = fs::read_dir(trust.join("truststore/x509").join(store_type.folder())) else {
            continue;
        };
        for name in names {
            let name = name?;
            let mut entries = Vec::new();
            for file in fs::read_dir(name.path())? {
                let file = file?;
                entries.push((
                    file.file_name().to_string_lossy().into_owned(),
                    StoreEntry::File(fs::read(file.path())?),
                ));
            }
            store.add(store_type, &name.file_name().to_string_lossy(), entries);
        }
    }
    Ok(store)
}

fn read_evidence(trust: &Path) -> Result<RevocationEvidence, Box<dyn Error>> {
    let mut evidence = RevocationEvidence::default();
    let Ok(files) = fs::read_dir(trust.join("crls")) else { return Ok(evidence) };
    for file in files {
        let file = file?;
        if let Err(error) = evidence.add_file(&file.file_name().to_string_lossy(), &fs::read(file.path())?) {
            eprintln!("{}: {error}", file.path().display());
        }
    }
    Ok(evidence)
}
