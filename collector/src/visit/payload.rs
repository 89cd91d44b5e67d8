//! Packs what is sent to nodes: for each platform one archive of the agent, the trust directory and the signature bundles.
//!
//! Everything is read and hashed before the first node is visited. Only what the agent reads is taken from the trust directory,
//! because it may be a notation configuration folder, which also contains private keys.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay_judge::store::blob_digest;
use assay_judge::store::directory::Directory;
use assay_report::{PlacedFiles, SentFile, SiteInputs};
use assay_verifier::dsse::{KeyError, VerifyingKey};

use crate::archive::{self, Archive, ArchiveError};
use crate::nodes::{Os, Platform};
use crate::transport::Input;

/// All that is sent, for every platform that has an agent.
#[derive(Debug)]
pub(crate) struct Payload {
    shipments: BTreeMap<Platform, Shipment>,
    bundles: Vec<SentFile>,
    trust: SentFile,
    policies: Vec<String>,
    /// The trust directory and the bundles.
    #[cfg(feature = "kubernetes")]
    delivered: Input,
    place: Place,
    /// The image that has the agent, if one has.
    image: Option<String>,
}

/// Where an agent finds the trust directory and the bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the folder that it runs in.
    Folder,
    /// In its image.
    #[cfg(feature = "kubernetes")]
    Image,
}

/// What a node of one platform gets.
#[derive(Clone, Debug)]
pub(crate) struct Shipment {
    /// The archive.
    pub archive: Input,
    /// The agent's digest.
    pub agent_sha256: String,
    /// The digest of its `SHA256SUMS`, which names all the other files' digests.
    pub sums_sha256: String,
    agent_size: u64,
    /// Every file of the archive.
    files: Vec<SentFile>,
}

/// The payload cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// A file or folder cannot be packed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file cannot be read.
    #[error("a file cannot be read")]
    Read(#[source] std::io::Error),
    /// The trust directory has no trust policy.
    #[error("{}: it contains neither trustpolicy.json nor trustpolicy.oci.json", path.display())]
    NoTrustPolicy {
        /// The trust directory.
        path: PathBuf,
    },
    /// A file among the public keys is not a public key.
    #[error("{}: only public keys belong there, and nothing was sent", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The trust directory is larger than any real one.
    #[error("{}: the trust directory has more than {TRUST_BYTES} bytes", path.display())]
    TrustTooLarge {
        /// The trust directory.
        path: PathBuf,
    },
}

/// Bytes of a trust directory, which is kept in memory. The largest public CRLs have 8 MiB; this is room for thirty.
const TRUST_BYTES: u64 = 256 << 20;

/// What the agent reads of a trust directory.
const TRUST_FILES: [&str; 2] = ["trustpolicy.json", "trustpolicy.oci.json"];
const TRUST_FOLDERS: [&str; 3] = ["truststore", "crls", KEYS];

/// The site's public keys, whose private keys sign its bundles.
const KEYS: &str = "keys";

impl Payload {
    /// Reads, hashes and packs.
    ///
    /// # Errors
    /// [`PayloadError`]
    pub(crate) fn new(
        agents: &BTreeMap<Platform, Input>,
        trust: &Path,
        bundles: &[PathBuf],
    ) -> Result<Self, PayloadError> {
        let trust_files = trust_files(trust)?;
        let trust_sent = sent("trust".to_owned(), &packed(&trust_files)?)?;

        let mut files = Vec::new();
        for (name, input) in trust_files {
            files.push((sent(format!("trust/{name}"), &input)?, input));
        }
        let policies = files
            .iter()
            .filter(|(file, _)| TRUST_FILES.iter().any(|name| file.name == format!("trust/{name}")))
            .map(|(file, _)| file.sha256.clone())
            .collect();

        let mut bundles_sent = Vec::new();
        for (file, input) in bundle_files(bundles)? {
            files.push((SentFile { name: format!("bundles/{}", file.name), ..file.clone() }, input));
            bundles_sent.push(file);
        }

        #[cfg(feature = "kubernetes")]
        let delivered = {
            let files: Vec<_> =
                files.iter().map(|(file, input)| (file.name.clone(), input.clone())).collect();
            packed(&files)?
        };
        let shipments = agents
            .iter()
            .map(|(platform, agent)| Ok((*platform, Shipment::new(*platform, agent, &files)?)))
            .collect::<Result<_, PayloadError>>()?;
        Ok(Self {
            shipments,
            bundles: bundles_sent,
            trust: trust_sent,
            policies,
            #[cfg(feature = "kubernetes")]
            delivered,
            place: Place::Folder,
            image: None,
        })
    }

