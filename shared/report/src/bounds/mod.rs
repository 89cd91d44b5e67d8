//! Keeps reports within the bounds that their readers have: [`NodeReport::fit`] and [`Inventory::fit`] before a report is
//! written, [`NodeReport::bound`] and [`Inventory::bound`] after it was read.
//!
//! What a report says comes from images, signatures, containers and stores, and each of them may be hostile: texts of
//! megabytes, terminal escapes, lists without end. Texts are cleaned and cut. Lists are cut, and [`Omitted`] says how much is
//! missing. If the whole is still too large, detail goes in a fixed order: first from the largest parts, so that one
//! monstrous image costs only its own detail; then carried blobs, the largest first; then from smaller parts; last rows of
//! images, those that passed first. A list that decides a verdict keeps its worst entry, so nothing that is left out makes
//! anything pass.
//!
//! Bounding a report that fits does not change it: what an agent writes is what the collector keeps.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::Serialize;

use crate::asked::Asked;
use crate::clean;
use crate::coverage::{Companion, Contradiction, Coverage, CrossCheck, Enumerated, Unlisted, Unreadable};
use crate::custody::{Custody, CustodyLink, CustodyStep};
use crate::drift::{CoveringMount, Drift, DriftFinding};
use crate::image::{ContainerUse, Content, Image, Mismatch, Rootfs, RootfsFinding};
use crate::inventory::{Inventory, InventoryImage};
use crate::namespace::Namespace;
use crate::node::{
    Agent, BundleInput, CarriedBlob, CrlInput, Inputs, Node, NodeReport, Run, TrustPolicyInput,
    TrustedCertificate,
};
use crate::omitted::{List, Omitted};
use crate::signature::{ChainCertificate, Check, Checks, Signature, Target, Timestamp};
use crate::verdict::{Reason, Status, Summary};
use assay_verifier::limits;

/// Counts the values of a JSON text, whatever its strings hold, without reading it as JSON: each value but the first stands
/// behind a comma or in a list or object of its own. An empty list counts twice.
#[derive(Clone, Copy, Debug, Default)]
struct Values {
    count: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Values {
    fn count(bytes: &[u8]) -> usize {
        let mut values = Self { count: 1, ..Self::default() };
        for byte in bytes {
            match (values.in_string, *byte) {
                (true, _) if values.is_escaped => values.is_escaped = false,
                (true, b'\\') => values.is_escaped = true,
                (_, b'"') => values.in_string = !values.in_string,
                (false, b',' | b'[' | b'{') => values.count = values.count.saturating_add(1),
                _ => {}
            }
        }
        values.count
    }
}

/// Whether a report of these bytes is within the bounds: told from the bytes alone, before anything is made of them.
///
/// # Errors
/// [`TooLarge`]
pub fn check_size(bytes: &[u8]) -> Result<(), TooLarge> {
    if bytes.len() > limits::REPORT_BYTES {
        Err(TooLarge::Bytes)
    } else if Values::count(bytes) > limits::REPORT_VALUES {
        Err(TooLarge::Values)
    } else {
        Ok(())
    }
}

/// A report is past a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// [`limits::REPORT_BYTES`]
    #[error("more than {} bytes", limits::REPORT_BYTES)]
    Bytes,
    /// [`limits::REPORT_VALUES`]
    #[error("more than {} values", limits::REPORT_VALUES)]
    Values,
}

impl NodeReport {
    /// Cleans every text and cuts every list that is too long. Of images that only differed in what was cleaned or cut, one
    /// row stays: the worst.
    pub fn bound(&mut self) {
        self.bound_head();
        let Self { inputs, coverage, images, carried, .. } = self;
        inputs.bound();
        coverage.bound(FULL);
        images.iter_mut().for_each(|image| Bound::bound(image, FULL));
        carried.iter_mut().for_each(|blob| blob.media_type.bound(FULL));
        self.drop_carried(limits::CARRIED_BYTES);
        self.merge_images();
    }

