//! Fetches what a bundle carries of images: index and platform manifests, parents, the signatures of each, and the CRLs that
//! those will demand; the lists of its layers' files if they are asked for, for which layers are read and not kept.
//!
//! Whatever claims to be a signature is carried, and judged where it is used; only whose CRLs are worth a request is asked
//! here ([`Demand`]). What cannot be fetched is a [`Gap`], for any reason, unless a registry says
//! that it does not have something that it never promised. What becomes of a bundle with gaps stands at [`Completeness`](assay_report::bundle::Completeness).

use std::sync::{Arc, Mutex};

use assay_judge::graph::Walk;
use assay_report::bundle::{GapKind, LockedImage};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Repository};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::carrier::{Carrier, FetchEvent, lock};
use super::crls;
use super::demand::Trusting;
use super::layer_files::{ImageManifest, LISTING};
use super::signatures::ReferrerBudget;
use super::staging::{BundleContent, Staging, StagingError};
use super::wanted::{WantList, Wanted, Which};
use crate::errors::with_sources;
use crate::registry::{Fetched, Registries, RegistryError};

/// What is fetched, and how.
#[derive(Debug)]
pub(crate) struct FetchPlan {
    /// The images.
    pub wanted: WantList,
    /// Whether CRLs are fetched too.
    pub crls: bool,
    /// Whose CRLs are fetched: those of signatures that are trusted under it, or else a few of each.
    pub trusting: Option<Trusting>,
    /// Whether the lists of layers' files are carried.
    pub layer_files: bool,
    /// How many images at once.
    pub concurrency: usize,
}

/// Fetches everything into `staging`.
///
/// # Errors
/// [`StagingError`] if it cannot be written. What cannot be fetched is in the content's gaps.
pub(crate) async fn fetch(
    plan: FetchPlan,
    registries: Arc<Registries>,
    staging: Arc<Staging>,
    events: UnboundedSender<FetchEvent>,
) -> Result<BundleContent, StagingError> {
    let FetchPlan { wanted, crls, trusting, layer_files, concurrency } = plan;
    let wanted = Arc::new(wanted);
    let carrier = Arc::new(Carrier {
        registries,
        staging,
        events,
        wanted: Arc::clone(&wanted),
        crls,
        trusting,
        listing: Semaphore::new(LISTING),
        listed: Mutex::default(),
        content: Mutex::default(),
        urls: Mutex::default(),
    });
    wanted.gaps().for_each(|gap| carrier.gap(gap.kind, &gap.what, gap.why.clone()));
    let mut waiting = wanted.images();
    let mut running = JoinSet::new();
    loop {
        while running.len() < concurrency.max(1)
            && let Some(image) = waiting.next()
        {
            let carrier = Arc::clone(&carrier);
            running.spawn(async move { carrier.image(&image, layer_files).await });
        }
        match running.join_next().await {
            None => break,
            Some(Ok(done)) => done?,
            // it did not end by itself, and what it was to carry is not there
            Some(Err(error)) => carrier.gap(GapKind::Image, "an image", with_sources(&error)),
        }
    }
    let urls = std::mem::take(&mut *lock(&carrier.urls));
    crls::fetch_crls(&carrier, urls, concurrency).await?;
    // every task is done, and this is the only holder
    let content = std::mem::take(&mut *lock(&carrier.content));
    Ok(content)
}

impl Carrier {
    async fn image(&self, wanted: &Wanted, layer_files: bool) -> Result<(), StagingError> {
        let root = match self.root(wanted).await {
            Ok(root) => root,
            Err(error) => {
                self.gap(GapKind::Image, wanted.title(), with_sources(&error));
                return Ok(());
            }
        };
        self.keep(&root.descriptor.digest, &root.bytes)?;
        for name in &wanted.names {
            let mut entry = root.descriptor.clone();
            entry.annotations.insert(REF_NAME.to_owned(), name.clone());
            self.content().entries.push(entry);
        }
        let mut subjects = vec![root.descriptor.clone()];
        let mut manifests = self.children(wanted, &root).await?;
        subjects.extend(manifests.iter().map(|child| child.fetched.descriptor.clone()));
        subjects.extend(self.parent(wanted, &root).await?);
        let mut signatures = 0;
        let mut budget = ReferrerBudget::default();
        for subject in &subjects {
            signatures += self.signatures(wanted, subject, &mut budget).await?;
        }
        let locked = wanted.names.iter().map(|name| LockedImage {
            reference: name.clone(),
            digest: root.descriptor.digest.clone(),
            media_type: root.descriptor.media_type.clone(),
            size: root.descriptor.size,
            signatures: signatures as u64,
        });
        self.content().images.extend(locked);
        if layer_files {
            let entry = root.descriptor.clone();
            let digest = entry.digest.clone();
            manifests.push(ImageManifest { fetched: root, entry });
            self.layer_files(wanted, &digest, &manifests).await?;
        }
        self.say(FetchEvent::Image { name: wanted.title().to_owned(), signatures });
        Ok(())
    }

