//! Judges images by their signatures.
//!
//! For each repository that an image has a name in, a signature of the image must meet the repository's statement, unless the
//! operator accepts that of an index that lists the image, or those of the manifests that the image lists. One bad image never stops
//! the run.

use std::collections::{BTreeMap, BTreeSet};

use assay_report::words::count;
use assay_report::{Reason, Signature, Status, Via};
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::notary::trust_policy::{PolicyError, Statement, TrustPolicy};
use assay_verifier::notary::verify::{SignatureVerdict, Verifier};
use assay_verifier::oci::{Descriptor, Digest, Manifest, Reference, Repository};
use assay_verifier::outcome::{Conclusion, Finding, Step};
use assay_verifier::time::UnixTime;

use crate::bundle::Lock;
use crate::image::{Image, ImageTarget, is_attestation};
use crate::judgement::{Judged, Judgement, SignatureRow, SignatureRows};
use crate::parallel;
use crate::signatures::{Candidate, OtherReferrer, Signatures};
use crate::sources::Sources;
use crate::store::{BlobError, docker, fetch};
use crate::trust::Trust;

/// Media types of uncompressed layers.
const UNCOMPRESSED: [&str; 2] =
    ["application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"];

/// How many repositories without a statement are named in a message.
const NAMED: usize = 5;

/// What images are judged by.
pub struct Judge<'a> {
    pub trust: &'a Trust,
    pub at: UnixTime,
    pub accept: &'a BTreeSet<Via>,
    pub lock: &'a Lock,
    pub sources: Sources<'a>,
    pub signatures: &'a Signatures,
}