    /// [`NodeReport::bound`], and drops detail until the report is within [`check_size`].
    pub fn fit(&mut self) {
        self.bound();
        self.fit_into(limits::REPORT_BYTES, limits::REPORT_VALUES);
    }

    fn fit_into(&mut self, bytes: usize, values: usize) {
        let bound = Size { bytes, values };
        for most in LARGE_PARTS {
            if !self.size().is_within(bound) {
                self.shorten(most);
            }
        }
        let size = self.size();
        if !size.is_within(bound) {
            let rest = size.bytes.saturating_sub(self.carried_size().bytes);
            // base64 makes four letters of three bytes, and each blob has its names
            let room = bytes.saturating_sub(rest).saturating_mul(5).checked_div(8).unwrap_or(0);
            self.drop_carried(if size.values > values { 0 } else { room });
        }
        for most in SMALL_PARTS {
            if !self.size().is_within(bound) {
                self.shorten(most);
            }
        }
        let size = self.size();
        if !size.is_within(bound) {
            let before = self.images.len();
            let rest = size.minus(sizes(&self.images));
            keep_what_fits(&mut self.images, bound.minus(rest), |image| Reverse(image.status));
            self.omit_images(before);
        }
    }

    fn bound_head(&mut self) {
        let Self {
            schema,
            run,
            agent,
            node,
            asked,
            inputs: _,
            coverage: _,
            images: _,
            summary: _,
            carried: _,
            omitted: _,
        } = self;
        schema.bound(FULL);
        if let Some(asked) = asked {
            let Asked {
                nonce,
                accept: _,
                content: _,
                images,
                namespaces,
                evidence: _,
                at: _,
                rootfs: _,
                drift: _,
            } = asked;
            nonce.bound(FULL);
            for names in [images, namespaces] {
                let mut list: Vec<String> = core::mem::take(names).into_iter().take(FULL.entries).collect();
                list.bound(FULL);
                names.extend(list);
            }
        }
        let Run { id, started: _, finished: _, verified_at: _ } = run;
        id.bound(FULL);
        let Agent { version, target, sha256 } = agent;
        version.bound(FULL);
        target.bound(FULL);
        sha256.bound(FULL);
        node.bound(FULL);
    }

