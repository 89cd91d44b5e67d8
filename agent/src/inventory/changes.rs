//! Compares the listings of a store from before and after it was read, and takes back the verdicts on images that changed.
//!
//! A node that is in use pulls and removes images at any time. A verdict on an image that changed meanwhile may be true of neither
//! state, and an image that appeared was not judged at all. Neither of them passes, and the report says so.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use assay_report::{ImageId, Namespace, Reason, Status, Unreadable};
use assay_verifier::oci::Digest;

use assay_judge::judgement::Examined;
use assay_judge::store::Listing;

/// What changed between two listings.
#[derive(Debug, Default)]
pub(crate) struct Changes<'l> {
    changed: HashSet<ImageId<'l>>,
    /// Images that only the later listing has.
    pub(crate) appeared: Vec<Unreadable>,
}

impl<'l> Changes<'l> {
    /// Compares two listings of one store.
    pub(crate) fn between(before: &'l Listing, after: &Listing) -> Self {
        let (before, after) = (images(before), images(after));
        let changed = before.iter().filter(|(key, names)| after.get(*key) != Some(names));
        let appeared = after.iter().filter(|(key, _)| !before.contains_key(*key));
        let unreadable = |(id, names): (&ImageId<'_>, &BTreeSet<&str>)| Unreadable {
            what: format!(
                "{}: image {}",
                Namespace::text(id.namespace),
                names.first().unwrap_or(&id.digest.as_str())
            ),
            why: "it appeared while the store was read; run again".to_owned(),
        };
        Self { changed: changed.map(|(key, _)| *key).collect(), appeared: appeared.map(unreadable).collect() }
    }

    /// Takes back a verdict that may be due to the change: a pass, or a missing signature. Anything else that was found wrong
    /// was wrong, and the verdict stays.
    pub(crate) fn mark(&self, Examined { image, judgement, changed, .. }: &mut Examined) {
        let is_open =
            |reason: &Reason| matches!(reason, Reason::NoSignature | Reason::Unreadable | Reason::Limit);
        let may_be_due_to_it = judgement.status == Status::Passed
            || judgement.reason == Some(Reason::NoSignature) && judgement.also.iter().all(is_open);
        if self.changed.contains(&image.id()) && may_be_due_to_it {
            *changed = true;
            judgement.status = Status::Inconclusive;
            judgement.reason = Some(Reason::Unreadable);
            judgement.also.retain(|reason| *reason == Reason::Limit);
            judgement.message = Some("the image's names changed while the store was read".to_owned());
            judgement.hint = Some("run again when nothing pulls or removes images".to_owned());
        }
    }
}

/// Images with their names. A bare id does not count as a name, because Kubernetes' service adds it some time after the image.
fn images(listing: &Listing) -> BTreeMap<ImageId<'_>, BTreeSet<&str>> {
    let mut images: BTreeMap<ImageId<'_>, BTreeSet<&str>> = BTreeMap::new();
    for record in &listing.records {
        let names = images.entry(ImageId::new(record.namespace.as_ref(), &record.target)).or_default();
        if record.name.parse::<Digest>().is_err() {
            names.insert(&record.name);
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use assay_verifier::oci::Descriptor;

    use super::*;
    use assay_judge::store::Record;

    fn listing(records: &[(&str, &str)]) -> Listing {
        let record = |(name, content): &(&str, &str)| Record {
            namespace: Namespace::new("k8s.io"),
            name: (*name).to_owned(),
            target: Descriptor::new("m", Digest::sha256(content.as_bytes()), 1),
            marked: false,
        };
        Listing { records: records.iter().map(record).collect(), ..Listing::default() }
    }

    #[test]
    fn images_that_are_removed_renamed_moved_or_new_are_changes() {
        let id = Digest::sha256(b"config").to_string();
        let before =
            listing(&[("a:1", "a"), ("b:1", "b"), ("c:1", "c"), ("d:1", "d"), ("e:1", "e"), (&id, "f")]);
        let after =
            listing(&[("a:1", "a"), ("b:2", "b"), ("c:1", "new"), ("d:1", "d"), ("d:2", "d"), (&id, "a")]);
        let changes = Changes::between(&before, &after);
        let changed: BTreeSet<&Digest> = changes.changed.iter().map(|id| id.digest).collect();
        let expected = ["b", "c", "d", "e", "f"].map(|content| Digest::sha256(content.as_bytes()));
        assert_eq!(changed, expected.iter().collect());
        assert_eq!(
            changes.appeared.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(),
            ["k8s.io: image c:1"]
        );
        let same = Changes::between(&before, &before);
        assert!(same.changed.is_empty() && same.appeared.is_empty());
    }
}
