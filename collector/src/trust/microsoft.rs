//! Holds the profile of Microsoft's sample procedure: its policy, its two root certificates, and the CRLs that its signatures
//! demand.
//!
//! The roots come from files that the site has, and are believed for their SHA-256 alone: look-alikes with the same names
//! are in circulation.

use std::path::Path;

use assay_verifier::notary::trust_policy::{Level, TrustStoreName};
use assay_verifier::notary::trust_store::read_certificates;

use super::changes::Changes;
use super::error::TrustEditError;
use super::files::{file_name, read_anchor, store_file};
use super::init;
use super::policy::{NewStatement, SignatureVerification};
use crate::report::text::count;

/// A root certificate of the profile.
struct Root {
    name: &'static str,
    sha256: &'static str,
    store: &'static str,
}

const SIGNING_ROOT: Root = Root {
    name: "Microsoft Supply Chain RSA Root CA 2022",
    sha256: "23ffe2b8bdb9a1711515d4cffda04bc7f793d513c76c243f1020507d8669b7db",
    store: "ca:supplychain",
};

const TIMESTAMPING_ROOT: Root = Root {
    name: "Microsoft Root Certificate Authority 2010",
    sha256: "df545bf919a2439c36983b54cdfc903dfa4f37d3996d8d84b4c31eec6f3c163e",
    store: "tsa:esrp",
};

const IDENTITY: &str = "x509.subject: CN=Microsoft SCD Products RSA Signing,O=Microsoft Corporation,L=Redmond,ST=Washington,C=US";

/// A CRL that verification under the profile demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CrlToCarry {
    /// What it may revoke.
    pub revokes: &'static str,
    /// Where it is published, as the certificates have it.
    pub url: &'static str,
}

impl CrlToCarry {
    /// The name that its file may have: the last part of the URL, as it stands there.
    pub(crate) fn file(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }
}

const CRLS: [CrlToCarry; 6] = [
    CrlToCarry {
        revokes: "signing certificates",
        url: "http://www.microsoft.com/pkiops/crl/Microsoft%20SCD%20Products%20RSA%20CA.crl",
    },
    CrlToCarry {
        revokes: "the CA that issues them",
        url: "http://www.microsoft.com/pkiops/crl/Microsoft%20Supply%20Chain%20RSA%20Root%20CA%202022.crl",
    },
    CrlToCarry {
        revokes: "timestamping certificates",
        url: "http://www.microsoft.com/pkiops/crl/Microsoft%20Time-Stamp%20PCA%202010(1).crl",
    },
    CrlToCarry {
        revokes: "the CA that issues them",
        url: "http://crl.microsoft.com/pki/crl/products/MicRooCerAut_2010-06-23.crl",
    },
    CrlToCarry {
        revokes: "timestamping certificates of the newer authority",
        url: "http://www.microsoft.com/pkiops/crl/Microsoft%20Public%20RSA%20Timestamping%20CA%202020.crl",
    },
    CrlToCarry {
        revokes: "the CA that issues them",
        url: "http://www.microsoft.com/pkiops/crl/Microsoft%20Identity%20Verification%20Root%20Certificate%20Authority%202020.crl",
    },
];

/// The CRLs that signatures under the profile demand. Only timestamps of Microsoft's newer authority demand the last two.
pub(crate) fn crls_to_carry() -> &'static [CrlToCarry] {
    &CRLS
}

/// Makes a trust directory with the procedure's policy and its two roots.
///
/// # Errors
/// [`TrustEditError`]; [`TrustEditError::OtherCertificate`] if a file is not the root that it must be.
pub(crate) fn init_microsoft(
    directory: &Path,
    ca: &Path,
    tsa: &Path,
    force: bool,
) -> Result<(), TrustEditError> {
    let mut files = Changes::default();
    for (path, root) in [(ca, &SIGNING_ROOT), (tsa, &TIMESTAMPING_ROOT)] {
        let store: TrustStoreName = root
            .store
            .parse()
            .map_err(|source| TrustEditError::StoreName { name: root.store.to_owned(), source })?;
        let bytes = read_anchor(path, &store)?;
        root.check(path, &bytes)?;
        files.add(store_file(&store, &file_name(path)?), bytes)?;
    }
    let statement = NewStatement {
        name: "supplychain".to_owned(),
        registry_scopes: vec!["*".to_owned()],
        signature_verification: SignatureVerification::new(Level::Strict),
        trust_stores: [SIGNING_ROOT, TIMESTAMPING_ROOT].map(|root| root.store.to_owned()).to_vec(),
        trusted_identities: vec![IDENTITY.to_owned()],
    };
    init::write_new(directory, files, &statement, force)
}

impl Root {
    /// Whether the file holds this certificate and no other.
    fn check(&self, path: &Path, bytes: &[u8]) -> Result<(), TrustEditError> {
        let certificates = read_certificates(bytes)
            .map_err(|source| TrustEditError::Certificates { path: path.to_owned(), source })?;
        let found = match certificates.as_slice() {
            [one] if one.sha256().hex() == self.sha256 => return Ok(()),
            [one] => format!("it is {} with {}", one.subject(), one.sha256()),
            several => format!("it holds {}", count(several.len(), "certificate")),
        };
        let is_other = |root: &Self| certificates.iter().any(|one| one.sha256().hex() == root.sha256);
        let hint = if is_other(&SIGNING_ROOT) || is_other(&TIMESTAMPING_ROOT) {
            Some("--ca and --tsa may have been exchanged")
        } else if certificates.iter().any(|one| one.subject().to_string().contains(self.name)) {
            Some("it has the name alone, so do not trust it; fetch the certificate from the publisher again")
        } else {
            None
        };
        let expected = format!("{} with sha256:{}", self.name, self.sha256);
        Err(TrustEditError::OtherCertificate { path: path.to_owned(), found, expected, hint })
    }
}