    /// Leaves at most one row of images that are called the same.
    fn merge_images(&mut self) {
        let mut same: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, image) in self.images.iter().enumerate() {
            same.entry(image.id()).or_default().push(at);
        }
        let before = self.images.len();
        if same.len() < before {
            let mut kept = BTreeSet::new();
            for places in same.into_values().collect::<Vec<_>>() {
                kept.extend(self.merge(&places));
            }
            retain(&mut self.images, &kept);
            self.omitted.add(List::Images, before.saturating_sub(self.images.len()));
            self.summary = Summary::count(self.images.iter().map(|image| image.status));
        }
    }

    /// The worst of the rows at these places, once it says what is wrong with the others too: no waiver excuses less.
    fn merge(&mut self, places: &[usize]) -> Option<usize> {
        let rows = || places.iter().filter_map(|at| Some((*at, self.images.get(*at)?)));
        // the first of equals
        let (worst, _) = rows().max_by_key(|(at, image)| (image.status, Reverse(*at)))?;
        if places.len() > 1 {
            let reasons: BTreeSet<Reason> = rows().flat_map(|(_, image)| image.reasons()).collect();
            let image = self.images.get_mut(worst)?;
            image.also = reasons.into_iter().filter(|reason| Some(*reason) != image.reason).collect();
        }
        Some(worst)
    }

    /// Notes that rows of images were dropped, which leaves the report incomplete.
    fn omit_images(&mut self, before: usize) {
        let dropped = before.saturating_sub(self.images.len());
        self.omitted.add(List::Images, dropped);
        self.coverage.note_images(dropped);
        self.summary = Summary::count(self.images.iter().map(|image| image.status));
    }

    /// Keeps carried blobs of at most that many bytes together, the smallest first: a real envelope has some 10 KiB.
    fn drop_carried(&mut self, bytes: usize) {
        let mut left = bytes;
        let mut by_size: Vec<(usize, usize)> =
            self.carried.iter().enumerate().map(|(at, blob)| (blob.data.len(), at)).collect();
        by_size.sort_unstable();
        let fits = |(size, at): (usize, usize)| {
            left = left.checked_sub(size)?;
            Some(at)
        };
        let kept: BTreeSet<usize> = by_size.into_iter().map_while(fits).collect();
        let dropped = self.carried.len().saturating_sub(kept.len());
        if dropped > 0 {
            retain(&mut self.carried, &kept);
            self.omitted.add(List::Carried, dropped);
        }
    }

    fn shorten(&mut self, most: usize) {
        self.inputs.shorten(most.max(LEAST_OF_ALL_IMAGES));
        self.coverage.shorten(most.max(LEAST_OF_ALL_IMAGES));
        self.images.iter_mut().for_each(|image| image.shorten(most));
        self.merge_images();
    }

    fn size(&self) -> Size {
        let Self { schema, run, agent, node, asked, inputs, coverage, images, summary, carried: _, omitted } =
            self;
        [
            Size::measure(&(schema, run, agent, node, asked)),
            Size::measure(&(inputs, coverage, summary, omitted)),
            sizes(images),
            self.carried_size(),
            NAMES,
        ]
        .into_iter()
        .fold(Size::default(), Size::plus)
    }

    fn carried_size(&self) -> Size {
        let size = |blob: &CarriedBlob| {
            let CarriedBlob { digest, media_type, data } = blob;
            let base64 = data.len().div_ceil(3).saturating_mul(4);
            Size::measure(&(digest, media_type)).plus(Size { bytes: base64, values: 1 }).plus(NAMES)
        };
        self.carried.iter().map(size).fold(Size::default(), Size::plus)
    }
}

impl Inventory {
    /// Cleans every text and cuts every list that is too long.
    pub fn bound(&mut self) {
        let Self { schema, node, store, coverage, images } = self;
        schema.bound(FULL);
        store.bound(FULL);
        node.bound(FULL);
        coverage.bound(FULL);
        images.iter_mut().for_each(|image| Bound::bound(image, FULL));
    }

    /// [`Inventory::bound`], and drops detail until the inventory is within [`check_size`].
    pub fn fit(&mut self) {
        self.bound();
        let bound = Size { bytes: limits::REPORT_BYTES, values: limits::REPORT_VALUES };
        for most in LARGE_PARTS.into_iter().chain(SMALL_PARTS) {
            if !self.size().is_within(bound) {
                self.coverage.shorten(most.max(LEAST_OF_ALL_IMAGES));
                self.images.iter_mut().for_each(|image| image.shorten(most));
            }
        }
        let size = self.size();
        if !size.is_within(bound) {
            let before = self.images.len();
            let rest = size.minus(sizes(&self.images));
            keep_what_fits(&mut self.images, bound.minus(rest), |_| ());
            self.coverage.note_images(before.saturating_sub(self.images.len()));
        }
    }

    fn size(&self) -> Size {
        let Self { schema, node, store, coverage, images } = self;
        Size::measure(&(schema, node, store, coverage)).plus(sizes(images)).plus(NAMES)
    }
}

impl Inputs {
    /// Cleans every text and cuts every list that is too long, as in a report.
    pub fn bound(&mut self) {
        Bound::bound(self, FULL);
    }
}

impl Image {
    /// Cleans every text and cuts every list that is too long, as in a report.
    pub fn bound(&mut self) {
        Bound::bound(self, FULL);
    }
}

impl Coverage {
    /// Notes that images have no row.
    fn note_images(&mut self, dropped: usize) {
        let entry = Unreadable {
            what: "images".into(),
            why: format!(
                "{dropped} of them have no row, since a report has at most {} bytes and {} values",
                limits::REPORT_BYTES,
                limits::REPORT_VALUES
            ),
        };
        self.unreadable.push(entry.clone());
        self.unreadable.sort();
        keep(&mut self.unreadable, FULL.entries, |one| *one != entry, &mut self.omitted, List::Unreadable);
    }
}