    /// The image itself.
    async fn root(&self, wanted: &Wanted) -> Result<Fetched, RegistryError> {
        match &wanted.which {
            Which::Tag(tag) => self.registries.resolve(&wanted.repository, tag).await,
            Which::Digest(digest) => {
                let expected = self.wanted.target(digest);
                self.manifest(&wanted.repository, digest, expected).await
            }
        }
    }

    /// A manifest, from an earlier run if that left it and its type is known.
    async fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
        expected: Option<&Descriptor>,
    ) -> Result<Fetched, RegistryError> {
        if let Some(expected) = expected
            && let Some(bytes) = self.staging.blob(digest)
            && bytes.len() as u64 == expected.size
            && let Ok(manifest) = Manifest::parse(&bytes)
        {
            let descriptor = Descriptor::new(&expected.media_type, digest.clone(), expected.size);
            return Ok(Fetched { descriptor, bytes, manifest });
        }
        self.registries.manifest(repository, digest, expected).await
    }

    /// Every manifest that an index leads to and the registry has. Registries may hold some platforms of an index only.
    async fn children(&self, wanted: &Wanted, root: &Fetched) -> Result<Vec<ImageManifest>, StagingError> {
        let mut found = Vec::new();
        let mut walk = Walk::within(limits::FETCHED_MANIFESTS);
        let manifests = |index: &Manifest| {
            let is_manifest = |one: &&Descriptor| ManifestKind::from_media_type(&one.media_type).is_some();
            index.manifests.iter().filter(is_manifest).cloned().collect::<Vec<_>>()
        };
        let mut within = walk.follow(1, manifests(&root.manifest));
        while within.is_ok()
            && let Some((child, depth)) = walk.take_next()
        {
            match walk.visit(child.digest.clone()) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(limit) => {
                    within = Err(limit);
                    break;
                }
            }
            match self.manifest(&wanted.repository, &child.digest, Some(&child)).await {
                Ok(fetched) => {
                    self.keep(&child.digest, &fetched.bytes)?;
                    within = walk.follow(depth, manifests(&fetched.manifest));
                    found.push(ImageManifest { fetched, entry: child });
                }
                Err(error) if error.is_not_found() => {
                    let platform = child.platform.as_ref().map(|platform| format!(" for {platform}"));
                    self.note(format!(
                        "{}: the registry lists {}{} and does not have it",
                        wanted.title(),
                        child.digest,
                        platform.unwrap_or_default()
                    ));
                }
                Err(error) => {
                    self.gap(
                        GapKind::Image,
                        wanted.title(),
                        format!("{}: {}", child.digest, with_sources(&error)),
                    );
                }
            }
        }
        if let Err(limit) = within {
            self.gap(GapKind::Image, wanted.title(), format!("its index: {limit}"));
        }
        Ok(found)
    }

    /// The index that lists a manifest which a node holds by itself, if one of its tags still names that index.
    async fn parent(&self, wanted: &Wanted, root: &Fetched) -> Result<Option<Descriptor>, StagingError> {
        let is_alone = matches!(wanted.which, Which::Digest(_))
            && ManifestKind::from_media_type(&root.descriptor.media_type) == Some(ManifestKind::Image);
        let tags = wanted.names.iter().filter(|_| is_alone).filter_map(|name| {
            let (repository, tag) = name.rsplit_once(':')?;
            (repository == wanted.repository.as_str()).then_some(tag)
        });
        let mut unknown = None;
        for tag in tags {
            let fetched = match self.registries.resolve(&wanted.repository, tag).await {
                Ok(fetched) => fetched,
                // the tag may be gone or moved, which is not a gap
                Err(error) if error.is_not_found() => continue,
                Err(error) => {
                    unknown = Some(format!("the index of its tag {tag}: {}", with_sources(&error)));
                    continue;
                }
            };
            if fetched.manifest.manifests.iter().any(|child| child.same_target(&root.descriptor)) {
                self.keep(&fetched.descriptor.digest, &fetched.bytes)?;
                self.content().entries.push(fetched.descriptor.clone());
                return Ok(Some(fetched.descriptor));
            }
        }
        if let Some(why) = unknown {
            self.gap(GapKind::Image, wanted.title(), why);
        }
        Ok(None)
    }
}

/// The annotation that names an image in `index.json`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
