//! Reads and validates the document.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::level::{Actions, Level, VerifyTimestamp};
use super::{Identities, IdentityError, NeverMatches, SubjectPattern};
use crate::json::{JsonError, Object, Value};
use crate::limits;
use crate::notary::trust_store::StoreType;
use crate::oci::Repository;
use crate::outcome::Action;

/// A valid trust policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    statements: Vec<Statement>,
    unknown_members: Vec<String>,
}

/// One statement: for which repositories, whom to trust, and what to make of failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its unique name.
    pub name: String,
    /// What to verify.
    pub level: Level,
    /// What to make of each failed check, overrides applied.
    pub actions: Actions,
    /// When a timestamp is asked for.
    pub verify_timestamp: VerifyTimestamp,
    /// Where trusted certificates come from, in the document's order.
    pub trust_stores: Vec<TrustStoreName>,
    /// Who may sign.
    pub identities: Identities,
    /// Identities of kinds that are not known, which match nothing.
    pub unknown_identities: Vec<String>,
    scopes: Scopes,
}

/// A named trust store: `ca:acme`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrustStoreName {
    /// What its certificates vouch for.
    pub store_type: StoreType,
    /// Its name.
    pub name: String,
}

impl FromStr for TrustStoreName {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        let name = Self::read(text)?;
        // these two would leave the trust store's folder
        if matches!(name.name.as_str(), "." | "..") {
            Err(StatementError::TrustStore { store: text.to_string() })
        } else {
            Ok(name)
        }
    }
}

impl TrustStoreName {
    /// The name as a policy may hold it: `.` and `..` match the specification's pattern, and no store has such a name.
    fn read(text: &str) -> Result<Self, StatementError> {
        let invalid = || StatementError::TrustStore { store: text.to_string() };
        let (store_type, name) = text.split_once(':').ok_or_else(invalid)?;
        let store_type = StoreType::from_folder(store_type).ok_or_else(invalid)?;
        let is_plain = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if is_plain { Ok(Self { store_type, name: name.to_string() }) } else { Err(invalid()) }
    }
}

impl fmt::Display for TrustStoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.store_type.folder(), self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scopes {
    Any,
    Repositories(Vec<Repository>),
}

impl TrustPolicy {
    /// Reads and validates a document.
    ///
    /// # Errors
    /// [`PolicyError`] if it is malformed, or anything in it is not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::TRUST_POLICY_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let document = Value::parse(bytes).map_err(PolicyError::Json)?;
        let document = document.as_object().ok_or(ShapeError::Type { member: "the document" })?;
        let mut unknown_members = unknown_members(document, &["version", "trustPolicies"], "")?;
        match text(document, "version", "version")? {
            Some("1.0") => {}
            other => return Err(PolicyError::Version { version: other.unwrap_or_default().to_string() }),
        }
        let list = array(document, "trustPolicies", "trustPolicies")?;
        if list.is_empty() {
            return Err(PolicyError::NoStatements);
        }
        bounded(list)?;
        let mut names = BTreeSet::new();
        let mut scopes = BTreeSet::new();
        let mut statements = Vec::with_capacity(list.len());
        for entry in list {
            let entry = entry.as_object().ok_or(ShapeError::Type { member: "a statement" })?;
            let name =
                text(entry, "name", "name")?.filter(|name| !name.is_empty()).ok_or(PolicyError::NoName)?;
            if !names.insert(name.to_string()) {
                return Err(PolicyError::RepeatedName { name: name.to_string() });
            }
            unknown_members.extend(self::unknown_members(entry, STATEMENT_MEMBERS, name)?);
            let statement = Statement::read(entry, name, &mut scopes, &mut unknown_members);
            statements
                .push(statement.map_err(|error| PolicyError::Statement { name: name.to_string(), error })?);
        }
        Ok(Self { statements, unknown_members })
    }

    /// The statements in the document's order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Members that the specification does not know; they have no effect. A misspelt one is worth a warning.
    pub fn unknown_members(&self) -> &[String] {
        &self.unknown_members
    }

    /// The statement for images of `repository`: the one whose scopes name it exactly, otherwise the one with scope `*`. An
    /// image without a repository has only the latter.
    ///
    /// # Errors
    /// [`PolicyError::NoStatementApplies`] if there is neither.
    pub fn statement_for(&self, repository: Option<&Repository>) -> Result<&Statement, PolicyError> {
        let names = |statement: &&Statement| match (&statement.scopes, repository) {
            (Scopes::Repositories(scopes), Some(repository)) => scopes.contains(repository),
            _ => false,
        };
        let exact = self.statements.iter().find(names);
        let any = || self.statements.iter().find(|statement| statement.scopes == Scopes::Any);
        exact.or_else(any).ok_or_else(|| PolicyError::NoStatementApplies {
            repository: repository
                .map_or_else(|| "an image without a repository".into(), ToString::to_string),
        })
    }
}