/// How much a part of a report may say.
#[derive(Clone, Copy, Debug)]
struct Detail {
    /// Letters of one text.
    text: usize,
    /// Entries of one list.
    entries: usize,
    /// Rows of signatures of one image.
    signatures: usize,
    /// Certificates and notes of one signature.
    facts: usize,
    /// Which chains of custody.
    chains: Chains,
}

/// Which chains of custody a part of a report has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chains {
    All,
    /// Those that have a link that is not proven.
    NotWhole,
    None,
}

const FULL: Detail = Detail {
    text: limits::REPORT_TEXT_LETTERS,
    entries: limits::REPORT_ENTRIES,
    signatures: limits::REPORT_SIGNATURES,
    facts: limits::REPORT_ENTRIES,
    chains: Chains::All,
};

/// What is left of a part that is too large, step by step. Texts are what others compare, so they are cut last.
const SHORTER: [Detail; 6] = [
    // a chain says again what the image says
    Detail { chains: Chains::NotWhole, ..FULL },
    Detail { entries: 100, signatures: 100, facts: 100, chains: Chains::NotWhole, ..FULL },
    Detail { entries: 10, signatures: 10, facts: 10, chains: Chains::NotWhole, ..FULL },
    Detail { entries: 3, signatures: 3, facts: 3, chains: Chains::NotWhole, ..FULL },
    Detail { entries: 1, signatures: 1, facts: 0, chains: Chains::NotWhole, ..FULL },
    Detail { text: 128, entries: 1, signatures: 0, facts: 0, chains: Chains::None },
];

/// Bytes that a part may have where the whole is too large, step by step: first what no ordinary image has…
const LARGE_PARTS: [usize; 4] = [1 << 20, 256 << 10, 64 << 10, 16 << 10];
/// … then what an image with a signature or two has.
const SMALL_PARTS: [usize; 3] = [4 << 10, 2 << 10, 1 << 10];

/// Bytes that the parts which are about all images keep.
const LEAST_OF_ALL_IMAGES: usize = 16 << 10;

/// What the names of a report's own members take at most.
const NAMES: Size = Size { bytes: 512, values: 16 };

/// How large a part is as JSON.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    bytes: usize,
    values: usize,
}

impl Size {
    fn measure(part: &impl Serialize) -> Self {
        // reports are structs of text, numbers and lists, which can always be written
        let Ok(json) = serde_json::to_vec(part) else {
            return Self { bytes: usize::MAX, values: usize::MAX };
        };
        // two of these in a row are written with an escape, lest a CI system take them for a command
        let pairs = json.windows(2).filter(|pair| matches!(*pair, [b'#', b'#'] | [b':', b':'])).count();
        let bytes = json.len().saturating_add(pairs.saturating_mul(br"\u0023".len()));
        Self { bytes, values: Values::count(&json) }
    }

    fn plus(self, other: Self) -> Self {
        let bytes = self.bytes.saturating_add(other.bytes);
        Self { bytes, values: self.values.saturating_add(other.values) }
    }

    fn minus(self, other: Self) -> Self {
        let bytes = self.bytes.saturating_sub(other.bytes);
        Self { bytes, values: self.values.saturating_sub(other.values) }
    }

    fn is_within(self, bound: Self) -> bool {
        self.bytes <= bound.bytes && self.values <= bound.values
    }
}

/// The size of a list of parts, commas included.
fn sizes(parts: &[impl Serialize]) -> Size {
    let comma = Size { bytes: 1, values: 1 };
    parts.iter().map(|part| Size::measure(part).plus(comma)).fold(Size::default(), Size::plus)
}

