//! Tells what a trust directory trusts at a time, what expires when, and what is wrong with it.

use assay_judge::trust::{Trust, WarningSubject};
use assay_report::ExitCode;
use assay_verifier::notary::trust_policy::{
    Identities, NeverMatches, Statement, SubjectPattern, VerifyTimestamp,
};
use assay_verifier::notary::trust_store::StoreType;
use assay_verifier::outcome::Action;
use assay_verifier::revocation::{EvidenceKind, Outlook, Standing, Unknown, UnusableFile};
use assay_verifier::time::UnixTime;
use assay_verifier::x509::Certificate;
use serde::Serialize;

/// The value of [`TrustCheck::schema`].
pub(crate) const SCHEMA: &str = "assay/trust-check/v1";

/// A trust directory looked over at a time.
#[derive(Clone, Debug, Serialize)]
pub struct TrustCheck {
    /// [`SCHEMA`]
    pub schema: &'static str,
    /// The time.
    pub at: UnixTime,
    /// The worst of the findings.
    pub verdict: ExitCode,
    /// The policy.
    pub policy: Policy,
    /// Every certificate of every usable store, by the end of its validity.
    pub certificates: Vec<Anchor>,
    /// Every CRL, by when the next is due.
    pub crls: Vec<Crl>,
    /// Every answer in an OCSP response, by when the next is due.
    pub ocsp_answers: Vec<OcspAnswer>,
    /// The site's public keys.
    pub keys: Vec<Key>,
    /// What is not as it should be, the worst first.
    pub findings: Vec<TrustFinding>,
}

/// A trust policy.
#[derive(Clone, Debug, Serialize)]
pub struct Policy {
    /// Its file's name.
    pub file: String,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its statements; none if it is refused.
    pub statements: Vec<CheckedStatement>,
}

/// A statement of a trust policy.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedStatement {
    /// Its name.
    pub name: String,
    /// `strict`, `permissive`, `audit` or `skip`.
    pub level: &'static str,
    /// The checks whose failure fails a signature.
    pub enforced: Vec<&'static str>,
    /// The repositories that it is for, or `*`.
    pub scopes: Vec<String>,
    /// Its trust stores.
    pub stores: Vec<String>,
    /// Who may sign: `*`, or patterns for subjects.
    pub identities: Vec<String>,
    /// When a timestamp is asked for: `always`, `after-cert-expiry`, or `never` without a `tsa` store.
    pub timestamp: &'static str,
}

/// A certificate that is trusted.
#[derive(Clone, Debug, Serialize)]
pub struct Anchor {
    /// Its store, such as `ca:acme`.
    pub store: String,
    /// Its subject.
    pub subject: String,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// When its validity begins.
    pub not_before: UnixTime,
    /// When its validity ends.
    pub not_after: UnixTime,
    /// Whether it is valid at the time.
    pub state: State,
    /// The statements that use its store.
    pub used_by: Vec<String>,
}

/// A CRL.
#[derive(Clone, Debug, Serialize)]
pub struct Crl {
    /// Its file's name.
    pub file: String,
    /// Its issuer.
    pub issuer: String,
    /// Whether it is a delta.
    pub delta: bool,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// Whether it can prove anything at the time.
    pub state: State,
}

/// An answer about one certificate in an OCSP response.
#[derive(Clone, Debug, Serialize)]
pub struct OcspAnswer {
    /// Its file's name.
    pub file: String,
    /// Who signed it.
    pub responder: String,
    /// The certificate's serial number in hex.
    pub serial: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// Whether it can prove anything at the time.
    pub state: State,
}

/// A public key of the site.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    /// Its id, as `ssh-keygen -l` shows it.
    pub id: String,
    /// Its kind.
    pub kind: String,
}

/// How something stands to the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The time is in its validity.
    Valid,
    /// The time is before it.
    NotYetValid,
    /// The time is after it.
    Expired,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustFinding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub what: String,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub todo: &'static str,
}

/// How bad a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something is malformed, or a statement lets nothing pass.
    Failed,
    /// Something is not valid at the time, and what needs it will not pass.
    Incomplete,
    /// Worth knowing; it fails nothing by itself.
    Note,
}

impl State {
    fn at_time(from: UnixTime, until: Option<UnixTime>, at: UnixTime) -> Self {
        if at < from {
            Self::NotYetValid
        } else if until.is_some_and(|until| at <= until) {
            Self::Valid
        } else {
            // a CRL without an end proves nothing, as an expired one does
            Self::Expired
        }
    }

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
        }
    }
}

