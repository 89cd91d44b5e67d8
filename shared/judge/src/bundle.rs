//! Opens bundles: layouts that signatures are taken from, with the lock and the CRLs that `bundle.json` adds.
//!
//! A bundle is refused before anything is judged if it was not finished, if its files are not those that its document lists, or if
//! the trust directory names keys and none of them signed it. A layout that another tool wrote has no document, so it has no lock
//! and nothing to check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use assay_report::bundle::{BundleManifest, CarriedLayerFiles, FileError, PAYLOAD_TYPE};
use assay_report::document::DocumentError;
use assay_verifier::dsse::{DsseEnvelope, DsseError, VerifyError, VerifyingKey};
use assay_verifier::oci::Digest;
use assay_verifier::revocation::RevocationEvidence;

use crate::store::layout::{Beside, Layout, LayoutError, Reading};
use crate::trust::{Trust, TrustWarning, WarningSubject};

/// A bundle that may be used.
pub struct Bundle {
    pub(crate) path: PathBuf,
    pub layout: Layout,
    pub(crate) manifest: Option<BundleManifest>,
    crls: Vec<(String, Result<Vec<u8>, String>)>,
}

impl Bundle {
    /// Opens a bundle and checks it as a whole. If there are `keys`, one of them must have signed it.
    ///
    /// # Errors
    /// [`BundleFault`] if it must not be used.
    pub(crate) fn open(path: &Path, keys: Option<&[VerifyingKey]>) -> Result<Self, BundleFault> {
        let at = |problem| BundleFault { path: path.to_owned(), problem };
        let layout = Layout::open(path, Reading::Everything)?;
        let Beside { document, signature, crls } = layout.beside()?;
        if let Some(keys) = keys {
            check_signature(document.as_deref(), signature.as_deref(), keys).map_err(at)?;
        }
        let manifest = match document {
            None => None,
            Some(document) => {
                let manifest =
                    BundleManifest::parse(&document).map_err(|error| at(BundleProblem::Document(error)))?;
                if !manifest.is_usable() {
                    return Err(at(BundleProblem::Partial));
                }
                manifest.check_files(layout.files()?).map_err(|error| at(BundleProblem::File(error)))?;
                Some(manifest)
            }
        };
        Ok(Self { path: path.to_owned(), layout, manifest, crls })
    }

    /// Adds the bundle's CRLs to the evidence, including those that cannot be used.
    pub(crate) fn add_evidence(&self, evidence: &mut RevocationEvidence, warnings: &mut Vec<TrustWarning>) {
        for (file, bytes) in &self.crls {
            let name = self.name_of(file);
            match bytes {
                // the evidence keeps what is wrong with the file
                Ok(bytes) => drop(evidence.add_file(&name, bytes)),
                Err(why) => evidence.add_unreadable(&name, why),
            }
        }
        for gap in self.manifest.iter().flat_map(|manifest| &manifest.gaps) {
            let what = format_args!("{}: {}", self.path.display(), gap.what);
            WarningSubject::Gap.warn(warnings, what, format_args!("was not carried: {}", gap.why));
        }
    }
}

/// Adds the CRLs of bundles to the evidence before the bundles travel; nothing else in them is looked at. If a bundle
/// has another fault, its user reports it.
///
/// # Errors
/// [`BundleFault`] with the first that is not a layout.
pub fn add_evidence(paths: &[PathBuf], evidence: &mut RevocationEvidence) -> Result<(), BundleFault> {
    for path in paths {
        let layout = Layout::open(path, Reading::Manifests)?;
        let Beside { document, crls, .. } = layout.beside()?;
        let manifest = document.and_then(|document| BundleManifest::parse(&document).ok());
        let bundle = Bundle { path: path.clone(), layout, manifest, crls };
        bundle.add_evidence(evidence, &mut Vec::new());
    }
    Ok(())
}

impl Bundle {
    /// Its path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lists of layers' files that its document names.
    pub fn layer_files(&self) -> &[CarriedLayerFiles] {
        self.manifest.as_ref().map_or(&[], |manifest| &manifest.layer_files)
    }

    /// What people know a CRL by: the bundle, and the URL that the CRL was fetched from, if the bundle says so. In the bundle its
    /// name is a hash.
    fn name_of(&self, file: &str) -> String {
        let bundle = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        let mut carried = self.manifest.iter().flat_map(|manifest| &manifest.crls);
        let url = carried.find(|crl| crl.file == file).map(|crl| crl.url.as_str());
        format!("{bundle}: {}", url.unwrap_or(file))
    }
}

/// All the bundles of a run.
pub struct Bundles {
    pub each: Vec<Bundle>,
    pub lock: Lock,
}

