//! Offline verification of Notary Project signatures, and the reports that assay's programs write.
//!
//! Pure: bytes, policy, evidence and a time go in, a verdict comes out. The crate does no I/O and reads no clock; being
//! `no_std`, it could not. It gives the verdict that notation v1.3.2 gives, and is stricter only where the table "Stricter
//! than notation" of the README says so.
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
//! // What the site trusts, as bytes: the caller has read the files.
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
//! // The signature, the artifact that it should be of, and the time that counts as now.
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
//! // Without the CRL the certificate's status is unknown, and that is no pass.
//! let verifier = Verifier { evidence: &RevocationEvidence::default(), ..verifier };
//! let verdict = verifier.verify(notary::media_type::JWS_ENVELOPE, envelope, &target, statement);
//! assert_eq!(verdict.finding().map(|finding| finding.code), Some(Code::RevocationMissing));
//! # Ok(())
//! # }
//! ```
//!
//! # Shapes
//!
//! | step | in | out | specification |
//! |---|---|---|---|
//! | [`oci`], [`notary::manifest`] | manifest bytes | descriptors; which manifest is a signature, of what | OCI image 1.1; signature specification, "Storage" |
//! | [`oci::census`] | manifests, and what they are made of | which of them are images, and which only belong to one | distribution specification, "Referrers Tag Schema" |
//! | [`notary::envelope`] | an envelope's bytes and media type | [`notary::envelope::Envelope`], parsed and not trusted; after its check a [`notary::envelope::VerifiedEnvelope`] | "Signature Envelope"; RFC 7515, RFC 9052 |
//! | [`x509`] | DER | certificates, ordered chains, what each must be at its place | "Certificate Requirements"; RFC 5280 |
//! | [`notary::trust_policy`], [`notary::trust_store`] | documents and files | the statement for a repository, the certificates of a store | trust store and trust policy specification |
//! | [`timestamp`] | a token, the signature, trusted roots | when the signature existed, and the TSA's chain | RFC 3161, 5652, 5816 |
//! | [`revocation`] | a chain, CRLs and OCSP responses, a time | none revoked; or which is, or of which it is not known | RFC 5280 section 6.3, RFC 6960 |
//! | [`notary::payload`] | the signed payload | the artifact that it names, the signer's notes | "Payload" |
//! | [`notary::verify`] | all of these | [`notary::verify::SignatureVerdict`]: status, reason, five checks, the facts vouched for | "Signature Verification" |
//!
//! A trust policy chooses the [`notary::trust_policy::Level`]; a failed check whose action is `log` does not fail the signature, and
//! is in the verdict all the same. What was not reached says `not_run`.
//!
//! # Errors
//!
//! Each reader has an error enum with the facts of what is wrong, and `code()`, where a report shows it, gives the stable
//! [`codes::Code`]: what happened, why it matters, what to do (`codes.md` beside this crate lists all). Nothing panics on
//! hostile input, and every loop over it is bounded by a constant of [`limits`].
//!
//! `examples/verify_layout.rs` is a whole verifier of OCI layouts on top of this in a hundred lines.
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
