//! Images become what a bundle carries of them: index and platform manifests, parents, signatures of each, and the CRLs
//! that those will demand; no layers and no configs.
//!
//! Whatever claims to be a signature is carried, and judged where it is used; only whose CRLs are worth a request is asked
//! here ([`Demand`]). What cannot be had is a [`Gap`], whatever the reason; only what a registry says it does not have and
//! never promised is none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use assay_shared::bundle::{Gap, GapKind, LockedImage};
use assay_shared::limits;
use assay_shared::oci::{Descriptor, Digest, Manifest, ManifestKind, Repository};
use assay_shared::signature_manifest::SignatureManifest;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::demand::{Demand, LeftOut, Trusting};
use super::staging::{Content, Staging, StagingError};
use super::wanted::{WantList, Wanted, Which};
use super::{REF_NAME, crls};
use crate::registry::{Fetched, Registries, RegistryError};
use crate::report::text::count;

/// What is said while a bundle is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An image is done, with so many signatures.
    Image {
        /// What it is called.
        name: String,
        /// How many.
        signatures: usize,
    },
    /// A CRL is done.
    Crl {
        /// Where it was published.
        url: String,
    },
    /// So many CRLs will be fetched.
    Crls(usize),
    /// Something cannot be had.
    Gap(Gap),
    /// Something that a person may want to know, and that is not missing.
    Note(String),
}

/// What is fetched, and how.
#[derive(Debug)]
pub struct Plan {
    /// The images.
    pub wanted: WantList,
    /// Whether CRLs are fetched too.
    pub crls: bool,
    /// Whose CRLs are fetched: those of signatures that are trusted under it, or else a few of each.
    pub trusting: Option<Trusting>,
    /// How many images at once.
    pub concurrency: usize,
}

/// Fetches everything into `staging`.
///
/// # Errors
/// [`StagingError`] where it cannot be written; what cannot be fetched is in the content's gaps.
pub async fn fetch(
    plan: Plan,
    registries: Arc<Registries>,
    staging: Arc<Staging>,
    events: UnboundedSender<Event>,
) -> Result<Content, StagingError> {
    let Plan { wanted, crls, trusting, concurrency } = plan;
    let wanted = Arc::new(wanted);
    let carrier = Arc::new(Carrier {
        registries,
        staging,
        events,
        wanted: Arc::clone(&wanted),
        crls,
        trusting,
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
            running.spawn(async move { carrier.image(&image).await });
        }
        match running.join_next().await {
            None => break,
            Some(Ok(done)) => done?,
            // it did not end by itself, and what it was to carry is not there
            Some(Err(error)) => carrier.gap(GapKind::Image, "an image", error.to_string()),
        }
    }
    let urls = std::mem::take(&mut *lock(&carrier.urls));
    crls::carry(&carrier, urls, concurrency).await?;
    // every task is done, and this is the only holder
    let content = std::mem::take(&mut *lock(&carrier.content));
    Ok(content)
}

/// What all tasks share.
pub(super) struct Carrier {
    pub(super) registries: Arc<Registries>,
    pub(super) staging: Arc<Staging>,
    events: UnboundedSender<Event>,
    wanted: Arc<WantList>,
    crls: bool,
    trusting: Option<Trusting>,
    content: Mutex<Content>,
    /// Where CRLs are published that signatures will demand, and a signature that does.
    urls: Mutex<BTreeMap<String, String>>,
}