/// Keeps the entries at these places.
fn retain<T>(entries: &mut Vec<T>, places: &BTreeSet<usize>) {
    let mut at = 0_usize;
    entries.retain(|_| {
        let is_kept = places.contains(&at);
        at = at.saturating_add(1);
        is_kept
    });
}

/// Keeps at most `most` entries in their order, those of the least `rank` before others, and counts the rest.
fn keep<T, K: Ord>(
    entries: &mut Vec<T>,
    most: usize,
    rank: impl Fn(&T) -> K,
    omitted: &mut Omitted,
    list: List,
) {
    if let Some(more) = entries.len().checked_sub(most).filter(|more| *more > 0) {
        let mut order: Vec<(K, usize)> =
            entries.iter().enumerate().map(|(at, entry)| (rank(entry), at)).collect();
        order.sort_unstable();
        retain(entries, &order.into_iter().take(most).map(|(_, at)| at).collect());
        omitted.add(list, more);
    }
}

/// Keeps as many entries in their order as have room, those of the least `rank` before others.
fn keep_what_fits<T: Serialize, K: Ord>(entries: &mut Vec<T>, room: Size, rank: impl Fn(&T) -> K) {
    let mut order: Vec<(K, usize, Size)> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| (rank(entry), at, sizes(core::slice::from_ref(entry))))
        .collect();
    order.sort_unstable_by(|(one, at, _), (other, place, _)| (one, at).cmp(&(other, place)));
    let mut taken = Size::default();
    let fits = |(_, at, size): (K, usize, Size)| {
        taken = taken.plus(size);
        taken.is_within(room).then_some(at)
    };
    let kept = order.into_iter().map_while(fits).collect();
    retain(entries, &kept);
}

/// A part of a report that can be brought within bounds. Each names all its members, so that a new one is not forgotten.
trait Bound {
    /// Cleans every text and cuts every list.
    fn bound(&mut self, detail: Detail);

    /// Takes detail away until the part has at most `most` bytes, or nothing more can be taken.
    fn shorten(&mut self, most: usize)
    where
        Self: Serialize + Sized,
    {
        for detail in SHORTER {
            if Size::measure(self).bytes <= most {
                break;
            }
            self.bound(detail);
        }
    }
}

impl Bound for String {
    fn bound(&mut self, detail: Detail) {
        if let Some(changed) = clean::changed(self, detail.text, true) {
            *self = changed;
        }
    }
}

impl Bound for Namespace {
    fn bound(&mut self, detail: Detail) {
        // clean text is not empty if the text was not
        let changed = clean::changed(self.as_str(), detail.text, true);
        if let Some(changed) = changed.and_then(|name| Self::new(&name)) {
            *self = changed;
        }
    }
}

impl<T: Bound> Bound for Option<T> {
    fn bound(&mut self, detail: Detail) {
        if let Some(part) = self {
            part.bound(detail);
        }
    }
}

impl<T: Bound> Bound for Vec<T> {
    fn bound(&mut self, detail: Detail) {
        self.iter_mut().for_each(|part| part.bound(detail));
    }
}

/// Cuts a list of which every entry counts the same.
fn cut<T: Bound>(entries: &mut Vec<T>, most: usize, detail: Detail, omitted: &mut Omitted, list: List) {
    omitted.add(list, entries.len().saturating_sub(most));
    entries.truncate(most);
    entries.bound(detail);
}