impl Judge<'_> {
    /// Judges images on `jobs` threads and keeps their order.
    pub fn judge_all(&self, images: Vec<Image>, jobs: usize) -> Vec<Judged> {
        parallel::map(jobs, images, || (), |(), image| Judged { judgement: self.judge(&image), image })
    }

    /// Judges an image by its signatures, without its content. If only a container names the image, its signatures do not matter.
    fn judge(&self, image: &Image) -> Judgement {
        let ImageTarget::Recorded(target) = &image.target else {
            let mut judgement = Judgement::failed(
                Reason::InUseUnlisted,
                "a container runs this image, and the store has no record of it",
            );
            judgement.hint = Some("pull the image again by this digest, or replace the container".into());
            return judgement;
        };
        let policy = match &self.trust.policy {
            Ok(policy) => policy,
            Err(error) => {
                let mut judgement =
                    Judgement::failed(Reason::Policy, format!("the trust policy is invalid: {error}"));
                judgement.hint =
                    Some("correct the trust policy; assay trust check names what is wrong".into());
                return self.as_locked(image, target, judgement);
            }
        };
        let statements = match statements(policy, &image.references) {
            Ok(statements) => statements,
            Err(uncovered) => {
                let mut judgement = Judgement::failed(Reason::Policy, uncovered.to_string());
                judgement.hint = Some(uncovered.hint());
                return self.as_locked(image, target, judgement);
            }
        };
        let names = statements.iter().map(|statement| statement.name.as_str()).collect::<Vec<_>>().join(",");
        let judged: Vec<&Statement> =
            statements.into_iter().filter(|statement| !statement.is_skip()).collect();
        let mut judgement = if judged.is_empty() {
            Judgement::skipped("the trust policy says level skip")
        } else {
            let judgement = self.by_signatures(image, target, &judged);
            let judgement = match self.signatures.damage(target) {
                Some((reason, message)) => judgement.led_by(Judgement::failed(reason, message)),
                None => judgement,
            };
            self.as_locked(image, target, judgement)
        };
        judgement.policy = Some(names);
        judgement
    }

    /// Judges an image that must pass under all of `statements`.
    fn by_signatures(&self, image: &Image, target: &Descriptor, statements: &[&Statement]) -> Judgement {
        let mut own = self.under_all(target, statements);
        // an accepted signature of something else does not make up for a failed one of the image
        if own.reason != Some(Reason::NoSignature) {
            return own;
        }
        own.hint = Some(self.hint(image, target));
        for via in self.accept {
            let other = match via {
                Via::ParentIndex => self.by_parent(target, statements),
                Via::PlatformManifest => self.by_platforms(image, target, statements),
            };
            match other {
                Some(other) if other.status == Status::Passed => {
                    return Judgement { via: Some(*via), ..other };
                }
                Some(other) => own = own.with_substitute(other),
                None => {}
            }
        }
        own
    }

    /// An image fails if a bundle locks one of its names to another digest, even if it is signed: an old image with a good
    /// signature must not stand in for a new one.
    fn as_locked(&self, image: &Image, target: &Descriptor, judgement: Judgement) -> Judgement {
        let lists_target = |digest: &Digest| {
            self.accept.contains(&Via::ParentIndex)
                && self.signatures.parents_of(target).iter().any(|parent| parent.digest == *digest)
        };
        let is_right = |digest: &Digest| *digest == target.digest || lists_target(digest);
        let Some((name, locked)) = self.lock.broken(&image.references, is_right) else { return judgement };
        let message = format!("{name} is locked to {locked} and is {} here", target.digest);
        let mut wrong = Judgement::failed(Reason::WrongDigest, message);
        wrong.hint =
            Some("pull the image that the bundle was made for, or make a bundle for this one".into());
        if judgement.reason == Some(Reason::Policy) { judgement.and(wrong) } else { judgement.led_by(wrong) }
    }

    /// The worst of the verdicts under each statement, with what is wrong under the others. All signatures are listed.
    fn under_all(&self, target: &Descriptor, statements: &[&Statement]) -> Judgement {
        let candidates = self.signatures.candidates(target);
        let mut signatures = SignatureRows::default();
        let mut reached = 0;
        let mut worst: Option<Judgement> = None;
        for statement in statements {
            let (mut judgement, tried) = self.under(target, candidates, statement, &mut signatures);
            // name the statement that is not met; a missing signature is missing under all of them
            if statements.len() > 1 && !matches!(judgement.reason, None | Some(Reason::NoSignature)) {
                judgement = judgement.about(format!("under the statement {}", statement.name));
            }
            reached = reached.max(tried);
            worst = Some(match worst {
                Some(worst) => worst.and(judgement),
                None => judgement,
            });
        }
        let mut unreached = candidates.iter().skip(reached);
        if let Some(statement) = statements.first() {
            while signatures.has_room()
                && let Some(candidate) = unreached.next()
            {
                signatures.push(self.unreached(candidate, statement));
            }
            signatures.omitted += unreached.len();
        }
        let mut worst = worst
            .unwrap_or_else(|| Judgement::failed(Reason::Policy, "no statement of the trust policy applies"));
        worst.signatures = signatures;
        worst
    }

    /// Tries the signatures in order until one passes. Also gives how many were tried.
    fn under(
        &self,
        target: &Descriptor,
        candidates: &[Candidate],
        statement: &Statement,
        signatures: &mut SignatureRows,
    ) -> (Judgement, usize) {
        let mut tried: Vec<Tried<'_>> = Vec::new();
        for candidate in candidates.iter().take(limits::SIGNATURES_PER_IMAGE) {
            let verdict = self.signature(candidate, target, statement);
            let passed = verdict.conclusion == Conclusion::Passed;
            tried.push(Tried {
                digest: &candidate.digest,
                conclusion: verdict.conclusion.clone(),
                finding: verdict.finding().cloned(),
            });
            signatures.push(self.report(candidate, Some(&statement.name), verdict));
            if passed {
                return (Judgement::passed(), tried.len());
            }
        }
        (self.without_a_pass(candidates, &tried), tried.len())
    }

    /// The judgement if none of the first signatures passes.
    fn without_a_pass(&self, candidates: &[Candidate], tried: &[Tried<'_>]) -> Judgement {
        if let Some(unreadable) = tried.iter().find(|one| one.conclusion == Conclusion::Unreadable) {
            let message = format!("the signature {}: {}", unreadable.digest, unreadable.message());
            return Judgement::inconclusive(Reason::Unreadable, message);
        }
        if candidates.len() > limits::SIGNATURES_PER_IMAGE {
            let message = format!(
                "none of the first {} of {} passes, and no more are tried",
                limits::SIGNATURES_PER_IMAGE,
                count(candidates.len(), "signature")
            );
            return Judgement::failed(Reason::Limit, message);
        }
        let Some(furthest) = tried.iter().rev().max_by_key(|one| one.conclusion.step()) else {
            return self.none_found();
        };
        let among = match tried.len() {
            1 => String::new(),
            many => format!(
                "none of {} passes; the one that came furthest, {}: ",
                count(many, "signature"),
                furthest.digest
            ),
        };
        let step = furthest.conclusion.step().unwrap_or(Step::Integrity);
        let mut judgement = Judgement::failed(step.into(), format!("{among}{}", furthest.message()));
        if let Conclusion::Failed { also, .. } = &furthest.conclusion {
            judgement.also.extend(also.iter().copied().map(Reason::from));
        }
        judgement.hint = furthest.finding.as_ref().map(|finding| match step {
            Step::AuthenticTimestamp => finding.code.what_to_do_about_timestamp(),
            _ => finding.code.what_to_do().to_owned(),
        });
        judgement
    }

    /// The judgement if no signature was found. If something could not be read, a signature may be there.
    fn none_found(&self) -> Judgement {
        match self.signatures.unreadable.first() {
            None => Judgement::failed(Reason::NoSignature, "no signature is associated with the image"),
            Some(unreadable) => {
                let message = format!(
                    "no signature was found, and not everything could be read: {}: {}",
                    unreadable.what, unreadable.why
                );
                Judgement::inconclusive(Reason::Unreadable, message)
            }
        }
    }

    /// Verifies one signature.
    fn signature(
        &self,
        candidate: &Candidate,
        target: &Descriptor,
        statement: &Statement,
    ) -> SignatureVerdict {
        let envelope = match &candidate.envelope {
            Ok(envelope) => envelope,
            Err(flaw) => return SignatureVerdict::unfetched(statement, flaw.code, flaw.message.clone()),
        };
        let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
        let bytes =
            match fetch(self.sources.get(candidate.origin), candidate.namespace.as_ref(), envelope, limit) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let message = format!("the envelope {} {error}", envelope.digest);
                    let code = match error {
                        BlobError::Unreadable { .. } => {
                            return SignatureVerdict::unreadable(statement, message);
                        }
                        BlobError::Absent => Code::EnvelopeMissing,
                        BlobError::TooLarge { .. } => Code::EnvelopeTooLarge,
                        BlobError::Mismatch { .. } => Code::EnvelopeAltered,
                    };
                    return SignatureVerdict::unfetched(statement, code, message);
                }
            };
        let Trust { store, evidence, .. } = self.trust;
        let verifier = Verifier { trust_store: store, evidence, at: self.at };
        verifier.verify(&envelope.media_type, &bytes, target, statement)
    }

    /// The judgement of the first signed index that lists the image and passes, or else of the first signed index that lists it;
    /// none if there is not one. The listing was found in bytes that match the digest of the index.
    fn by_parent(&self, target: &Descriptor, statements: &[&Statement]) -> Option<Judgement> {
        let mut first = None;
        for parent in self.signatures.parents_of(target).into_iter().filter(|parent| self.is_signed(parent)) {
            let mut judgement = self.under_all(parent, statements);
            if judgement.status == Status::Passed {
                judgement.message =
                    Some(format!("the index {}, which lists the image, is signed", parent.digest));
                return Some(judgement);
            }
            first.get_or_insert(
                judgement.about(format!("the index {}, which lists the image", parent.digest)),
            );
        }
        first
    }

    /// The judgement of the manifests that the image, an index, lists and the store has. All must pass; otherwise it is the worst
    /// of them. None if the store has none of them.
    fn by_platforms(
        &self,
        image: &Image,
        target: &Descriptor,
        statements: &[&Statement],
    ) -> Option<Judgement> {
        let store = self.sources.store;
        let is_there = |entry: &&Descriptor| {
            !is_attestation(entry) && store.has(image.namespace.as_ref(), &entry.digest)
        };
        let mut signatures = SignatureRows::default();
        let mut worst: Option<Judgement> = None;
        let mut count = 0_usize;
        for manifest in self.signatures.listed_by(target).iter().filter(is_there) {
            let mut judgement = self.under_all(manifest, statements);
            signatures.append(std::mem::take(&mut judgement.signatures));
            count += 1;
            if worst.as_ref().is_none_or(|worst| judgement.status > worst.status) {
                worst = Some(judgement.about(format!("the platform manifest {}", manifest.digest)));
            }
        }
        let mut worst = worst?;
        if worst.status == Status::Passed {
            worst.message = Some(format!("all platform manifests that may run here are signed ({count})"));
            worst.signatures = signatures;
        }
        Some(worst)
    }

    fn is_signed(&self, descriptor: &Descriptor) -> bool {
        !self.signatures.candidates(descriptor).is_empty()
    }

    /// What to do about an image without a signature.
    fn hint(&self, image: &Image, target: &Descriptor) -> String {
        let hint = self.hint_of(image, target);
        if image.namespace.as_ref().is_some_and(|namespace| namespace.as_str() == docker::NAMESPACE) {
            return format!(
                "{hint}; the image belongs to Docker's own store (namespace {}), not to Kubernetes: --namespace k8s.io \
                 leaves it out",
                docker::NAMESPACE
            );
        }
        hint
    }

    fn hint_of(&self, image: &Image, target: &Descriptor) -> String {
        let parents = self.signatures.parents_of(target);
        if let Some(parent) = parents.into_iter().find(|parent| self.is_signed(parent)) {
            return format!(
                "the index {}, which lists the image, has a signature: --accept parent-index judges the image by it",
                parent.digest
            );
        }
        let listed = self.signatures.listed_by(target);
        let signed = listed.iter().filter(|entry| self.is_signed(entry)).count();
        if signed > 0 {
            return format!(
                "of {} that the image lists, {signed} {} signed: --accept platform-manifest judges the image by those in the \
                 store",
                count(listed.len(), "manifest"),
                if signed == 1 { "is" } else { "are" }
            );
        }
        if self.signatures.misses(target) {
            return "there is a signature for the image's digest that names another media type or size: have the image \
                    signed again"
                .to_owned();
        }
        let todo = "carry the image's signature in a bundle (--signatures), or have the image signed";
        match self.signatures.other_referrer(target) {
            None if self.is_made_anew(image, target) => {
                "the image's layers are not compressed, as after docker save and an import of its archive: the import made a new \
                 manifest with a new digest, while signatures name the digest in the registry. Pull the image, or \
                 import an OCI archive of it (skopeo copy docker://NAME oci-archive:FILE), and carry its signature in a \
                 bundle (--signatures)"
                    .to_owned()
            }
            None => todo.to_owned(),
            Some(OtherReferrer::Signature(kind)) => {
                format!(
                    "a signature of another kind is there ({kind}), not one of the Notary Project: {todo} with notation"
                )
            }
            Some(OtherReferrer::Artifact(kind)) => {
                format!(
                    "what is attached to the image ({kind}) is not a signature of the Notary Project: {todo}"
                )
            }
        }
    }

    /// Whether the image's manifest was made by the writer or reader of an archive. The older format of docker save has no manifest,
    /// so containerd makes one when it imports the archive; for the newer format Docker makes one. Neither compresses layers, while
    /// every client that pushes to a registry does.
    fn is_made_anew(&self, image: &Image, target: &Descriptor) -> bool {
        let bytes = fetch(self.sources.store, image.namespace.as_ref(), target, limits::MANIFEST_BYTES);
        let manifest = bytes.ok().and_then(|bytes| Manifest::parse(&bytes).ok());
        manifest.is_some_and(|manifest| {
            manifest.layers.iter().any(|layer| UNCOMPRESSED.contains(&layer.media_type.as_str()))
        })
    }

    fn unreached(&self, candidate: &Candidate, statement: &Statement) -> SignatureRow {
        self.report(candidate, None, SignatureVerdict::not_run(statement))
    }

    fn report(
        &self,
        candidate: &Candidate,
        statement: Option<&str>,
        verdict: SignatureVerdict,
    ) -> SignatureRow {
        let media_type = candidate.envelope.as_ref().ok().map(|envelope| envelope.media_type.clone());
        let source = self.sources.name(candidate.origin);
        let policy = statement.map(str::to_owned);
        let signature = Signature::new(candidate.digest.clone(), source, media_type, policy, verdict);
        SignatureRow { origin: candidate.origin, signature }
    }
}

