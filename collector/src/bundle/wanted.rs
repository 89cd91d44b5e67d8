//! Decides what a bundle carries: of references and the inventories of nodes, each image of each repository once, with its
//! names.

use std::collections::{BTreeMap, BTreeSet};

use assay_report::bundle::{Gap, GapKind};
use assay_verifier::oci::{Descriptor, Digest, Reference, ReferenceError, Repository};

use crate::inventories::NodeImages;

/// An image in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it is fetched from.
    pub repository: Repository,
    /// Which image: what a tag stands for now, or a digest.
    pub which: Which,
    /// The names that it is locked under, `repository:tag` or `repository@digest`.
    pub names: BTreeSet<String>,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    /// What the tag stands for.
    Tag(String),
    /// That digest.
    Digest(Digest),
}

/// Everything that is wanted, each image of each repository once.
#[derive(Clone, Debug, Default)]
pub(crate) struct WantList {
    images: BTreeMap<(Repository, Which), BTreeSet<String>>,
    /// What nodes say of the digests that they hold.
    targets: BTreeMap<Digest, Descriptor>,
    /// The platforms that they have of them.
    platforms: BTreeMap<Digest, BTreeSet<String>>,
    gaps: BTreeSet<Gap>,
}

/// Something that was given names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantError {
    /// An invalid reference.
    #[error("{text:?} is not a reference; give registry/repository with :tag or @digest")]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong.
        source: ReferenceError,
    },
    /// A reference without tag and digest.
    #[error("{text:?}: give a tag or a digest; nothing is added to a name here")]
    Bare {
        /// What was given.
        text: String,
    },
}

impl WantList {
    /// Adds an image by its reference.
    ///
    /// # Errors
    /// [`WantError`] if it is none, or says neither tag nor digest.
    pub(crate) fn add_reference(&mut self, text: &str) -> Result<(), WantError> {
        let reference: Reference =
            text.parse().map_err(|source| WantError::Reference { text: text.to_owned(), source })?;
        let Reference { repository, tag, digest } = reference;
        let name = match (&tag, &digest) {
            (Some(tag), _) => format!("{repository}:{tag}"),
            (None, Some(digest)) => format!("{repository}@{digest}"),
            (None, None) => return Err(WantError::Bare { text: text.to_owned() }),
        };
        let which = match (digest, tag) {
            (Some(digest), _) => Which::Digest(digest),
            (None, tag) => Which::Tag(tag.unwrap_or_default()),
        };
        self.images.entry((repository, which)).or_default().insert(name);
        Ok(())
    }

    /// Adds the references of a list, one a line; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// As [`Self::add_reference`].
    pub(crate) fn add_list(&mut self, text: &str) -> Result<(), WantError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.into_iter().try_for_each(|line| self.add_reference(line))
    }

    /// Adds every image of nodes, by the digests that they hold. What no name of a repository leads to is a gap, and so is
    /// what a node could not list.
    pub(crate) fn add_nodes(&mut self, nodes: &NodeImages) {
        for image in &nodes.images {
            let digest = &image.target.digest;
            let references: Vec<Reference> =
                image.references.iter().filter_map(|name| name.parse().ok()).collect();
            if references.is_empty() {
                let name = image.references.first().map_or(digest.as_str(), String::as_str);
                self.gap(name, "a node has it under no name of a repository");
            }
            for Reference { repository, tag, .. } in references {
                let name = match tag {
                    Some(tag) => format!("{repository}:{tag}"),
                    None => format!("{repository}@{digest}"),
                };
                self.images.entry((repository, Which::Digest(digest.clone()))).or_default().insert(name);
            }
            self.targets.insert(digest.clone(), image.target.clone());
            self.platforms.entry(digest.clone()).or_default().extend(image.platforms.iter().cloned());
        }
        for what in &nodes.unreadable {
            self.gap(what, "images may be missing for it");
        }
    }

    fn gap(&mut self, what: &str, why: &str) {
        self.gaps.insert(Gap { kind: GapKind::Image, what: what.to_owned(), why: why.to_owned() });
    }

    /// Whether nothing was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.gaps.is_empty()
    }

    /// What cannot be asked for anywhere.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// What nodes say that a digest is.
    pub(crate) fn target(&self, digest: &Digest) -> Option<&Descriptor> {
        self.targets.get(digest)
    }

    /// The platforms that nodes have of an image; none if no node says that it has any.
    pub(crate) fn platforms(&self, digest: &Digest) -> Option<&BTreeSet<String>> {
        self.platforms.get(digest).filter(|platforms| !platforms.is_empty())
    }

    /// Every image, sorted.
    pub(crate) fn images(&self) -> impl Iterator<Item = Wanted> {
        self.images.iter().map(|((repository, which), names)| Wanted {
            repository: repository.clone(),
            which: which.clone(),
            names: names.clone(),
        })
    }
}

impl Wanted {
    /// What messages call it.
    pub(crate) fn title(&self) -> &str {
        self.names.first().map_or(self.repository.as_str(), String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventories::NodeImage;

    #[test]
    fn references_say_what_is_wanted() {
        let digest = Digest::sha256(b"");
        let mut list = WantList::default();
        list.add_list(&format!(
            "# ours\n\n r.example/app:v1 \nr.example/app:v1@{digest}\nr.example/app@{digest}\n"
        ))
        .unwrap();
        let images: Vec<Wanted> = list.images().collect();
        assert_eq!(images.len(), 2);
        assert_eq!(images[1].names.len(), 2, "two names of one digest");
        for text in ["app:v1", "r.example/app", "r.example/app:v 1", ""] {
            assert!(list.add_reference(text).is_err(), "{text}");
        }
    }

    #[test]
    fn many_nodes_hold_one_image() {
        let image = |references: &[&str]| NodeImage {
            target: Descriptor::new("m", Digest::sha256(b""), 0),
            references: references.iter().map(|&name| name.to_owned()).collect(),
            nodes: BTreeSet::new(),
            platforms: BTreeSet::new(),
        };
        let by_digest = format!("r.example/app@{}", Digest::sha256(b""));
        let mut nodes = NodeImages::default();
        nodes.images.push(image(&["r.example/app:v1", &by_digest]));
        nodes.images.push(image(&["r.example/app:v2", "r.example/mirror/app:v1"]));
        let mut list = WantList::default();
        list.add_nodes(&nodes);
        assert_eq!((list.images().count(), list.gaps().count()), (2, 0));
        assert_eq!(list.images().next().unwrap().names.len(), 3);
        nodes.images.push(image(&[Digest::sha256(b"").as_str()]));
        nodes.unreadable.push("node-1: a namespace".to_owned());
        list.add_nodes(&nodes);
        assert_eq!(list.gaps().count(), 2);
    }
}
