//! Reads nameConstraints of a CA's certificate. RFC 5280 section 4.2.1.10.

use alloc::vec::Vec;

use der::{Decode as _, DecodeValue, Sequence};

use super::general_name::GeneralName;
use crate::asn1::{SequenceOf, Tlv};

/// The subtrees of a nameConstraints extension.
pub(super) struct NameConstraints<'a> {
    pub(super) permitted: Vec<GeneralName<'a>>,
    pub(super) excluded: Vec<GeneralName<'a>>,
    /// Whether a subtree has a minimum or maximum, which RFC 5280 leaves unused
    pub(super) has_distances: bool,
}

#[derive(DecodeValue)]
struct NameConstraintsDer<'a> {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    permitted: Option<SequenceOf<'a>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    excluded: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for NameConstraintsDer<'a> {}

#[derive(DecodeValue)]
struct GeneralSubtree<'a> {
    base: Tlv<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    minimum: Option<u64>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    maximum: Option<u64>,
}

impl<'a> Sequence<'a> for GeneralSubtree<'a> {}

impl<'a> NameConstraints<'a> {
    /// Reads the extension's value; `None` if the reference refuses it.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let lists = NameConstraintsDer::from_der(value).ok()?;
        let mut has_distances = false;
        let mut bases = |list: Option<SequenceOf<'a>>| -> Option<Vec<GeneralName<'a>>> {
            let mut bases = Vec::new();
            for subtree in list.iter().flat_map(SequenceOf::iter::<GeneralSubtree<'_>>) {
                let subtree = subtree.ok()?;
                let base = GeneralName::read(subtree.base).filter(|base| base.is_constraint())?;
                has_distances |= subtree.minimum.unwrap_or(0) > 0 || subtree.maximum.is_some();
                bases.push(base);
            }
            Some(bases)
        };
        let (permitted, excluded) = (bases(lists.permitted)?, bases(lists.excluded)?);
        let is_empty = permitted.is_empty() && excluded.is_empty();
        (!is_empty).then_some(Self { permitted, excluded, has_distances })
    }

    /// The bases of all subtrees.
    pub(super) fn bases(&self) -> impl Iterator<Item = GeneralName<'a>> {
        self.permitted.iter().chain(&self.excluded).copied()
    }
}