const STATEMENT_MEMBERS: &[&str] =
    &["name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities"];

impl Statement {
    /// Whether nothing is verified under it.
    pub fn is_skip(&self) -> bool {
        self.level == Level::Skip
    }

    /// The repositories that it is for, or `*` alone.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let (any, named) = match &self.scopes {
            Scopes::Any => (Some("*"), &[][..]),
            Scopes::Repositories(named) => (None, named.as_slice()),
        };
        any.into_iter().chain(named.iter().map(Repository::as_str))
    }

    /// The identities that no certificate can match, as the document has them or would, and why.
    pub fn never_matching(&self) -> impl Iterator<Item = (String, NeverMatches)> {
        let unknown = self.unknown_identities.iter().map(|identity| {
            let kind = identity.split(':').next().unwrap_or_default().to_string();
            (identity.clone(), NeverMatches::Kind { kind })
        });
        let patterns = match &self.identities {
            Identities::Any => &[][..],
            Identities::Subjects(patterns) => patterns,
        };
        unknown.chain(
            patterns.iter().filter_map(|pattern| Some((pattern.to_string(), pattern.never_matches()?))),
        )
    }

    /// The names of its trust stores of one type.
    pub fn stores(&self, store_type: StoreType) -> impl Iterator<Item = &str> {
        self.trust_stores
            .iter()
            .filter(move |store| store.store_type == store_type)
            .map(|store| store.name.as_str())
    }

    fn read(
        entry: &Object,
        name: &str,
        all_scopes: &mut BTreeSet<String>,
        unknown: &mut Vec<String>,
    ) -> Result<Self, StatementError> {
        let scopes = read_scopes(entry, all_scopes)?;
        let Some(Value::Object(verification)) = entry.get("signatureVerification") else {
            return Err(ShapeError::Type { member: "signatureVerification" }.into());
        };
        unknown.extend(unknown_members(verification, &["level", "override", "verifyTimestamp"], name)?);
        let level_name = text(verification, "level", "level")?.unwrap_or_default();
        let level = Level::from_name(level_name)
            .ok_or_else(|| StatementError::Level { level: level_name.to_string() })?;
        let actions = read_override(verification, level)?;
        let verify_timestamp = match text(verification, "verifyTimestamp", "verifyTimestamp")? {
            None | Some("" | "always") => VerifyTimestamp::Always,
            Some("afterCertExpiry") => VerifyTimestamp::AfterCertExpiry,
            Some(other) => return Err(StatementError::VerifyTimestamp { value: other.to_string() }),
        };
        let stores = texts(entry, "trustStores", "trustStores")?;
        let identities = texts(entry, "trustedIdentities", "trustedIdentities")?;
        if level == Level::Skip {
            if !stores.is_empty() || !identities.is_empty() {
                return Err(StatementError::SkipWithTrust);
            }
        } else if stores.is_empty() || identities.is_empty() {
            return Err(StatementError::NoTrust);
        }
        let trust_stores = stores.into_iter().map(TrustStoreName::read).collect::<Result<_, _>>()?;
        let (identities, unknown_identities) = read_identities(&identities)?;
        Ok(Self {
            name: name.to_string(),
            level,
            actions,
            verify_timestamp,
            trust_stores,
            identities,
            unknown_identities,
            scopes,
        })
    }
}