impl Bound for Image {
    fn bound(&mut self, detail: Detail) {
        let Self {
            namespace,
            references,
            digest: _,
            media_type,
            size: _,
            platforms,
            in_use,
            status: _,
            reason: _,
            also,
            message,
            hint,
            via: _,
            policy,
            signatures,
            content,
            rootfs,
            omitted,
        } = self;
        namespace.bound(detail);
        cut(references, detail.entries, detail, omitted, List::References);
        media_type.bound(detail);
        cut(platforms, detail.entries, detail, omitted, List::Platforms);
        bound_containers(in_use, detail, omitted);
        also.truncate(Reason::ALL.len());
        message.bound(detail);
        hint.bound(detail);
        policy.bound(detail);
        // a verdict rests on those that pass
        let rank = |one: &Signature| one.status != Status::Passed;
        keep(signatures, detail.signatures, rank, omitted, List::Signatures);
        signatures.bound(detail);
        let Content { mode: _, checked: _, bytes: _, absent: _, mismatched } = content;
        cut(mismatched, detail.entries, detail, omitted, List::Mismatched);
        if let Some(Rootfs {
            snapshots: _,
            lists: _,
            differing,
            result: _,
            why,
            files: _,
            times: _,
            findings,
        }) = rootfs
        {
            cut(differing, detail.entries, detail, omitted, List::Differing);
            why.bound(detail);
            findings.truncate(differing.len());
            findings.bound(detail);
        }
    }
}

impl Bound for Drift {
    fn bound(&mut self, detail: Detail) {
        let Self {
            result: _,
            code,
            why,
            running: _,
            added: _,
            changed: _,
            deleted: _,
            findings,
            more,
            mounts,
            more_mounts,
        } = self;
        code.bound(detail);
        why.bound(detail);
        let most = detail.entries.min(limits::DRIFT_FINDINGS);
        *more = more.saturating_add(truncate(findings, most));
        findings.bound(detail);
        *more_mounts = more_mounts.saturating_add(truncate(mounts, most));
        mounts.bound(detail);
    }
}

/// Cuts a list, and says how many entries that left out.
fn truncate<T>(entries: &mut Vec<T>, most: usize) -> u64 {
    let left_out = entries.len().saturating_sub(most);
    entries.truncate(most);
    u64::try_from(left_out).unwrap_or(u64::MAX)
}

impl Bound for InventoryImage {
    fn bound(&mut self, detail: Detail) {
        let Self {
            namespace,
            references,
            digest: _,
            media_type,
            size: _,
            platforms,
            content_size: _,
            in_use,
            omitted,
        } = self;
        namespace.bound(detail);
        cut(references, detail.entries, detail, omitted, List::References);
        media_type.bound(detail);
        cut(platforms, detail.entries, detail, omitted, List::Platforms);
        bound_containers(in_use, detail, omitted);
    }
}

/// Leaves out chains of custody and cuts the list of containers: those go first whose chain is whole and that did not drift, and those
/// whose chain is broken last.
fn bound_containers(containers: &mut Vec<ContainerUse>, detail: Detail, omitted: &mut Omitted) {
    let worst_first = |container: &ContainerUse| {
        let first = container.custody.as_ref().and_then(Custody::first_broken);
        let has_drifted = container.drift.as_ref().is_some_and(Drift::is_worth_telling);
        (Reverse(first.map(|link| link.state)), Reverse(has_drifted))
    };
    keep(containers, detail.entries, worst_first, omitted, List::InUse);
    let is_left_out = |custody: &Custody| match detail.chains {
        Chains::All => false,
        Chains::NotWhole => custody.is_whole(),
        Chains::None => true,
    };
    let chains =
        containers.iter_mut().filter_map(|container| container.custody.take_if(|one| is_left_out(one)));
    omitted.add(List::Custody, chains.count());
    containers.bound(detail);
}

impl Bound for Custody {
    fn bound(&mut self, detail: Detail) {
        let Self { links, broken: _ } = self;
        links.truncate(CustodyStep::ALL.len());
        links.bound(detail);
    }
}

