//! The whole verification of one signature: the input is an envelope of either form, then a policy behind a NUL byte.
#![no_main]

use assay_shared::oci::{Descriptor, Digest, media_type};
use assay_shared::revocation::Evidence;
use assay_shared::report::Status;
use assay_shared::time::UnixTime;
use assay_shared::trust_policy::TrustPolicy;
use assay_shared::trust_store::TrustStore;
use assay_shared::verify::Verifier;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (envelope, policy) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    let policy = TrustPolicy::parse(policy).or_else(|_| TrustPolicy::parse(POLICY)).expect("the constant is valid");
    let (trust_store, evidence) = (TrustStore::default(), Evidence::default());
    let at = UnixTime::from_seconds(1_750_000_000).expect("in range");
    let verifier = Verifier { trust_store: &trust_store, evidence: &evidence, at };
    let target = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b"image"), 5);
    for statement in policy.statements().iter().filter(|statement| !statement.is_skip()) {
        for media_type in [media_type::JWS_ENVELOPE, media_type::COSE_ENVELOPE] {
            let verdict = verifier.verify(media_type, envelope, &target, statement);
            assert_eq!(verdict.status == Status::Passed, verdict.reason.is_none());
            // the payload of a seed names another artifact
            assert_ne!(verdict.status, Status::Passed);
        }
    }
});

const POLICY: &[u8] = br#"{"version":"1.0","trustPolicies":[{"name":"fuzz","registryScopes":["*"],"signatureVerification":{"level":"audit"},"trustStores":["ca:a","tsa:a"],"trustedIdentities":["*"]}]}"#;
