//! What identifies an image, for both programs.

use super::Image;
use assay_verifier::oci::{Descriptor, Digest};

/// An image of a node: one target in one namespace. Records that disagree on the size or the media type of one digest are of
/// two images, since at most one of them can be what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId<'a> {
    /// containerd's namespace; empty in a layout.
    pub namespace: &'a str,
    /// The target's digest.
    pub digest: &'a Digest,
    /// The target's media type.
    pub media_type: &'a str,
    /// The target's size in bytes.
    pub size: u64,
}

impl<'a> ImageId<'a> {
    /// The image that a target is in a namespace.
    pub fn new(namespace: &'a str, target: &'a Descriptor) -> Self {
        Self { namespace, digest: &target.digest, media_type: &target.media_type, size: target.size }
    }
}

impl Image {
    /// What identifies the image.
    pub fn id(&self) -> ImageId<'_> {
        let Self { namespace, digest, media_type, size, .. } = self;
        ImageId { namespace, digest, media_type, size: *size }
    }
}