/// Looks over a trust directory.
pub(crate) fn check(trust: &Trust, at: UnixTime) -> TrustCheck {
    let statements = trust.policy.as_ref().map_or(&[][..], |policy| policy.statements());
    let certificates = anchors(trust, statements, at);
    let issuers: Vec<&Certificate> =
        trust.store.usable().flat_map(|(_, _, certificates)| certificates).collect();
    let evidence = trust.evidence.outlook(&issuers, at);
    let (crls, ocsp_answers) = (crls(&evidence, at), ocsp_answers(&evidence, at));
    let mut findings = Findings::default();
    findings.malformed(trust);
    findings.unusable(trust.evidence.unusable());
    for statement in statements {
        findings.statement(statement, trust);
    }
    findings.validity(&certificates, &evidence, statements, at);
    let mut findings = findings.0;
    findings.sort_by(|one, other| {
        (one.severity, &one.what, &one.why).cmp(&(other.severity, &other.what, &other.why))
    });
    let verdict = match findings.first().map(|finding| finding.severity) {
        _ if !trust.evidence.unusable().is_empty() => ExitCode::Usage,
        Some(Severity::Failed) => ExitCode::Failed,
        Some(Severity::Incomplete) => ExitCode::Incomplete,
        Some(Severity::Note) | None => ExitCode::Passed,
    };
    let file = trust.policy_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let keys = trust.keys.iter().map(|key| Key { id: key.id().to_owned(), kind: key.kind().to_string() });
    TrustCheck {
        schema: SCHEMA,
        at,
        verdict,
        policy: Policy {
            file,
            sha256: trust.policy_sha256.clone(),
            statements: statements.iter().map(trusting).collect(),
        },
        certificates,
        crls,
        ocsp_answers,
        keys: keys.collect(),
        findings,
    }
}

fn trusting(statement: &Statement) -> CheckedStatement {
    let actions = &statement.actions;
    let checks = [
        ("integrity", if statement.is_skip() { Action::Skip } else { Action::Enforce }),
        ("authenticity", actions.authenticity),
        ("authentic_timestamp", actions.authentic_timestamp),
        ("expiry", actions.expiry),
        ("revocation", actions.revocation),
    ];
    CheckedStatement {
        name: statement.name.clone(),
        level: statement.level.as_str(),
        enforced: checks
            .iter()
            .filter(|(_, action)| *action == Action::Enforce)
            .map(|(name, _)| *name)
            .collect(),
        scopes: statement.scopes().map(str::to_owned).collect(),
        stores: statement.trust_stores.iter().map(ToString::to_string).collect(),
        identities: match &statement.identities {
            Identities::Any => vec!["*".to_owned()],
            Identities::Subjects(patterns) => patterns.iter().map(ToString::to_string).collect(),
        },
        timestamp: match statement.verify_timestamp {
            _ if statement.stores(StoreType::Tsa).next().is_none() => "never",
            VerifyTimestamp::Always => "always",
            VerifyTimestamp::AfterCertExpiry => "after-cert-expiry",
        },
    }
}

