//! Images become what a bundle carries of them: index and platform manifests, parents, signatures of each, and the CRLs
//! that those will demand; no layers and no configs.
//!
//! Whatever claims to be a signature is carried, and judged where it is used; only whose CRLs are worth a request is asked
//! here ([`Demand`]). What cannot be had is a [`Gap`], whatever the reason; only what a registry says it does not have and
//! never promised is none. What becomes of a bundle with gaps stands at [`Completeness`](assay_report::bundle::Completeness).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use assay_report::bundle::{Gap, GapKind, LockedImage};
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Repository, media_type};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::crls;
use super::demand::{Demand, LeftOut, Trusting};
use super::staging::{Content, Staging, StagingError};
use super::wanted::{WantList, Wanted, Which};
use crate::registry::{Fetched, HttpError, ListedBy, Listing, Registries, RegistryError};
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
        let mut budget = Budget::default();
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
            if ManifestKind::from_media_type(&child.media_type).is_none()
                || !seen.insert(child.digest.clone())
            {
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
                    self.gap(GapKind::Image, wanted.title(), format!("{}: {error}", child.digest));
                }
            }
        }
        Ok(found)
    }

    /// The index that lists a manifest which a node holds by itself, where one of its tags still stands for that index.
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
                // the tag may be gone, or have moved on: that is no gap
                Err(error) if error.is_not_found() => continue,
                Err(error) => {
                    unknown = Some(format!("the index of its tag {tag}: {error}"));
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

    /// Every signature of a manifest; how many there are. The fallback tag is asked where the API lists none, and the next place
    /// where this one lists none or cannot be read to the end: nobody's listing is believed to be without signatures while
    /// there is another to ask, and what cannot be read is not an empty list.
    async fn signatures(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        budget: &mut Budget,
    ) -> Result<usize, StagingError> {
        let Wanted { repository, .. } = wanted;
        let digest = &subject.digest;
        let mut found = Found::default();
        let mut faults = Vec::new();
        let mut fault = None;
        let listers = self.registries.listers(repository).await;
        let listers = listers.unwrap_or_else(|error| {
            fault = Some(error);
            Vec::new()
        });
        let has_mirrors = listers.len() > 1;
        for lister in listers {
            faults.extend(fault.take());
            for listed_by in [ListedBy::Api, ListedBy::FallbackTag] {
                let Listing { entries, fault: broken } =
                    lister.referrers(repository, digest, listed_by).await;
                fault = fault.or(broken);
                self.search(wanted, subject, entries, budget, &mut found).await?;
                if found.has_whole {
                    break;
                }
            }
            if found.has_whole && fault.is_none() {
                break;
            }
        }
        if let Some(error) = fault {
            let is_out_of_reach = matches!(error, RegistryError::Http(HttpError::Unreachable { .. }));
            faults.push(error);
            let error = RegistryError::of_places(faults);
            let mut why = format!("what refers to {digest} cannot be listed, or not all of it: {error}");
            if has_mirrors && is_out_of_reach {
                why += "; if only mirrors can be reached from here, name one as server in hosts.toml, and its listing counts";
            }
            self.gap(GapKind::Listing, wanted.title(), why);
        }
        if found.unread > 0 {
            let why = format!(
                "{} of what refers to {digest} left unread, which may be signatures: at most {} manifests of an image are \
                 read, of at most {} bytes",
                count(found.unread, "manifest"),
                limits::REFERRERS_PER_IMAGE,
                limits::REFERRER_BYTES_PER_IMAGE
            );
            self.gap(GapKind::Listing, wanted.title(), why);
        }
        if found.beyond > 0 {
            let why = format!(
                "{digest} has {} more than the {} that a verifier tries",
                count(found.beyond, "signature"),
                limits::SIGNATURES_PER_IMAGE
            );
            self.gap(GapKind::Signature, wanted.title(), why);
        }
        Ok(found.carried)
    }

    /// Reads what is listed in search of signatures. No type that a listing gives is believed, in neither direction.
    async fn search(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        mut entries: Vec<Descriptor>,
        budget: &mut Budget,
        found: &mut Found,
    ) -> Result<(), StagingError> {
        // what the budget leaves unread is what is least likely to be one
        entries.sort_by_key(|entry| match entry.artifact_type.as_deref() {
            Some(notary::media_type::SIGNATURE) => 0,
            None | Some("" | media_type::OCI_EMPTY) => 1,
            Some(_) => 2,
        });
        for entry in &entries {
            if !found.seen.insert((entry.digest.clone(), entry.size)) {
                continue;
            }
            if !budget.spend(entry.size) {
                found.unread += 1;
                continue;
            }
            match self.signature(wanted, subject, entry, found).await {
                Ok(()) => {}
                Err(Trouble::Registry(error)) => {
                    let digest = &entry.digest;
                    let why = if says_signature(entry) {
                        format!("the signature {digest}: {error}")
                    } else {
                        format!("{digest}, which may be a signature: {error}")
                    };
                    self.gap(GapKind::Signature, wanted.title(), why);
                }
                Err(Trouble::Staging(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Carries what a listing names where it is a signature of this subject, with its envelope and config.
    async fn signature(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        entry: &Descriptor,
        found: &mut Found,
    ) -> Result<(), Trouble> {
        let repository = &wanted.repository;
        let fetched = match self.referrer(repository, entry).await? {
            Ok(fetched) => fetched,
            Err(why) if says_signature(entry) => {
                let why = format!("the signature {}: {why}, and no verifier reads it", entry.digest);
                self.leave_out(GapKind::Signature, wanted.title(), why);
                return Ok(());
            }
            Err(why) => {
                self.note(format!("{}: {}: {why}", wanted.title(), entry.digest));
                return Ok(());
            }
        };
        let signature = match SignatureManifest::read(&fetched.descriptor.media_type, &fetched.manifest) {
            Ok(Some(signature)) if signature.subject.digest == subject.digest => Some(signature),
            // the agent says what is wrong with it
            Err(error) if error.subject.digest == subject.digest => None,
            Ok(_) | Err(_) => {
                // a later run need not ask for it; the bundle does not get it
                self.staging.add_blob(&entry.digest, &fetched.bytes)?;
                return Ok(());
            }
        };
        if found.carried == limits::SIGNATURES_PER_IMAGE {
            found.beyond += 1;
            return Ok(());
        }
        if let Some(signature) = &signature {
            let envelope = &signature.envelope;
            let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
            if envelope.size > limit {
                let why = format!(
                    "the envelope of the signature {} has more than {limit} bytes, and no verifier reads it",
                    entry.digest
                );
                self.leave_out(GapKind::Signature, wanted.title(), why);
                return Ok(());
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
            found.has_whole = true;
            if self.crls {
                let demand =
                    Demand::of(self.trusting.as_ref(), repository, subject, &envelope.media_type, &bytes);
                self.demand(wanted, &entry.digest, demand);
            }
        }
        self.keep(&entry.digest, &fetched.bytes)?;
        self.content().entries.push(fetched.descriptor);
        found.carried += 1;
        Ok(())
    }

    /// What a listing names, from an earlier run where that left it, or why it is not a manifest. It is of the type that it gives
    /// itself, else of the one that the listing or the registry gives it.
    async fn referrer(
        &self,
        repository: &Repository,
        entry: &Descriptor,
    ) -> Result<Result<Fetched, String>, RegistryError> {
        let (content_type, bytes) = match self.staging.blob(&entry.digest) {
            Some(bytes) if bytes.len() as u64 == entry.size => (String::new(), bytes),
            _ => self.registries.referrer(repository, entry).await?,
        };
        let manifest = match Manifest::parse(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let own = manifest.media_type.as_deref().filter(|own| !own.is_empty());
        let types = own.map_or_else(|| vec![&*entry.media_type, &*content_type], |own| vec![own]);
        let known = types.iter().find_map(|one| media_type::of_manifest(one));
        let Some(known) = known else {
            return Ok(Err(format!("it is of the type {:?}", types.join(" or "))));
        };
        let descriptor = Descriptor::new(known, entry.digest.clone(), entry.size);
        Ok(Ok(Fetched { descriptor, bytes, manifest }))
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
            Some(LeftOut::Untrusted(why)) => self.leave_out(GapKind::Crl, &whose, why),
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

    /// Names what nobody could have used: nothing is missing without it.
    fn leave_out(&self, kind: GapKind, what: &str, why: String) {
        self.note(format!("{what}: {why}"));
        self.content().left_out.push(Gap { kind, what: what.to_owned(), why });
    }

    fn note(&self, text: String) {
        self.say(Event::Note(text));
    }

    pub(super) fn say(&self, event: Event) {
        // nobody listening is no reason to stop
        let _ = self.events.send(event);
    }
}

/// What may still be read of what refers to an image.
struct Budget {
    manifests: usize,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { manifests: limits::REFERRERS_PER_IMAGE, bytes: limits::REFERRER_BYTES_PER_IMAGE }
    }
}

impl Budget {
    /// Whether a manifest of that size may be read as well.
    fn spend(&mut self, size: u64) -> bool {
        let left = (self.manifests.checked_sub(1), self.bytes.checked_sub(size));
        let (Some(manifests), Some(bytes)) = left else { return false };
        if size > limits::MANIFEST_BYTES {
            return false;
        }
        *self = Self { manifests, bytes };
        true
    }
}

/// What was found of a manifest's signatures.
#[derive(Default)]
struct Found {
    /// Digest and size of what was looked at: several places list the same.
    seen: BTreeSet<(Digest, u64)>,
    /// Signatures that are in the bundle.
    carried: usize,
    /// Whether one of them has an envelope.
    has_whole: bool,
    /// Signatures beyond those that a verifier tries.
    beyond: usize,
    /// What the budget left unread.
    unread: usize,
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

/// Whether a listing calls it a signature.
fn says_signature(entry: &Descriptor) -> bool {
    entry.artifact_type.as_deref() == Some(notary::media_type::SIGNATURE)
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

/// The annotation that names an image in `index.json`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