fn read_scopes(entry: &Object, all: &mut BTreeSet<String>) -> Result<Scopes, StatementError> {
    let scopes = texts(entry, "registryScopes", "registryScopes")?;
    if scopes.is_empty() {
        return Err(StatementError::NoScopes);
    }
    if let Some(twice) = scopes.iter().find(|scope| !all.insert((**scope).to_string())) {
        return Err(StatementError::RepeatedScope { scope: (*twice).to_string() });
    }
    if scopes.contains(&"*") {
        return if scopes.len() == 1 {
            Ok(Scopes::Any)
        } else {
            Err(StatementError::WildcardScopeBesideOthers)
        };
    }
    let parse = |scope: &str| scope.parse().map_err(|_| StatementError::Scope { scope: scope.to_string() });
    Ok(Scopes::Repositories(scopes.into_iter().map(parse).collect::<Result<_, _>>()?))
}

fn read_override(verification: &Object, level: Level) -> Result<Actions, StatementError> {
    let mut actions = level.actions();
    let overrides = match verification.get("override") {
        None | Some(Value::Null) => return Ok(actions),
        Some(Value::Object(overrides)) => overrides,
        Some(_) => return Err(ShapeError::Type { member: "override" }.into()),
    };
    if level == Level::Skip && overrides.iter().next().is_some() {
        return Err(StatementError::OverrideOfSkip);
    }
    for (check, action) in overrides.iter() {
        let invalid = || StatementError::Override { check: check.to_string() };
        let action = match action.as_text() {
            Some("enforce") => Action::Enforce,
            Some("log") => Action::Log,
            Some("skip") => Action::Skip,
            _ => return Err(invalid()),
        };
        let place = match check {
            "authenticity" => &mut actions.authenticity,
            "authenticTimestamp" => &mut actions.authentic_timestamp,
            "expiry" => &mut actions.expiry,
            "revocation" => &mut actions.revocation,
            _ => return Err(invalid()),
        };
        if action == Action::Skip && check != "revocation" {
            return Err(invalid());
        }
        *place = action;
    }
    Ok(actions)
}

/// The identities, and those of kinds that are not known.
fn read_identities(identities: &[&str]) -> Result<(Identities, Vec<String>), StatementError> {
    if identities.contains(&"*") {
        return if identities.len() == 1 {
            Ok((Identities::Any, Vec::new()))
        } else {
            Err(StatementError::WildcardIdentityBesideOthers)
        };
    }
    let mut patterns: Vec<SubjectPattern> = Vec::new();
    let mut unknown = Vec::new();
    for identity in identities {
        let (kind, name) = identity
            .split_once(':')
            .ok_or_else(|| StatementError::IdentityKind { identity: (*identity).to_string() })?;
        // other kinds are tolerated and match nothing
        if kind != "x509.subject" {
            unknown.push((*identity).to_string());
            continue;
        }
        let pattern = SubjectPattern::parse(name)
            .map_err(|error| StatementError::Identity { identity: (*identity).to_string(), error })?;
        if patterns.iter().any(|other| other.covers(&pattern) || pattern.covers(other)) {
            return Err(StatementError::OverlappingIdentities { identity: (*identity).to_string() });
        }
        patterns.push(pattern);
    }
    Ok((Identities::Subjects(patterns), unknown))
}

/// Members of `object` that are not `known`; a known one in another letter case is refused, because the reference would
/// take it for the known one.
fn unknown_members(object: &Object, known: &[&str], place: &str) -> Result<Vec<String>, ShapeError> {
    if let Some(variant) = object.case_variant_of(known) {
        return Err(ShapeError::LetterCase { member: variant.to_string() });
    }
    let unknown = object.iter().map(|(name, _)| name).filter(|name| !known.contains(name));
    Ok(unknown
        .map(|name| if place.is_empty() { name.to_string() } else { alloc::format!("{place}: {name}") })
        .collect())
}

/// Text under `name`; `None` if it is absent or null.
fn text<'a>(object: &'a Object, name: &str, member: &'static str) -> Result<Option<&'a str>, ShapeError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(ShapeError::Type { member }),
    }
}

fn array<'a>(object: &'a Object, name: &str, member: &'static str) -> Result<&'a [Value], ShapeError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(ShapeError::Type { member }),
    }
}

fn texts<'a>(object: &'a Object, name: &str, member: &'static str) -> Result<Vec<&'a str>, ShapeError> {
    let items = array(object, name, member)?;
    bounded(items)?;
    items.iter().map(|item| item.as_text().ok_or(ShapeError::Type { member })).collect()
}