impl Carrier {
    async fn image(&self, wanted: &Wanted) -> Result<(), StagingError> {
        let root = match self.root(wanted).await {
            Ok(root) => root,
            Err(error) => {
                self.gap(GapKind::Image, wanted.title(), error.to_string());
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
        subjects.extend(self.children(wanted, &root).await?);
        subjects.extend(self.parent(wanted, &root).await?);
        let mut signatures = 0;
        for subject in &subjects {
            signatures += self.signatures(wanted, subject).await?;
        }
        let locked = wanted.names.iter().map(|name| LockedImage {
            reference: name.clone(),
            digest: root.descriptor.digest.clone(),
            media_type: root.descriptor.media_type.clone(),
            size: root.descriptor.size,
            signatures: signatures as u64,
        });
        self.content().images.extend(locked);
        self.say(Event::Image { name: wanted.title().to_owned(), signatures });
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

    /// A manifest, from an earlier run where that left it and its type is known.
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
    async fn children(&self, wanted: &Wanted, root: &Fetched) -> Result<Vec<Descriptor>, StagingError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<(Descriptor, usize)> =
            root.manifest.manifests.iter().map(|child| (child.clone(), 1)).collect();
        while let Some((child, depth)) = open.pop() {
            if ManifestKind::of(&child.media_type).is_none() || !seen.insert(child.digest.clone()) {
                continue;
            }
            if seen.len() > MANIFESTS || depth >= limits::INDEX_DEPTH {
                let why = "it lists more manifests, or deeper, than any real image".to_owned();
                self.gap(GapKind::Image, wanted.title(), why);
                break;
            }
            match self.manifest(&wanted.repository, &child.digest, Some(&child)).await {
                Ok(fetched) => {
                    self.keep(&child.digest, &fetched.bytes)?;
                    open.extend(fetched.manifest.manifests.into_iter().map(|inner| (inner, depth + 1)));
                    found.push(fetched.descriptor);
                }
                Err(RegistryError::NotFound { .. }) => {
                    let platform = child.platform.as_ref().map(|platform| format!(" for {platform}"));
                    self.note(format!(
                        "{}: the registry lists {}{} and does not have it",
                        wanted.title(),
                        child.digest,
                        platform.unwrap_or_default()
                    ));
                }
                Err(error) => {
                    self.gap(GapKind::Image, wanted.title(), format!("{}: {error}", child.digest));
                }
            }
        }
        Ok(found)
    }

    /// The index that lists a manifest which a node holds by itself, where one of its tags still stands for that index.
    async fn parent(&self, wanted: &Wanted, root: &Fetched) -> Result<Option<Descriptor>, StagingError> {
        let is_alone = matches!(wanted.which, Which::Digest(_))
            && ManifestKind::of(&root.descriptor.media_type) == Some(ManifestKind::Image);
        let tags = wanted.names.iter().filter(|_| is_alone).filter_map(|name| {
            let (repository, tag) = name.rsplit_once(':')?;
            (repository == wanted.repository.as_str()).then_some(tag)
        });
        for tag in tags {
            // the tag may have moved on: that is no gap
            let Ok(fetched) = self.registries.resolve(&wanted.repository, tag).await else { continue };
            if fetched.manifest.manifests.iter().any(|child| child.same_target(&root.descriptor)) {
                self.keep(&fetched.descriptor.digest, &fetched.bytes)?;
                self.content().entries.push(fetched.descriptor.clone());
                return Ok(Some(fetched.descriptor));
            }
        }
        Ok(None)
    }

    /// Every signature of a manifest; how many there are.
    async fn signatures(&self, wanted: &Wanted, subject: &Descriptor) -> Result<usize, StagingError> {
        let title = wanted.title();
        let listed = match self.registries.signatures(&wanted.repository, &subject.digest).await {
            Ok(listed) => listed,
            Err(error) => {
                let why = format!("its signatures cannot be listed: {error}");
                self.gap(GapKind::Signature, title, why);
                return Ok(0);
            }
        };
        if listed.len() > limits::SIGNATURES_PER_IMAGE {
            self.note(format!(
                "{title}: {} of {}; no verifier tries more than {}",
                count(listed.len(), "signature"),
                subject.digest,
                limits::SIGNATURES_PER_IMAGE
            ));
        }
        let mut count = 0;
        for entry in listed.iter().take(limits::SIGNATURES_PER_IMAGE) {
            match self.signature(wanted, subject, entry).await {
                Ok(true) => count += 1,
                Ok(false) => {}
                Err(Trouble::Registry(error)) => {
                    self.gap(GapKind::Signature, title, format!("the signature {}: {error}", entry.digest));
                }
                Err(Trouble::Staging(error)) => return Err(error),
            }
        }
        Ok(count)
    }

    /// A signature with its envelope and config; false where it is none of this subject.
    async fn signature(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        entry: &Descriptor,
    ) -> Result<bool, Trouble> {
        let repository = &wanted.repository;
        let is_past = |what: &str, limit: u64| {
            self.note(format!(
                "{}: {}: {what} has more than {limit} bytes, and no verifier reads it",
                wanted.title(),
                entry.digest
            ));
            Ok(false)
        };
        if entry.size > limits::MANIFEST_BYTES {
            return is_past("the signature manifest", limits::MANIFEST_BYTES);
        }
        let fetched = self.manifest(repository, &entry.digest, Some(entry)).await?;
        let signature = match SignatureManifest::of(&fetched.descriptor.media_type, &fetched.manifest) {
            Ok(Some(signature)) if signature.subject.digest == subject.digest => signature,
            Ok(_) => return Ok(false),
            Err(error) => {
                self.note(format!("{}: {}: {error}", wanted.title(), entry.digest));
                return Ok(false);
            }
        };
        let envelope = &signature.envelope;
        let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
        if envelope.size > limit {
            return is_past("the envelope", limit);
        }
        let bytes = self.blob(repository, envelope, limit).await?;
        if let Some(config) = &fetched.manifest.config
            && config.size <= CONFIG_BYTES
        {
            // other tools copy a signature only with its config
            let empty = (config.digest == Digest::sha256(EMPTY)).then(|| EMPTY.to_vec());
            let config_bytes = match empty {
                Some(empty) => empty,
                None => self.blob(repository, config, CONFIG_BYTES).await?,
            };
            self.keep(&config.digest, &config_bytes)?;
        }
        self.keep(&envelope.digest, &bytes)?;
        self.keep(&entry.digest, &fetched.bytes)?;
        self.content().entries.push(fetched.descriptor);
        if self.crls {
            let demand =
                Demand::of(self.trusting.as_ref(), repository, subject, &envelope.media_type, &bytes);
            self.demand(wanted, &entry.digest, demand);
        }
        Ok(true)
    }

    async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        match self.staging.blob(&blob.digest) {
            Some(bytes) if bytes.len() as u64 == blob.size && blob.size <= limit => Ok(bytes),
            _ => self.registries.blob(repository, blob, limit).await,
        }
    }

    /// Notes which CRLs a signature demands.
    fn demand(&self, wanted: &Wanted, signature: &Digest, demand: Demand) {
        let Demand { urls, left_out, notes } = demand;
        let whose = format!("the signature {signature} of {}", wanted.title());
        for note in notes {
            self.note(format!("{whose}: {note}"));
        }
        match left_out {
            None => {}
            Some(LeftOut::Unverified(why)) => self.gap(GapKind::Crl, &whose, why),
            Some(LeftOut::Untrusted(why)) => {
                self.note(format!("{whose}: {why}"));
                self.content().untrusted.push(Gap { kind: GapKind::Crl, what: whose.clone(), why });
            }
        }
        let mut known = lock(&self.urls);
        for url in urls {
            // the same one is named in every run
            let first = known.entry(url).or_insert_with(|| whose.clone());
            if whose < *first {
                first.clone_from(&whose);
            }
        }
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StagingError> {
        if self.content().blobs.insert(digest.clone()) {
            self.staging.add_blob(digest, bytes)?;
        }
        Ok(())
    }

    pub(super) fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        lock(&self.content)
    }

    pub(super) fn gap(&self, kind: GapKind, what: &str, why: String) {
        let gap = Gap { kind, what: what.to_owned(), why };
        self.content().gaps.push(gap.clone());
        self.say(Event::Gap(gap));
    }

    fn note(&self, text: String) {
        self.say(Event::Note(text));
    }

    pub(super) fn say(&self, event: Event) {
        // nobody listening is no reason to stop
        let _ = self.events.send(event);
    }
}

/// Why a signature is not in the bundle.
enum Trouble {
    Registry(RegistryError),
    Staging(StagingError),
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<StagingError> for Trouble {
    fn from(error: StagingError) -> Self {
        Self::Staging(error)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Manifests of one image: the largest public index has some 40.
const MANIFESTS: usize = 1_000;

/// Bytes of a signature manifest's config: it is the empty object.
const CONFIG_BYTES: u64 = 64 << 10;

/// The config of every signature.
const EMPTY: &[u8] = b"{}";
