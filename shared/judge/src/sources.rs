//! Names the places that signatures are taken from: the store that has the images, and bundles.

use crate::bundle::{Bundle, Bundles};
use crate::store::Store;

/// The store that has the images, and the bundles that carry signatures for them.
#[derive(Clone, Copy)]
pub struct Sources<'s> {
    /// The store of the images, which may have signatures too.
    pub store: &'s dyn Store,
    /// The bundles, in the order in which they were given.
    pub bundles: &'s [Bundle],
}

/// Which source something is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The store of the images.
    Store,
    /// The bundle at this place in [`Sources::bundles`].
    Bundle(usize),
}

impl<'s> Sources<'s> {
    /// A store and bundles for its images.
    pub fn new(store: &'s dyn Store, bundles: &'s Bundles) -> Self {
        Self { store, bundles: &bundles.each }
    }

    /// A store without bundles.
    pub fn without_bundles(store: &'s dyn Store) -> Self {
        Self { store, bundles: &[] }
    }

    /// Every source: the store, then the bundles.
    pub(crate) fn each(self) -> impl Iterator<Item = (Origin, &'s dyn Store)> {
        let bundles = self.bundles.iter().enumerate();
        let bundles = bundles.map(|(at, bundle)| -> (_, &dyn Store) { (Origin::Bundle(at), &bundle.layout) });
        std::iter::once((Origin::Store, self.store)).chain(bundles)
    }

    pub(crate) fn get(self, origin: Origin) -> &'s dyn Store {
        match origin {
            Origin::Store => self.store,
            Origin::Bundle(at) => &self.bundles[at].layout,
        }
    }

    /// What reports call a source: `store`, or the path of the bundle.
    pub(crate) fn name(self, origin: Origin) -> String {
        match origin {
            Origin::Store => "store".to_owned(),
            Origin::Bundle(at) => self.bundles[at].path.display().to_string(),
        }
    }
}