fn bounded(items: &[Value]) -> Result<(), ShapeError> {
    if items.len() > limits::TRUST_POLICY_ENTRIES {
        Err(ShapeError::TooManyEntries { entries: items.len() })
    } else {
        Ok(())
    }
}

/// Why a trust policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Longer than [`limits::TRUST_POLICY_BYTES`].
    #[error("the document is too large")]
    TooLarge,
    /// Not one JSON value, or a member is named twice.
    #[error("malformed: {0}")]
    Json(JsonError),
    /// A member is not of the form that it must have.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// `version` is not `1.0`.
    #[error("version is {version:?}, and must be \"1.0\"")]
    Version {
        /// What it is.
        version: String,
    },
    /// There is no statement.
    #[error("there is no statement")]
    NoStatements,
    /// A statement without a name.
    #[error("a statement has no name")]
    NoName,
    /// Two statements of one name.
    #[error("two statements are named {name:?}")]
    RepeatedName {
        /// The name.
        name: String,
    },
    /// A statement is not valid.
    #[error("statement {name:?} {error}")]
    Statement {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: StatementError,
    },
    /// No statement's scopes name the repository.
    #[error("no statement applies to {repository}")]
    NoStatementApplies {
        /// The repository.
        repository: String,
    },
}

/// What is wrong with a member's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A list longer than [`limits::TRUST_POLICY_ENTRIES`].
    #[error("a list has too many entries: {entries}")]
    TooManyEntries {
        /// How many.
        entries: usize,
    },
    /// A member in another letter case.
    #[error("member {member:?} is not written as the specification writes it")]
    LetterCase {
        /// As it stands in the document.
        member: String,
    },
    /// A member of the wrong JSON type, or missing although it is required.
    #[error("{member} is missing or of the wrong type")]
    Type {
        /// Which.
        member: &'static str,
    },
}

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// A member is not of the form that it must have.
    #[error("is malformed: {0}")]
    Shape(ShapeError),
    /// No registry scope.
    #[error("has no registry scope")]
    NoScopes,
    /// A scope that is neither `*` nor a repository.
    #[error("has the scope {scope:?}, which is not registry/repository")]
    Scope {
        /// The scope.
        scope: String,
    },
    /// A scope that stands twice in the document.
    #[error("has the scope {scope:?}, which stands twice in the document")]
    RepeatedScope {
        /// The scope.
        scope: String,
    },
    /// `*` beside other scopes.
    #[error("has the scope * beside others")]
    WildcardScopeBesideOthers,
    /// A level that is not known.
    #[error("has the level {level:?}, which is not strict, permissive, audit or skip")]
    Level {
        /// The level.
        level: String,
    },
    /// Level skip with an override.
    #[error("overrides level skip")]
    OverrideOfSkip,
    /// An override of a check or with an action that cannot be.
    #[error("has an override of {check:?} that the specification does not allow")]
    Override {
        /// The check.
        check: String,
    },
    /// A `verifyTimestamp` that is not known.
    #[error("has verifyTimestamp {value:?}, which is not always or afterCertExpiry")]
    VerifyTimestamp {
        /// Its value.
        value: String,
    },
    /// Level skip with trust stores or identities.
    #[error("has level skip and trust stores or identities")]
    SkipWithTrust,
    /// No trust store or no identity.
    #[error("lacks trust stores or trusted identities")]
    NoTrust,
    /// A trust store that is not `type:name`.
    #[error("has the trust store {store:?}, which is not ca:NAME, signingAuthority:NAME or tsa:NAME")]
    TrustStore {
        /// The store.
        store: String,
    },
    /// `*` beside other identities.
    #[error("has the identity * beside others")]
    WildcardIdentityBesideOthers,
    /// An identity without a kind.
    #[error("has the identity {identity:?}, which is not * or kind:value")]
    IdentityKind {
        /// The identity.
        identity: String,
    },
    /// A malformed identity.
    #[error("has the identity {identity:?}, which {error}")]
    Identity {
        /// The identity.
        identity: String,
        /// Why.
        error: IdentityError,
    },
    /// Two identities of which one covers the other.
    #[error("has the identity {identity:?}, which overlaps with another")]
    OverlappingIdentities {
        /// The later of the two.
        identity: String,
    },
}

impl From<ShapeError> for StatementError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}