    /// The same for pods, which have their agents from `image`.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn in_pods(self, image: String, place: Place) -> Self {
        Self { place, image: Some(image), ..self }
    }

    /// The trust directory and the bundles without an agent, as one archive.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn delivered(&self) -> &Input {
        &self.delivered
    }

    /// The path of the trust directory on a node.
    pub(crate) fn trust_path(&self) -> &'static str {
        match self.place {
            Place::Folder => "trust",
            #[cfg(feature = "kubernetes")]
            Place::Image => crate::kubernetes::pod::TRUST,
        }
    }

    /// What a node of that platform gets; `None` if it has no agent.
    pub(crate) fn shipment(&self, platform: Platform) -> Option<&Shipment> {
        self.shipments.get(&platform)
    }

    /// The platforms that have agents.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Platform> {
        self.shipments.keys().copied()
    }

    /// The bundles' paths on a node, in the order given.
    pub(crate) fn bundle_paths(&self) -> impl Iterator<Item = String> {
        self.bundles.iter().enumerate().map(|numbered| match (&self.place, numbered) {
            (Place::Folder, (_, bundle)) => format!("bundles/{}", bundle.name),
            #[cfg(feature = "kubernetes")]
            (Place::Image, (number, _)) => format!("{}/{number}.tar", crate::kubernetes::pod::BUNDLES),
        })
    }

    /// The bundles' digests, in the order given.
    pub(crate) fn bundle_digests(&self) -> impl Iterator<Item = &str> {
        self.bundles.iter().map(|bundle| bundle.sha256.as_str())
    }

    /// The digests of the trust policy documents; the agent reads one of them.
    pub(crate) fn policy_digests(&self) -> &[String] {
        &self.policies
    }

    /// What was sent, for the site report.
    pub(crate) fn inputs(&self) -> SiteInputs {
        let agent = |(platform, shipment): (&Platform, &Shipment)| SentFile {
            name: platform.to_string(),
            sha256: shipment.agent_sha256.clone(),
            size: shipment.agent_size,
        };
        let placed = |(platform, shipment): (&Platform, &Shipment)| PlacedFiles {
            platform: platform.to_string(),
            sums_sha256: shipment.sums_sha256.clone(),
            files: shipment.files.clone(),
        };
        SiteInputs {
            agents: self.shipments.iter().map(agent).collect(),
            trust: Some(self.trust.clone()),
            bundles: self.bundles.clone(),
            image: self.image.clone(),
            // on a node of a cluster nothing is placed
            placed: self.shipments.iter().filter(|_| self.image.is_none()).map(placed).collect(),
        }
    }
}

impl Shipment {
    fn new(platform: Platform, input: &Input, files: &[(SentFile, Input)]) -> Result<Self, PayloadError> {
        let name = match platform.os {
            Os::Linux => "assay-agent",
            Os::Windows => "assay-agent.exe",
        };
        let agent = sent(name.to_owned(), input)?;
        let mut packed = Archive::default();
        packed.add(name, 0o700, input)?;
        let mut sums = format!("{}  {name}\n", agent.sha256);
        let mut placed = vec![agent.clone()];
        for (file, input) in files {
            packed.add(&file.name, 0o600, input)?;
            sums += &format!("{}  {}\n", file.sha256, file.name);
            placed.push(file.clone());
        }
        let mut sums_input = Input::default();
        sums_input.bytes(sums.into_bytes());
        packed.add("SHA256SUMS", 0o600, &sums_input)?;
        let sums = sent("SHA256SUMS".to_owned(), &sums_input)?;
        placed.push(sums.clone());
        Ok(Self {
            archive: packed.finish(),
            agent_sha256: agent.sha256,
            sums_sha256: sums.sha256,
            agent_size: agent.size,
            files: placed,
        })
    }
}