fn anchors(trust: &Trust, statements: &[Statement], at: UnixTime) -> Vec<Anchor> {
    let mut anchors = Vec::new();
    for (store_type, name, certificates) in trust.store.usable() {
        let uses = |statement: &&Statement| statement.stores(store_type).any(|used| used == name);
        let used_by: Vec<String> =
            statements.iter().filter(uses).map(|statement| statement.name.clone()).collect();
        anchors.extend(certificates.iter().map(|certificate: &Certificate| Anchor {
            store: format!("{}:{name}", store_type.folder()),
            subject: certificate.subject().to_string(),
            sha256: certificate.sha256().hex().to_owned(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            state: State::at_time(certificate.not_before(), Some(certificate.not_after()), at),
            used_by: used_by.clone(),
        }));
    }
    anchors.sort_by(|one, other| {
        (one.not_after, &one.store, &one.sha256).cmp(&(other.not_after, &other.store, &other.sha256))
    });
    anchors
}

fn crls(evidence: &[Outlook], at: UnixTime) -> Vec<Crl> {
    let mut crls: Vec<Crl> = evidence
        .iter()
        .filter(|one| !matches!(one.kind, EvidenceKind::OcspAnswer { .. }))
        .map(|one| Crl {
            file: file_name(one),
            issuer: one.issuer.clone(),
            delta: one.kind == EvidenceKind::DeltaCrl,
            this_update: one.this_update,
            next_update: one.next_update,
            state: State::at_time(one.this_update, one.next_update, at),
        })
        .collect();
    crls.sort_by(|one, other| (one.next_update, &one.file).cmp(&(other.next_update, &other.file)));
    crls
}

/// Whether a kind of identity is meant for that of subjects, and is written otherwise.
fn is_like_subject(kind: &str) -> bool {
    let letters = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    letters(kind) == "x509subject"
}

fn ocsp_answers(evidence: &[Outlook], at: UnixTime) -> Vec<OcspAnswer> {
    let mut answers: Vec<OcspAnswer> = evidence
        .iter()
        .filter_map(|one| {
            let EvidenceKind::OcspAnswer { serial } = &one.kind else { return None };
            Some(OcspAnswer {
                file: file_name(one),
                responder: one.issuer.clone(),
                serial: serial.clone(),
                this_update: one.this_update,
                next_update: one.next_update,
                state: State::at_time(one.this_update, one.next_update, at),
            })
        })
        .collect();
    answers.sort_by(|one, other| (one.next_update, &one.file).cmp(&(other.next_update, &other.file)));
    answers
}

/// The name of a file in the folder of CRLs, or of one in a bundle.
fn file_name(evidence: &Outlook) -> String {
    evidence.file.strip_prefix("crls/").unwrap_or(&evidence.file).to_owned()
}

#[derive(Default)]
struct Findings(Vec<TrustFinding>);

impl Findings {
    fn add(
        &mut self,
        severity: Severity,
        what: impl Into<String>,
        why: impl Into<String>,
        todo: &'static str,
    ) {
        self.0.push(TrustFinding { severity, what: what.into(), why: why.into(), todo });
    }

    /// What the agent could not use.
    fn malformed(&mut self, trust: &Trust) {
        if let Err(error) = &trust.policy {
            let file = trust.policy_path.file_name().unwrap_or_default().to_string_lossy();
            self.add(
                Severity::Failed,
                file,
                error.to_string(),
                "correct the policy; every image fails until then",
            );
        }
        for warning in &trust.warnings {
            let (severity, todo) = match warning.about {
                WarningSubject::Policy => (Severity::Note, "correct the name, or remove the member"),
                WarningSubject::Store => (
                    Severity::Failed,
                    "remove what does not belong there; as it is, nothing in this store is trusted",
                ),
                // the check of a bundle names them by their kinds
                WarningSubject::Gap => continue,
                WarningSubject::Key => (Severity::Failed, "put one public key there, or remove the file"),
            };
            self.add(severity, warning.what.clone(), warning.why.clone(), todo);
        }
    }

    /// Evidence that no revocation is known for.
    fn unusable(&mut self, files: &[UnusableFile]) {
        for UnusableFile { file, error } in files {
            let why =
                format!("{error}; it may have revoked any certificate, so no certificate's status is known");
            self.add(Severity::Failed, file, why, UNUSABLE_TODO);
        }
    }

    /// What in a statement lets nothing pass, or too much.
    fn statement(&mut self, statement: &Statement, trust: &Trust) {
        let what = format!("statement {}", statement.name);
        if statement.is_skip() {
            let why = "nothing is verified for its images: the level is skip";
            return self.add(Severity::Note, what, why, "use level strict if signatures exist");
        }
        for store in &statement.trust_stores {
            if let Err(error) = trust.store.certificates(store.store_type, &store.name) {
                let why = format!("its trust store {store} {error}");
                let todo = "add a certificate with assay trust add, or take the store out of the statement";
                self.add(Severity::Failed, what.clone(), why, todo);
            }
        }
        let has = |store_type| statement.stores(store_type).next().is_some();
        if !has(StoreType::Ca) && !has(StoreType::SigningAuthority) {
            let why = "it names no store of the type ca or signingAuthority, so no signer is trusted";
            self.add(Severity::Failed, what.clone(), why, "add the signers' CA to its trust stores");
        }
        match &statement.identities {
            Identities::Any => {
                let why = "it trusts whoever its stores' CAs issue a certificate to: the identity is *";
                self.add(Severity::Note, what.clone(), why, "name the subjects that may sign");
            }
            Identities::Subjects(subjects) => self.never_matching(&what, statement, subjects),
        }
        if statement.actions.authenticity != Action::Enforce {
            let why = format!(
                "a signature of anybody passes: level {} only logs authenticity",
                statement.level.as_str()
            );
            self.add(Severity::Note, what.clone(), why, "use level strict once the signatures are in order");
        }
        if has(StoreType::Ca) && !has(StoreType::Tsa) {
            let why = "without a tsa store, signatures fail when their certificates expire";
            self.add(
                Severity::Note,
                what,
                why,
                "add the timestamping authority's root, if signatures have timestamps",
            );
        }
    }

    /// The identities that match no certificate. If there is no other, no signer is trusted.
    fn never_matching(&mut self, what: &str, statement: &Statement, subjects: &[SubjectPattern]) {
        let none_matches = subjects.iter().all(|subject| subject.never_matches().is_some());
        for (identity, why) in statement.never_matching() {
            let is_foreign = matches!(&why, NeverMatches::Kind { kind } if !is_like_subject(kind));
            let (severity, so) = match (none_matches, is_foreign) {
                (true, _) => (Severity::Failed, "; no signer is trusted"),
                (false, true) => (Severity::Note, ""),
                (false, false) => (Severity::Incomplete, ""),
            };
            let todo = "write identities as x509.subject: C=…,ST=…,O=…, with CN, OU, L, STREET, POSTALCODE and SERIALNUMBER \
                        besides, or * for a certificate whose subject has others";
            self.add(severity, what, format!("its identity {identity:?} {why}{so}"), todo);
        }
    }

    /// What is not valid at the time.
    fn validity(&mut self, anchors: &[Anchor], evidence: &[Outlook], statements: &[Statement], at: UnixTime) {
        for anchor in anchors {
            let what = format!("{} in {}", anchor.subject, anchor.store);
            if anchor.used_by.is_empty() {
                let why = "no statement uses its store, so it is not trusted";
                self.add(Severity::Note, what, why, "add the store to a statement, or remove it");
            } else if anchor.state != State::Valid {
                let why = match anchor.state {
                    State::NotYetValid => format!("is not valid before {}", anchor.not_before),
                    _ => format!("expired at {}", anchor.not_after),
                };
                let todo = "add the CA's next certificate; signatures pass only if a timestamp proves an earlier time";
                self.add(Severity::Incomplete, what, why, todo);
            }
        }
        for one in evidence {
            let has_current = || {
                let is_one_of = |other: &&Outlook| other.issuer == one.issuer && other.kind == one.kind;
                evidence.iter().filter(is_one_of).any(|other| other.standing == Standing::Current)
            };
            let issuer = &one.issuer;
            let (severity, why) = match (&one.standing, one.next_update) {
                (Standing::Current, _) => continue,
                (Standing::Superseded { .. }, Some(next)) if at <= next => continue,
                (Standing::Superseded { by }, _) => {
                    (Severity::Note, format!("has ended; {by} is newer and decides"))
                }
                (Standing::ProvesNothing(why), _) => match why {
                    Unknown::NotYetValid { this_update, .. } => {
                        let severity = if has_current() { Severity::Note } else { Severity::Incomplete };
                        (severity, format!("was issued later, at {this_update}"))
                    }
                    // of its own, and not of its delta
                    Unknown::Stale { file, next_update } if *file == one.file => {
                        let what = match &one.kind {
                            EvidenceKind::OcspAnswer { serial } => {
                                format!("the next answer about the certificate {serial} from")
                            }
                            EvidenceKind::Crl | EvidenceKind::DeltaCrl => "the next CRL of".to_owned(),
                        };
                        (Severity::Incomplete, format!("{what} {issuer} was due at {next_update}"))
                    }
                    Unknown::NoNextUpdate { .. } => (
                        Severity::Incomplete,
                        "does not say when the next is due, and proves nothing".to_owned(),
                    ),
                    // lists of another CA of that name, or about something that no certificate here may be
                    Unknown::Signature { .. } | Unknown::NotForCertificate { .. } => {
                        (Severity::Note, format!("proves nothing: {why}"))
                    }
                    _ => (Severity::Incomplete, why.to_string()),
                },
            };
            self.add(
                severity,
                &one.file,
                why,
                "fetch what is current from the issuer; until then its certificates' status may be unknown",
            );
        }
        let enforces = |statement: &&Statement| statement.actions.revocation == Action::Enforce;
        if evidence.is_empty()
            && let Some(statement) = statements.iter().find(enforces)
        {
            let what = format!("statement {}", statement.name);
            let why = "it enforces revocation, and there is no CRL here";
            let todo = "carry the CRLs that the certificates name, here or in the bundle; without them their signatures fail";
            self.add(Severity::Note, what, why, todo);
        }
    }
}

/// What to do about evidence that cannot be used.
pub(super) const UNUSABLE_TODO: &str = "fetch the file again in binary mode, make it readable, or remove it";