/// How one of the signatures that were tried came out.
struct Tried<'c> {
    digest: &'c Digest,
    conclusion: Conclusion,
    finding: Option<Finding>,
}

impl Tried<'_> {
    fn message(&self) -> &str {
        self.finding.as_ref().map_or("does not pass", |finding| &finding.message)
    }
}

/// The statements that an image must pass under: one for each repository that it has a name in. A bare id does not count as a
/// name. A name without a repository falls under the statement with scope `*`.
fn statements<'p>(policy: &'p TrustPolicy, references: &[String]) -> Result<Vec<&'p Statement>, Uncovered> {
    let mut repositories: BTreeSet<Option<Repository>> = references
        .iter()
        .filter(|name| name.parse::<Digest>().is_err())
        .map(|name| name.parse::<Reference>().ok().map(|reference| reference.repository))
        .collect();
    if repositories.is_empty() {
        repositories.insert(None);
    }
    let mut statements = BTreeMap::new();
    let mut errors = Vec::new();
    for repository in &repositories {
        match policy.statement_for(repository.as_ref()) {
            Ok(statement) => _ = statements.insert(statement.name.as_str(), statement),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(statements.into_values().collect())
    } else {
        Err(Uncovered { errors, others: !statements.is_empty() })
    }
}

/// Repositories of an image that no statement applies to.
#[derive(Debug, PartialEq, Eq)]
struct Uncovered {
    /// One for each.
    errors: Vec<PolicyError>,
    /// Whether a statement applies to another name of the image.
    others: bool,
}

