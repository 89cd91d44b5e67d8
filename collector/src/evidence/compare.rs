//! Compares the verdict that a report gives an image with the one that its raw inputs give.

use assay_report::{Image, List, Reason, Signature, Status};

use crate::report::words;

/// How a reported verdict and the one from the raw inputs compare.
pub(super) enum Comparison {
    /// They agree.
    Confirmed,
    /// The verdict rests on what only the agent saw.
    Claimed,
    /// The raw inputs of the verdict are not all there, and why.
    Unsupported(String),
    /// They differ, and how.
    Contradicted(String),
}

/// Compares two verdicts. `tells_all` means that the report names everything that is wrong, `is_cut` that it had no room for
/// everything that it was to carry.
pub(super) fn compare(
    reported: &Image,
    again: Option<&Image>,
    (tells_all, is_cut): (bool, bool),
) -> Comparison {
    // content findings and containers without a record can only downgrade a verdict, so a pass or a skip never rests on the
    // agent's word alone
    let by_agent = matches!(
        (reported.status, reported.reason),
        (Status::Failed, Some(Reason::ContentMismatch | Reason::RootfsMismatch | Reason::InUseUnlisted))
            | (Status::Inconclusive, Some(Reason::Unreadable | Reason::Limit))
    );
    let untold = again.filter(|_| tells_all).and_then(|again| untold(reported, again));
    if by_agent && untold.is_none() {
        return Comparison::Claimed;
    }
    let Some(again) = again else {
        return Comparison::Contradicted("the report gives no name to judge it by".into());
    };
    // another statement of the policy may apply to a name that is left out
    if reported.omitted.count(List::References) > 0 {
        return Comparison::Unsupported("not all of its names are in the report".into());
    }
    let same = |one: &Image, other: &Image| {
        (one.status, one.reason, one.via, &one.policy)
            == (other.status, other.reason, other.via, &other.policy)
    };
    if same(reported, again) && untold.is_none() {
        return compare_signatures(reported, again, is_cut);
    }
    let contradiction = format!(
        "it is reported as {}, but from the raw inputs it is {}{}",
        verdict_with_codes(reported, None),
        verdict_with_codes(again, untold),
        again.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    );
    let from_store = reported.signatures.iter().any(|signature| signature.source == "store");
    if from_store && is_cut {
        return Comparison::Unsupported(format!(
            "{contradiction}; the node's report had no room for everything that its verdict rests on"
        ));
    }
    if from_store && again.reasons().contains(&Reason::NoSignature) {
        return Comparison::Unsupported(format!(
            "{contradiction}; its signatures are only in the node's store: run with --evidence to have them carried"
        ));
    }
    Comparison::Contradicted(contradiction)
}

/// What is wrong with an image by its raw inputs although its report does not say so. A report of an agent that could not read
/// or judge everything need not say it.
fn untold(reported: &Image, again: &Image) -> Option<Reason> {
    let is_open = |reason: &Reason| matches!(reason, Reason::Unreadable | Reason::Limit);
    let told = reported.reasons();
    let unjudged = matches!(reported.status, Status::Passed | Status::Skipped)
        || told.iter().any(is_open)
        || told.contains(&Reason::InUseUnlisted);
    again.reasons().into_iter().find(|reason| !unjudged && !is_open(reason) && !told.contains(reason))
}

/// Compares what a report says of each signature that was tried. Messages may change from one version to the next, facts may
/// not.
fn compare_signatures(reported: &Image, again: &Image, is_cut: bool) -> Comparison {
    let is_tried = |signature: &&Signature| signature.policy.is_some();
    let has_no_row = again.omitted.count(List::Signatures) > 0;
    let again = &again.signatures;
    for one in reported.signatures.iter().filter(is_tried) {
        let mut tried = again.iter().filter(|other| other.digest == one.digest).filter(is_tried).peekable();
        if tried.peek().is_none() && (has_no_row || again.iter().any(|other| other.digest == one.digest)) {
            return Comparison::Unsupported(format!(
                "the signature {} was not tried again, because another one passes before it",
                one.digest
            ));
        }
        if is_cut && tried.peek().is_none() {
            return Comparison::Unsupported(format!(
                "the node's report had no room for the signature {}",
                one.digest
            ));
        }
        if !tried.any(|other| same_facts(one, other)) {
            return Comparison::Contradicted(format!(
                "the signature {} is not what the report says of it",
                one.digest
            ));
        }
    }
    Comparison::Confirmed
}

/// Whether the same facts are known of a signature, wherever it was found. What is left out of the report is not compared.
fn same_facts(reported: &Signature, again: &Signature) -> bool {
    let facts = |signature: &Signature| {
        let Signature { policy, status, reason, signer, signing_time, timestamp, checks, target, .. } =
            signature.clone();
        let checks = checks.named().map(|(_, check)| (check.result, check.action));
        ((policy, status, reason, signer), (signing_time, timestamp), (checks, target.result))
    };
    let whole = |signature: &Signature| {
        let Signature { chain, user_metadata, omitted, .. } = signature;
        (
            omitted.count(List::Chain).saturating_add(chain.len() as u64),
            omitted.count(List::UserMetadata).saturating_add(user_metadata.len() as u64),
        )
    };
    facts(reported) == facts(again)
        && again.chain.starts_with(&reported.chain)
        && reported.user_metadata.iter().all(|(name, value)| again.user_metadata.get(name) == Some(value))
        && whole(reported) == whole(again)
}

fn verdict_with_codes(image: &Image, also: Option<Reason>) -> String {
    let status = words::status(image.status);
    let also = also.filter(|also| Some(*also) != image.reason);
    let codes: Vec<&str> = image.reason.into_iter().chain(also).map(Reason::as_str).collect();
    if codes.is_empty() { status.to_owned() } else { format!("{status} ({})", codes.join(", ")) }
}