impl Bound for Signature {
    fn bound(&mut self, detail: Detail) {
        let Self {
            digest: _,
            source,
            envelope,
            policy,
            status: _,
            reason: _,
            signer,
            chain,
            signing_time: _,
            timestamp,
            user_metadata,
            checks,
            target,
            omitted,
        } = self;
        source.bound(detail);
        envelope.bound(detail);
        policy.bound(detail);
        signer.bound(detail);
        cut(chain, detail.facts, detail, omitted, List::Chain);
        if let Some(Timestamp { time: _, accuracy: _, tsa }) = timestamp {
            tsa.bound(detail);
        }
        let notes = user_metadata.len();
        let clean = |(mut name, mut value): (String, String)| {
            name.bound(detail);
            value.bound(detail);
            (name, value)
        };
        *user_metadata = core::mem::take(user_metadata).into_iter().take(detail.facts).map(clean).collect();
        omitted.add(List::UserMetadata, notes.saturating_sub(user_metadata.len()));
        let Checks { integrity, authenticity, authentic_timestamp, expiry, revocation } = checks;
        for check in [integrity, authenticity, authentic_timestamp, expiry, revocation] {
            let Check { result: _, action: _, code, message } = check;
            code.bound(detail);
            message.bound(detail);
        }
        let Target { result: _, code, message } = target;
        code.bound(detail);
        message.bound(detail);
    }
}

impl Bound for Inputs {
    fn bound(&mut self, detail: Detail) {
        let Self { store, trust_policy, trust_store, bundles, crls, unusable_evidence, warnings, omitted } =
            self;
        store.bound(detail);
        let TrustPolicyInput { sha256 } = trust_policy;
        sha256.bound(detail);
        cut(trust_store, detail.entries, detail, omitted, List::TrustStore);
        // those that were given, each of which the collector looks for
        for BundleInput { sha256, signatures: _ } in bundles {
            sha256.bound(detail);
        }
        cut(crls, detail.entries, detail, omitted, List::Crls);
        cut(unusable_evidence, detail.entries, detail, omitted, List::UnusableEvidence);
        cut(warnings, detail.entries, detail, omitted, List::Warnings);
    }
}

impl Bound for Coverage {
    fn bound(&mut self, detail: Detail) {
        let Self {
            namespaces,
            images: _,
            containers: _,
            unlisted,
            companions,
            unreadable,
            enumerated,
            cross_check,
            omitted,
        } = self;
        cut(namespaces, detail.entries, detail, omitted, List::Namespaces);
        // what fails before what is only noted
        let is_note = |one: &Unlisted| !one.is_container();
        keep(unlisted, detail.entries, is_note, omitted, List::Unlisted);
        unlisted.bound(detail);
        cut(companions, detail.entries, detail, omitted, List::Companions);
        cut(unreadable, detail.entries, detail, omitted, List::Unreadable);
        cut(enumerated, detail.entries, detail, omitted, List::Enumerated);
        let CrossCheck { checked, findings } = cross_check;
        checked.bound(detail);
        keep(findings, detail.entries, |one: &Contradiction| one.effect, omitted, List::Findings);
        findings.bound(detail);
    }
}

/// Implements [`Bound`] for what has nothing but texts, and members that need no bound.
macro_rules! texts {
    ($($part:ident { $($text:ident),* $(; $($other:ident),*)? })*) => {$(
        impl Bound for $part {
            fn bound(&mut self, detail: Detail) {
                let Self { $($text,)* $($($other: _,)*)? } = self;
                $($text.bound(detail);)*
            }
        }
    )*};
}

texts! {
    Companion { namespace, name, kind; digest, subject }
    ChainCertificate { subject, sha256; not_after }
    ContainerUse { pod, pod_namespace, container, id, drift, custody }
    Contradiction { code, namespace, id, message; effect }
    CoveringMount { destination, source, mount_type, hides; class }
    CustodyLink { subject, evidence; step, state }
    CrlInput { issuer, sha256; this_update, next_update }
    DriftFinding { path, before, after; class, kind, size, sha256 }
    Enumerated { namespace; records, containers, snapshots, content }
    Mismatch { media_type, found; digest }
    Node { hostname, machine_id, os, architecture, containerd }
    RootfsFinding { path, snapshot, before, after; kind, layer }
    TrustedCertificate { store_type, name, subject, sha256; not_after }
    Unlisted { namespace, kind, id, name }
    Unreadable { what, why }
}

#[cfg(test)]
mod tests;