impl std::fmt::Display for Uncovered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<String> = self.errors.iter().take(NAMED).map(ToString::to_string).collect();
        write!(formatter, "{}", shown.join("; "))?;
        match self.errors.len() - shown.len() {
            0 => Ok(()),
            more => write!(formatter, "; nor to {more} more of the image's repositories"),
        }
    }
}

impl Uncovered {
    fn hint(&self) -> String {
        let mut hint =
            "add a statement to the trust policy whose registryScopes name the repository, or are *"
                .to_owned();
        if self.others {
            hint.push_str(
                "; statements apply to the image's other names, so it is enough to remove the name without a statement (ctr \
                 images remove NAME)",
            );
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy of statements, each with a scope.
    fn policy_of(statements: &[(&str, &str)]) -> TrustPolicy {
        let statement = |(name, scope): &(&str, &str)| {
            format!(
                r#"{{"name":"{name}","registryScopes":["{scope}"],"signatureVerification":{{"level":"strict"}},
                "trustStores":["ca:acme"],"trustedIdentities":["*"]}}"#
            )
        };
        let statements: Vec<String> = statements.iter().map(statement).collect();
        let text = format!(r#"{{"version":"1.0","trustPolicies":[{}]}}"#, statements.join(","));
        TrustPolicy::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn finds_one_statement_for_each_repository() {
        let policy = policy_of(&[("app", "r.example/app"), ("any", "*")]);
        let id = Digest::sha256(b"").to_string();
        for (references, expected) in [
            (&["r.example/app:v1", "r.example/app:v2"][..], &["app"][..]),
            (&["r.example/app:v1", &id], &["app"]),
            (&["r.example/app:v1", "r.example/other:v1"], &["any", "app"]),
            (&["r.example/app:v1", "v1"], &["any", "app"]),
            (&[&id], &["any"]),
            (&[], &["any"]),
        ] {
            let references: Vec<String> = references.iter().map(|&name| name.to_owned()).collect();
            let names: Vec<&str> =
                statements(&policy, &references).unwrap().iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, expected, "{references:?}");
        }
    }

    #[test]
    fn names_each_repository_without_a_statement() {
        let document = policy_of(&[("app", "r.example/app")]);
        let names = |of: &[&str]| -> Vec<String> { of.iter().map(|&name| name.to_owned()).collect() };
        let uncovered = |references| statements(&document, &names(references)).unwrap_err();
        let some = uncovered(&["r.example/app:v1", "r.example/b:v1", "r.example/a:v1"]);
        assert_eq!((some.errors.len(), some.others), (2, true));
        let none = uncovered(&["r.example/other:v1"]);
        assert_eq!((none.errors.len(), none.others), (1, false));
        assert!(some.to_string().contains("r.example/a; ") && some.hint().len() > none.hint().len());
        let many: Vec<String> = (0..9).map(|at| format!("r.example/n{at}:v1")).collect();
        assert!(statements(&document, &many).unwrap_err().to_string().contains("4 more"));
    }
}
