//! Verifies container-image signatures offline: bytes, a trust policy, revocation evidence and a time in, typed outcomes out.
//!
//! The crate does no I/O and reads no clock; being `no_std`, it could not. Today it knows one signature family, that of the
//! Notary Project ([`notary`]). It gives the verdict that notation v1.3.2 gives, and is stricter in a few listed cases
//! (`fixtures/conformance/README.md` in the repository has the list, each with its reason).
//!
//! Another project uses it like this: it reads the files, and hands over their bytes.
//!
//! ```
//! use assay_verifier::oci::{Descriptor, Digest, Repository, media_type};
//! use assay_verifier::codes::Code;
//! use assay_verifier::outcome::{CheckOutcome, Conclusion};
//! use assay_verifier::revocation::RevocationEvidence;
//! use assay_verifier::time::UnixTime;
//! use assay_verifier::notary;
//! use assay_verifier::notary::trust_policy::TrustPolicy;
//! use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore};
//! use assay_verifier::notary::verify::Verifier;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What the site trusts, as bytes that the caller has read.
//! let policy = TrustPolicy::parse(
//!     br#"{"version":"1.0","trustPolicies":[{"name":"images","registryScopes":["registry.example.test/team/app"],
//!         "signatureVerification":{"level":"strict"},"trustStores":["ca:acme"],
//!         "trustedIdentities":["x509.subject: C=US, ST=Oregon, O=Assay"]}]}"#,
//! )?;
//! let mut trust_store = TrustStore::default();
//! let root = include_bytes!("../../../fixtures/fuzz/root.der").to_vec();
//! trust_store.add(StoreType::Ca, "acme", [("root.der".into(), StoreEntry::File(root))]);
//! let mut evidence = RevocationEvidence::default();
//! evidence.add_file("leaf.crl", include_bytes!("../../../fixtures/fuzz/leaf.crl"))?;
//!
//! // The signature, the artifact that it should be a signature of, and the time that counts as now.
//! let envelope = include_bytes!("../../../fixtures/fuzz/envelope.jws");
//! let target = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b"image"), 5);
//! let at = UnixTime::parse("2026-01-31T12:00:00Z")?;
//!
//! let repository: Repository = "registry.example.test/team/app".parse()?;
//! let statement = policy.statement_for(Some(&repository))?;
//! let verifier = Verifier { trust_store: &trust_store, evidence: &evidence, at };
//! let verdict = verifier.verify(notary::media_type::JWS_ENVELOPE, envelope, &target, statement);
//! assert_eq!(verdict.conclusion, Conclusion::Passed);
//! assert_eq!(verdict.checks.revocation.outcome, CheckOutcome::Passed);
//!
//! // Without the CRL the certificate's status is unknown, and the signature does not pass.
//! let verifier = Verifier { evidence: &RevocationEvidence::default(), ..verifier };
//! let verdict = verifier.verify(notary::media_type::JWS_ENVELOPE, envelope, &target, statement);
//! assert_eq!(verdict.finding().map(|finding| finding.code), Some(Code::RevocationMissing));
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! | module | from | to | specification |
//! |---|---|---|---|
//! | [`oci`] | manifests, references | digests, descriptors; typed values | OCI image 1.1, distribution 1.1 |
//! | [`oci::census`] | the manifests of a store | which of them are images, and which only belong to one | distribution specification, "Referrers Tag Schema" |
//! | [`json`], [`file_form`] | bytes | JSON that all readers understand in the same way; what a wrong file is instead | RFC 8259 |
//! | [`x509`] | DER | certificates; ordered chains, each certificate what it must be at its place | RFC 5280 |
//! | [`timestamp`] | a token, the signature, trusted roots | when the signature existed, and the TSA's chain | RFC 3161, 5652, 5816 |
//! | [`revocation`] | a chain, CRLs and OCSP responses, a time | none is revoked; or which one is, or whose status is unknown | RFC 5280 section 6.3, RFC 6960 |
//! | [`dsse`] | an envelope, keys | the payload that one of the keys signed | DSSE 1.0.2 |
//! | [`notary::manifest`], [`notary::payload`] | a manifest; a signed payload | whose signature it is, and where its envelope is; which artifact was signed | signature specification, "Storage", "Payload" |
//! | [`notary::envelope`] | an envelope | [`Envelope`](notary::envelope::Envelope), parsed and not trusted; after its check [`VerifiedEnvelope`](notary::envelope::VerifiedEnvelope) | "Signature Envelope"; RFC 7515, RFC 9052 |
//! | [`notary::trust_policy`], [`notary::trust_store`] | documents and files | the statement for a repository; the certificates of a store | trust store and trust policy specification |
//! | [`notary::verify`] | all of these | [`SignatureVerdict`](notary::verify::SignatureVerdict): the conclusion, five checks, the facts vouched for | "Signature Verification" |
//! | [`outcome`], [`codes`] | | what checks come to; each finding's code, explained | |
//! | [`limits`] | | every bound on hostile input, with its reason | |
//!
//! A trust policy chooses the [`Level`](notary::trust_policy::Level). A failed check whose action is `log` does not fail the
//! signature, but it is in the verdict. A check that was not reached is
//! [`NotRun`](outcome::CheckOutcome::NotRun).
//!
//! # Errors
//!
//! Each reader has an error enum with the facts of what is wrong. An error that a verdict may show has `code()`, which gives the
//! stable [`codes::Code`]: what happened, why it matters, what to do (`codes.md` beside this crate lists all). An error's text is
//! complete, because reports repeat it; so it names its cause itself, and has no source that says the same. Nothing panics on
//! hostile input, and every loop over it is bounded by a constant of [`limits`].
//!
//! `examples/verify_layout.rs` is a whole verifier of OCI layouts on top of this, in about a hundred lines.
#![no_std]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod asn1;
pub mod codes;
pub mod dsse;
pub mod file_form;
pub mod json;
pub mod limits;
pub mod notary;
pub mod oci;
pub mod outcome;
mod pem;
pub mod revocation;
pub mod time;
pub mod timestamp;
pub mod x509;
