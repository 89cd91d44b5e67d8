//! Writes trust policy documents. The verifier's own reader reads each one back before it is written.

use assay_verifier::json::{self, JsonError, Shape};
use assay_verifier::notary::trust_policy::{Level, TrustPolicy};
use serde::{Deserialize, Serialize};

use super::error::TrustEditError;

/// The name of a new policy's file.
pub(super) const FILE: &str = "trustpolicy.json";

/// A statement of a trust policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewStatement {
    pub(super) name: String,
    pub(super) registry_scopes: Vec<String>,
    pub(super) signature_verification: SignatureVerification,
    pub(super) trust_stores: Vec<String>,
    pub(super) trusted_identities: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct SignatureVerification {
    pub(super) level: &'static str,
}

impl SignatureVerification {
    pub(super) fn new(level: Level) -> Self {
        Self { level: level.as_str() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: &'static str,
    trust_policies: [&'a NewStatement; 1],
}

/// A document of one statement.
pub(super) fn document(statement: &NewStatement) -> Result<Vec<u8>, TrustEditError> {
    checked(&Document { version: "1.0", trust_policies: [statement] })
}

/// A document with one more statement. With `force` it replaces a statement of its name.
pub(super) fn with_statement(
    old: &[u8],
    name: &str,
    statement: serde_json::Value,
    force: bool,
) -> Result<Vec<u8>, TrustEditError> {
    TrustPolicy::parse(old)?;
    let mut document: serde_json::Value = serde_json::from_slice(old).unwrap_or_default();
    if let Some(statements) = document["trustPolicies"].as_array_mut() {
        match statements.iter_mut().find(|one| one["name"] == name) {
            Some(_) if !force => return Err(TrustEditError::StatementExists { name: name.to_owned() }),
            Some(known) => *known = statement,
            None => statements.push(statement),
        }
    }
    checked(&document)
}

/// The name of a statement, and the statement.
///
/// # Errors
/// [`JsonError`] if the bytes are not one JSON object with a name.
pub(super) fn parse_statement(bytes: &[u8]) -> Result<(String, serde_json::Value), JsonError> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Named { name } = json::read(bytes, &Shape::Object(&[]))?;
    Ok((name, json::read(bytes, &Shape::Any)?))
}

fn checked(document: &impl Serialize) -> Result<Vec<u8>, TrustEditError> {
    let mut bytes = serde_json::to_vec_pretty(document).unwrap_or_default();
    bytes.push(b'\n');
    TrustPolicy::parse(&bytes)?;
    Ok(bytes)
}