impl Bundles {
    /// Opens bundles, in the order given, and adds the CRLs in them to the evidence of `trust`.
    ///
    /// # Errors
    /// [`BundleFault`] if one must not be used.
    pub fn open(paths: &[PathBuf], trust: &mut Trust) -> Result<Self, BundleFault> {
        let keys = trust.names_keys.then_some(&trust.keys[..]);
        let each = paths.iter().map(|path| Bundle::open(path, keys)).collect::<Result<Vec<_>, _>>()?;
        for bundle in &each {
            bundle.add_evidence(&mut trust.evidence, &mut trust.warnings);
        }
        let lock = Lock::new(&each);
        Ok(Self { each, lock })
    }

    /// The path of each bundle with its document; none if another tool made the bundle.
    pub fn documents(&self) -> impl Iterator<Item = (&Path, Option<&BundleManifest>)> {
        self.each.iter().map(|bundle| (bundle.path.as_path(), bundle.manifest.as_ref()))
    }
}

/// Checks that a key of the site signed exactly this document.
fn check_signature(
    document: Option<&[u8]>,
    signature: Option<&[u8]>,
    keys: &[VerifyingKey],
) -> Result<(), BundleProblem> {
    let document = document.ok_or(BundleProblem::NoDocument)?;
    let envelope = DsseEnvelope::parse(signature.ok_or(BundleProblem::NoSignature)?)?;
    if envelope.verify(PAYLOAD_TYPE, keys)?.payload == document {
        Ok(())
    } else {
        Err(BundleProblem::OtherDocument)
    }
}

/// The digests that names must stand for: the locks of all bundles together.
#[derive(Debug, Default)]
pub struct Lock {
    digests: BTreeMap<String, BTreeSet<Digest>>,
}

impl Lock {
    pub(crate) fn new(bundles: &[Bundle]) -> Self {
        let mut lock = Self::default();
        for image in bundles.iter().filter_map(|bundle| bundle.manifest.as_ref()).flat_map(|one| &one.images)
        {
            lock.digests.entry(image.reference.clone()).or_default().insert(image.digest.clone());
        }
        lock
    }

    /// The first of `references` that is locked to digests of which `is_right` accepts none, and one of those digests. A name that
    /// several bundles or nodes knew for different images may stand for each of them.
    pub(crate) fn broken<'a>(
        &'a self,
        references: &'a [String],
        is_right: impl Fn(&Digest) -> bool,
    ) -> Option<(&'a str, &'a Digest)> {
        references.iter().find_map(|reference| {
            let digests = self.digests.get(reference)?;
            let first = digests.first()?;
            (!digests.iter().any(&is_right)).then_some((reference.as_str(), first))
        })
    }
}

/// Why a bundle must not be used.
#[derive(Debug, thiserror::Error)]
#[error("bundle {}", path.display())]
pub struct BundleFault {
    /// The bundle.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub(crate) problem: BundleProblem,
}

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BundleProblem {
    /// It is not a layout that can be read.
    #[error(transparent)]
    Layout(crate::store::layout::LayoutProblem),
    /// Its `bundle.json` cannot be used.
    #[error("its bundle.json cannot be used; have the bundle sent or made again")]
    Document(#[source] DocumentError),
    /// It was not finished.
    #[error("is partial, because the command that made it did not finish; run assay bundle create again")]
    Partial,
    /// Its files are not those that it lists.
    #[error("its files are not those that it lists; have the bundle sent again")]
    File(#[source] FileError),
    /// The trust directory names keys, and it has no document that could be signed.
    #[error(
        "it has no bundle.json that one of the trust directory's keys could have signed; make it with assay bundle create"
    )]
    NoDocument,
    /// The trust directory names keys, and it is not signed.
    #[error(
        "it is not signed by one of the trust directory's keys, because bundle.json.dsse is missing; have it signed (assay \
         bundle create --site-key)"
    )]
    NoSignature,
    /// Its signature cannot be read.
    #[error("its signature in bundle.json.dsse cannot be read; have the bundle sent again")]
    Envelope(#[from] DsseError),
    /// Its signature is not valid.
    #[error(
        "its signature in bundle.json.dsse is not valid; find out who changed it, and have it made again"
    )]
    Signature(#[from] VerifyError),
    /// The signature is over another document.
    #[error("its bundle.json.dsse signs another bundle.json; have the bundle sent again")]
    OtherDocument,
}

impl From<LayoutError> for BundleFault {
    fn from(LayoutError { path, problem }: LayoutError) -> Self {
        Self { path, problem: BundleProblem::Layout(problem) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_what_any_bundle_says() {
        let [old, new, other] = [b"1", b"2", b"3"].map(|bytes| Digest::sha256(bytes));
        let mut lock = Lock::default();
        lock.digests.insert("r/app:v1".into(), [old.clone(), new].into());
        let names = ["r/unknown:v1".to_owned(), "r/app:v1".to_owned()];
        assert!(lock.broken(&names, |digest| *digest == old).is_none());
        assert_eq!(lock.broken(&names, |digest| *digest == other).unwrap().0, "r/app:v1");
        assert!(lock.broken(&names[..1], |_| false).is_none());
    }
}