/// The trust directory as the one archive that a site report names by its digest.
///
/// # Errors
/// [`PayloadError`]
pub(crate) fn trust_archive(trust: &Path) -> Result<Input, PayloadError> {
    packed(&trust_files(trust)?)
}

/// The bundles as they are sent, each as one file with its own name. A folder becomes an archive.
///
/// # Errors
/// [`PayloadError`]
pub(crate) fn bundle_files(paths: &[PathBuf]) -> Result<Vec<(SentFile, Input)>, PayloadError> {
    let files = read_bundles(paths)?.into_iter();
    files.map(|(name, input)| Ok((sent(name, &input)?, input))).collect()
}

fn packed(files: &[(String, Input)]) -> Result<Input, PayloadError> {
    let mut archive = Archive::default();
    for (name, input) in files {
        archive.add(name, 0o600, input)?;
    }
    Ok(archive.finish())
}

/// What the agent reads of a trust directory, by its paths there, in memory.
///
/// # Errors
/// [`PayloadError`]
pub(crate) fn trust_files(trust: &Path) -> Result<Vec<(String, Input)>, PayloadError> {
    let unreadable = |path: &Path, source| ArchiveError::Unreadable { path: path.to_owned(), source };
    std::fs::read_dir(trust).map_err(|source| unreadable(trust, source))?;
    let mut found = Vec::new();
    for name in TRUST_FILES {
        let path = trust.join(name);
        // The agent does not accept a link as a policy either: what it leads to may change while it is read.
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => found.push((name.to_owned(), path)),
            Ok(_) => return Err(ArchiveError::NotAFile { path }.into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(unreadable(&path, source).into()),
        }
    }
    if found.is_empty() {
        return Err(PayloadError::NoTrustPolicy { path: trust.to_owned() });
    }
    for folder in TRUST_FOLDERS {
        let path = trust.join(folder);
        if path.exists() {
            found.extend(
                archive::files(&path)?.into_iter().map(|(name, path)| (format!("{folder}/{name}"), path)),
            );
        }
    }
    found.sort();
    let mut size = 0;
    let mut files = Vec::new();
    for (name, path) in found {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|source| unreadable(&path, source))?;
        file.take(TRUST_BYTES + 1).read_to_end(&mut bytes).map_err(|source| unreadable(&path, source))?;
        size += bytes.len() as u64;
        if size > TRUST_BYTES {
            return Err(PayloadError::TrustTooLarge { path: trust.to_owned() });
        }
        if name.starts_with(KEYS) {
            VerifyingKey::read(&bytes).map_err(|source| PayloadError::Key { path, source })?;
        }
        let mut input = Input::default();
        input.bytes(bytes);
        files.push((name, input));
    }
    Ok(files)
}

fn read_bundles(paths: &[PathBuf]) -> Result<Vec<(String, Input)>, PayloadError> {
    let mut names = BTreeSet::new();
    let mut bundles = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let (ending, input) = if path.is_dir() {
            let mut packed = Archive::default();
            let unreadable = |source| ArchiveError::Unreadable { path: path.clone(), source };
            let folder = Directory::new(path).map_err(unreadable)?;
            for (name, path) in archive::files_of(&folder)? {
                // Only a blob may be outside the folder: no other file is sent because a link leads to it.
                if let Some(digest) = blob_digest(&name).filter(|_| folder.leads_outside(&path)) {
                    let (bytes, _) = folder.blob(&digest).map_err(unreadable)?;
                    if archive::digest(bytes, digest.algorithm()).map_err(unreadable)? != digest {
                        return Err(ArchiveError::NotTheBlob { path }.into());
                    }
                }
                packed.add(&name, 0o600, &archive::file(&path)?)?;
            }
            (".tar", packed.finish())
        } else {
            ("", archive::file(path)?)
        };
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let stem = path.file_name().map_or_else(|| "bundle".into(), |name| name.to_string_lossy());
        let stem: String = stem.chars().map(safe).collect();
        let mut name = format!("{}{ending}", stem.trim_start_matches(['.', '-']));
        if !names.insert(name.clone()) {
            name = format!("{number}-{name}");
            names.insert(name.clone());
        }
        bundles.push((name, input));
    }
    Ok(bundles)
}

