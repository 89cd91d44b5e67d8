//! Packs a run's folder and its inputs into a file of evidence, signed with a site key.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use assay_report::NodeRow;
use assay_report::bundle::{CarriedFile, Tool};
use assay_report::evidence::{
    DOCUMENT, EVIDENCE_SCHEMA, EvidenceManifest, EvidenceNode, PAYLOAD_TYPE, REPORT, SIGNATURE, TRUST,
};
use assay_report::statement::{self, InTotoStatement};
use assay_verifier::oci::Digest;

use super::error::PackError;
use crate::archive::{self, Archive, ArchiveError};
use crate::bundle::{COMPRESSOR_VERSION, Packing};
use crate::report::names::FileNames;
use crate::report::{json, rows};
use crate::site_key::SiteKey;
use crate::transport::Input;
use crate::visit::{bundle_files, trust_archive};

/// What was packed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Nodes with a statement.
    pub nodes: usize,
    /// Images in them, counted on each node.
    pub images: u64,
    tar: Input,
}

impl Packed {
    /// Writes the file and returns its size in bytes. The ending of its name chooses the compression.
    ///
    /// # Errors
    /// [`PackError`]; `out` is then as it was before.
    pub fn write(&self, out: &Path) -> Result<u64, PackError> {
        let packing = match Packing::from_name(out) {
            Packing::Folder => Packing::Tar,
            packing => packing,
        };
        packing.pack(&self.tar, out)?;
        Ok(out.metadata().map_err(PackError::Read)?.len())
    }
}

/// Packs the run in the folder `run` as it is. [`check`](super::check) says whether it holds.
///
/// # Errors
/// [`PackError`]
pub async fn pack(run: &Path, trust: &Path, bundles: &[PathBuf], key: &SiteKey) -> Result<Packed, PackError> {
    let path = run.join(REPORT);
    let trust = trust_archive(trust)?;
    let bundles = bundle_files(bundles)?;
    let trust_sha256 = archive::sha256(&trust).map_err(PackError::Read)?;
    let sent: Vec<&str> = bundles.iter().map(|(file, _)| file.sha256.as_str()).collect();

    let collector = rows(&path, &mut |_| ())?.collector;
    let mut names = FileNames::default();
    let mut statements = Vec::new();
    let mut other_bundles = None;
    let mut images = 0;
    let report = rows(&path, &mut |row| {
        let file = names.give(&row.name);
        if let Some((digest, own)) = row.accepted().map(|own| (digest_of(own), own)) {
            let used: Vec<&str> = own.inputs.bundles.iter().map(|bundle| bundle.sha256.as_str()).collect();
            if used != sent {
                other_bundles.get_or_insert(row.name.clone());
            }
            images += own.images.len() as u64;
            statements.extend(statement_of(&row, &file, &digest, &collector));
        }
    })?;
    if report.inputs.trust.as_ref().is_some_and(|sent| sent.sha256 != trust_sha256) {
        return Err(PackError::OtherTrust);
    }
    if let Some(node) = other_bundles {
        return Err(PackError::OtherBundles { node });
    }
    if statements.is_empty() {
        return Err(PackError::NoNode { path });
    }

    let mut members = vec![(REPORT.to_owned(), archive::file(&path)?), (TRUST.to_owned(), trust)];
    let mut nodes = Vec::new();
    for (name, statement, bytes) in statements {
        let envelope = key.sign(statement::PAYLOAD_TYPE, bytes).await?;
        members.push((statement.clone(), in_memory(envelope.to_json().into_bytes())));
        nodes.push(EvidenceNode { name, statement });
    }
    let bundles = bundles.into_iter().map(|(file, input)| (format!("bundles/{}", file.name), input));
    let first_bundle = members.len();
    members.extend(bundles);
    let bundles = members.iter().skip(first_bundle).map(|(name, _)| name.clone()).collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));

    let manifest = EvidenceManifest {
        schema: EVIDENCE_SCHEMA.into(),
        tool: Tool { name: "assay".into(), version: env!("CARGO_PKG_VERSION").into() },
        packing: COMPRESSOR_VERSION,
        run: report.run.id,
        bundles,
        nodes,
        files: members.iter().map(|(name, input)| carried(name, input)).collect::<Result<_, _>>()?,
    };
    let nodes = manifest.nodes.len();
    let document = manifest.to_bytes().map_err(|error| PackError::Read(error.into()))?;
    let envelope = key.sign(PAYLOAD_TYPE, document.clone()).await?;
    let first = [
        (DOCUMENT.to_owned(), in_memory(document)),
        (SIGNATURE.to_owned(), in_memory(envelope.to_json().into_bytes())),
    ];
    let tar = tar_of(first.iter().chain(&members))?;
    Ok(Packed { nodes, images, tar })
}

/// The tar of the members in this order. The same members always give the same bytes.
pub(super) fn tar_of<'m>(
    members: impl IntoIterator<Item = &'m (String, Input)>,
) -> Result<Input, ArchiveError> {
    let mut tar = Archive::default();
    for (name, input) in members {
        tar.add(name, 0o644, input)?;
    }
    Ok(tar.finish())
}

/// The digest of a node report's file, as the run wrote it to `nodes/`.
pub(super) fn digest_of(report: &assay_report::NodeReport) -> Digest {
    let mut bytes = Vec::new();
    // cannot fail: memory takes every byte, and JSON takes every value of these types
    let _ = json::node(&mut bytes, report);
    Digest::sha256(&bytes)
}

/// The name, the path and the bytes of the statement about a node.
pub(super) fn statement_of(
    row: &NodeRow,
    file: &str,
    digest: &Digest,
    collector: &str,
) -> Option<(String, String, Vec<u8>)> {
    let statement = InTotoStatement::about_node(row, &format!("nodes/{file}.json"), digest, collector)?;
    Some((row.name.clone(), format!("statements/{file}.json"), statement.to_bytes().ok()?))
}

fn rows(path: &Path, take: &mut dyn FnMut(NodeRow)) -> Result<assay_report::SiteReport, PackError> {
    let file = File::open(path).map_err(|source| PackError::NoReport { path: path.to_owned(), source })?;
    rows::each(BufReader::new(file), take)
        .map_err(|source| PackError::Report { path: path.to_owned(), source })
}

fn in_memory(bytes: Vec<u8>) -> Input {
    let mut input = Input::default();
    input.bytes(bytes);
    input
}

fn carried(name: &str, input: &Input) -> Result<CarriedFile, PackError> {
    let digest = format!("sha256:{}", archive::sha256(input).map_err(PackError::Read)?);
    let digest = digest.parse().map_err(|_| PackError::Read(io::ErrorKind::InvalidData.into()))?;
    Ok(CarriedFile { path: name.to_owned(), size: input.size(), digest })
}
