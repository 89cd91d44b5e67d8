//! Checks authenticity: the chain holds a trusted certificate, and the leaf's subject is a trusted identity.
//!
//! Trust store and trust policy specification, "Steps".

use crate::codes::Code;
use crate::notary::envelope::{SigningScheme, VerifiedEnvelope};
use crate::notary::trust_policy::{Identities, Statement, mismatch};
use crate::notary::trust_store::{StoreType, TrustStore};
use crate::outcome::Finding;
use crate::x509::Certificate;

pub(super) fn check(
    envelope: &VerifiedEnvelope,
    statement: &Statement,
    trust_store: &TrustStore,
) -> Result<(), Finding> {
    check_anchor(envelope, statement, trust_store)?;
    check_identity(envelope, statement)
}

/// Every store that the statement names for the scheme must be usable, even where another one would do.
fn check_anchor(
    envelope: &VerifiedEnvelope,
    statement: &Statement,
    trust_store: &TrustStore,
) -> Result<(), Finding> {
    let store_type = match envelope.attributes().scheme {
        SigningScheme::X509 => StoreType::Ca,
        SigningScheme::SigningAuthority => StoreType::SigningAuthority,
    };
    let mut is_trusted = false;
    let mut is_configured = false;
    for name in statement.stores(store_type) {
        is_configured = true;
        let certificates = trust_store.certificates(store_type, name).map_err(|error| {
            Finding::new(
                Code::TrustStoreUnusable,
                alloc::format!("trust store {}:{name} {error}", store_type.folder()),
            )
        })?;
        is_trusted |= envelope.chain().iter().any(|certificate| certificates.contains(certificate));
    }
    if !is_configured {
        let message = alloc::format!("statement {:?} names no {} store", statement.name, store_type.folder());
        Err(Finding::new(Code::TrustStoreNotConfigured, message))
    } else if !is_trusted {
        let root = envelope.chain().last().map(|root| alloc::format!("{} {}", root.subject(), root.sha256()));
        let mut message = alloc::format!(
            "no certificate of the chain is trusted; its root is {}",
            root.unwrap_or_default()
        );
        let has_it = |certificates: &[Certificate]| {
            envelope.chain().iter().any(|certificate| certificates.contains(certificate))
        };
        if let Some((other, name, _)) = trust_store.usable().find(|(.., certificates)| has_it(certificates)) {
            let store = alloc::format!("{}:{name}", other.folder());
            message.push_str(&alloc::format!(
                "; the trust store {store} has a certificate of it, and statement {:?} does not trust that store with {} \
                 signatures",
                statement.name,
                envelope.attributes().scheme.name()
            ));
        }
        Err(Finding::new(Code::ChainNotTrusted, message))
    } else {
        Ok(())
    }
}

fn check_identity(envelope: &VerifiedEnvelope, statement: &Statement) -> Result<(), Finding> {
    let patterns = match &statement.identities {
        Identities::Any => return Ok(()),
        Identities::Subjects(patterns) => patterns,
    };
    let subject = envelope.leaf().map(Certificate::subject);
    if subject.is_some_and(|subject| patterns.iter().any(|pattern| pattern.matches(subject))) {
        return Ok(());
    }
    let why = subject.map(|subject| mismatch(patterns, subject)).unwrap_or_default();
    let subject = subject.map(alloc::string::ToString::to_string).unwrap_or_default();
    Err(Finding::new(
        Code::IdentityNotTrusted,
        alloc::format!("the signer {subject:?} matches no trusted identity: {why}"),
    ))
}
