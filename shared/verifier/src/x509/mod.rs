//! Reads X.509 certificates and checks ordered chains of them.
//!
//! RFC 5280 for the certificates themselves; signature specification, "Certificate requirements", for what a chain must be.
//! Nothing here compares a validity period with a time: that is done where the time that counts is known.

mod certificate;
mod chain;
mod constrained_names;
mod constraints;
mod error;
mod extensions;
mod general_name;
mod name;
mod name_constraints;
pub mod oid;
mod requirements;
mod second_reading;
mod signature;
mod structure;
mod uri;

pub use certificate::Certificate;
pub(crate) use chain::is_signed_by_itself;
pub use chain::{
    ChainError, check_code_signing_chain, check_issued_by, check_timestamping_chain, is_self_signed,
};
pub(crate) use constraints::check_constraints;
pub use constraints::{ConstraintError, Purpose};
pub use error::CertificateError;
pub use extensions::{BasicConstraints, ExtendedKeyUsage, Extension, KeyUsage};
pub(crate) use name::Escaped;
pub use name::{Attribute, DistinguishedName};
pub use requirements::RequirementError;
pub(crate) use signature::SignedMessage;
pub(crate) use signature::verify_signature;
pub use signature::{Hash, KeyAlgorithm, PublicKey, SignatureAlgorithm, SignatureError};

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::requirements::check_ca;
    use super::*;

    extern crate std;

    /// Real certificates lie beside the checkout; they are others' property and are not part of the project.
    fn real(name: &str) -> Option<Vec<u8>> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/real").join(name);
        let bytes = std::fs::read(&path).ok();
        if bytes.is_none() {
            std::eprintln!("not run: {} is absent", path.display());
        }
        bytes
    }

    fn der_of(bytes: Vec<u8>) -> Vec<u8> {
        crate::pem::blocks(&bytes).pop().map_or(bytes, |block| block.contents)
    }

    #[test]
    fn real_microsoft_certificates_parse_and_chain() {
        let names = ["ms-scd-products-rsa-ca.crt", "ms-supply-chain-rsa-root-ca-2022.crt"];
        let Some(chain) = names.iter().map(|name| real(name).map(der_of)).collect::<Option<Vec<_>>>() else {
            return;
        };
        let chain: Vec<Certificate> = chain.iter().map(|der| Certificate::parse(der).unwrap()).collect();
        assert_eq!(check_issued_by(&chain[0], &chain[1]), Ok(()));
        assert!(is_self_signed(&chain[1]) && !is_self_signed(&chain[0]));
        assert_eq!(
            chain[1].sha256().hex(),
            "23ffe2b8bdb9a1711515d4cffda04bc7f793d513c76c243f1020507d8669b7db"
        );
        assert_eq!(check_ca(&chain[0], 0, true), Ok(()));
        assert_eq!(chain[0].crl_urls().len(), 1);
    }
}