fn sent(name: String, input: &Input) -> Result<SentFile, PayloadError> {
    Ok(SentFile { name, sha256: archive::sha256(input).map_err(PayloadError::Read)?, size: input.size() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::Architecture;

    #[test]
    fn private_keys_stay_here() {
        let trust = tempfile::tempdir().unwrap();
        for file in [
            "trustpolicy.json",
            "truststore/x509/ca/site/root.crt",
            "crls/a.crl",
            "keys/site.pub",
            "signingkeys.json",
            "localkeys/site.key",
        ] {
            let path = trust.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        // A file that is not a public key may be a private one.
        assert!(matches!(trust_files(trust.path()), Err(PayloadError::Key { .. })));
        let public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPuVMm+qc+jemYFCkmuCFgLfxIR+AwxCOTGnf8tIccjD\n";
        std::fs::write(trust.path().join("keys/site.pub"), public).unwrap();
        let names: Vec<_> = trust_files(trust.path()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["crls/a.crl", "keys/site.pub", "trustpolicy.json", "truststore/x509/ca/site/root.crt"]
        );
        std::fs::remove_file(trust.path().join("trustpolicy.json")).unwrap();
        assert!(matches!(trust_files(trust.path()), Err(PayloadError::NoTrustPolicy { .. })));
        assert!(matches!(
            trust_files(&trust.path().join("none")),
            Err(PayloadError::Archive(ArchiveError::Unreadable { .. }))
        ));
    }

    #[test]
    fn bundles_get_names_that_need_no_quoting() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for name in ["a/site.tar", "b/site.tar", "c/-we ird$(x).tar"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, name).unwrap();
            paths.push(path);
        }
        paths.push(folder.path().join("a"));
        let bundles = read_bundles(&paths).unwrap();
        let names: Vec<_> = bundles.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["site.tar", "1-site.tar", "we_ird__x_.tar", "a.tar"]);
    }

    /// Only blobs are sent from outside the folder.
    #[test]
    #[cfg(unix)]
    fn only_blobs_are_sent_from_outside() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let [bundle, secret] = ["bundle", "secret"].map(|name| folder.path().join(name));
        let blob = assay_verifier::oci::Digest::sha256(b"secret");
        std::fs::create_dir_all(bundle.join("blobs/sha256")).unwrap();
        std::fs::write(&secret, "secret").unwrap();
        let link = bundle.join("blobs/sha256").join(blob.hex());
        symlink(&secret, &link).unwrap();
        let read = || read_bundles(std::slice::from_ref(&bundle));
        assert!(sent(String::new(), &read().unwrap()[0].1).is_ok());
        std::fs::write(&secret, "changed").unwrap();
        assert!(matches!(read(), Err(PayloadError::Archive(ArchiveError::NotTheBlob { .. }))));
        std::fs::remove_file(&link).unwrap();
        symlink(&secret, bundle.join("index.json")).unwrap();
        assert!(matches!(read(), Err(PayloadError::Archive(ArchiveError::Unreadable { .. }))));
    }

    #[test]
    fn a_payload_lists_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let agent = folder.path().join("agent");
        std::fs::write(&agent, "an agent").unwrap();
        std::fs::write(folder.path().join("trustpolicy.json"), "{}").unwrap();
        let platform = Platform { os: Os::Linux, architecture: Architecture::Amd64 };
        let agents = [(platform, archive::file(&agent).unwrap())].into();
        let payload = Payload::new(&agents, folder.path(), &[]).unwrap();
        let shipment = payload.shipment(platform).unwrap();
        let mut bytes = Vec::new();
        shipment.archive.read(|part| bytes.extend_from_slice(part)).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["assay-agent", "trust/", "trust/trustpolicy.json", "SHA256SUMS"]);
        assert_eq!(payload.policy_digests().len(), 1);
    }
}
