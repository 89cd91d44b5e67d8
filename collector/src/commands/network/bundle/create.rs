//! `assay bundle create`: fetches signatures, parents and CRLs of images from their registries into one bundle.

use std::path::Path;
use std::sync::Arc;

use assay_judge::trust;
use assay_report::ExitCode;
use assay_report::bundle::{Gap, LockedImage};
use tokio::sync::mpsc::unbounded_channel;

use super::progress::Progress;
use crate::bundle::{
    BundleContent, FetchPlan, FinishedBundle, Packing, Signer, Staging, StagingError, Trusting, WantList,
    fetch,
};
use crate::clean;
use crate::cli::BundleOut;
use crate::commands::error::CommandError;
use crate::commands::network::error::NetworkError;
use crate::commands::runtime::block_on;
use crate::config::{registries, secrets};
use crate::registry::Registries;
use crate::report::text::count;
use crate::site_key::SiteKey;
use crate::trust::TrustEditError;
use crate::{cli, clock, config, console, inventories};

/// Runs `assay bundle create`.
///
/// # Errors
/// [`CommandError`]
pub(super) fn create(options: &cli::BundleCreate) -> Result<ExitCode, CommandError> {
    let wanted = wanted(options)?;
    let trusting = options.trust.as_deref().map(trusting).transpose()?;
    let sources = Arc::new(Registries::new(registries::options(options)?));
    let BundleOut { out, site_key } = &options.out;
    let key = site_key.as_deref().map(|path| SiteKey::load(path, &mut secrets::passphrase)).transpose()?;
    if options.rootfs && matches!(Packing::from_name(out), Packing::Gzip | Packing::Zstd) {
        return Err(StagingError::ListsInCompressed { path: out.clone() }.into());
    }
    let staging = Arc::new(Staging::open(out)?);
    let progress = Progress::new(wanted.images().count(), options.quiet);
    let concurrency = usize::from(options.concurrency);
    let plan =
        FetchPlan { wanted, crls: !options.no_crls, trusting, layer_files: options.rootfs, concurrency };

    let fetching = Arc::clone(&staging);
    let content = block_on(async move {
        let (events, shown) = unbounded_channel();
        let showing = tokio::spawn(progress.follow(shown));
        let content = fetch(plan, sources, fetching, events).await;
        let _ = showing.await;
        content
    })??;
    let content = BundleContent { gaps_accepted: options.allow_gaps, ..content };
    let gaps = content.gaps.clone();
    let sign = key.as_ref().map(|key| |document: &[u8]| super::sign::sign(key, document));
    let signer = sign.as_ref().map(|sign| sign as &Signer<'_>);
    match staging.finish(content, signer) {
        Ok(finished) => {
            if !options.quiet {
                say_finished(&finished, out);
            }
            say_gaps(&gaps);
            Ok(if gaps.is_empty() { ExitCode::Passed } else { ExitCode::Incomplete })
        }
        Err(StagingError::Gaps { .. }) => {
            say_gaps(&gaps);
            console::say(&format!(
                "{} was not written. What was fetched is kept: run this again to go on, or with --allow-gaps to do without",
                out.display()
            ));
            Ok(ExitCode::Incomplete)
        }
        Err(error) => Err(error.into()),
    }
}

fn trusting(directory: &Path) -> Result<Trusting, CommandError> {
    let trust = trust::read(directory).map_err(TrustEditError::from)?;
    Ok(Trusting::new(trust, clock::now()).map_err(TrustEditError::from)?)
}

fn wanted(options: &cli::BundleCreate) -> Result<WantList, CommandError> {
    let mut wanted = WantList::default();
    for reference in &options.image {
        wanted.add_reference(reference)?;
    }
    for path in &options.images_from {
        wanted.add_list(&config::text(path)?)?;
    }
    wanted.add_nodes(&inventories::read(&options.inventory)?);
    if wanted.is_empty() {
        return Err(NetworkError::NothingWanted.into());
    }
    Ok(wanted)
}

fn say_finished(finished: &FinishedBundle, out: &Path) {
    let FinishedBundle { manifest, size } = finished;
    let missing = manifest.missing();
    let is_unsigned = |one: &&LockedImage| {
        let names = [one.reference.as_str(), one.digest.as_str()];
        one.signatures == 0 && !names.iter().any(|name| missing.contains_key(name))
    };
    let unsigned: Vec<&str> =
        manifest.images.iter().filter(is_unsigned).map(|one| one.reference.as_str()).collect();
    for name in &unsigned {
        console::say(&clean::name(&format!("unsigned at the source: {name}")));
    }
    let digests: std::collections::BTreeSet<_> = manifest.images.iter().map(|image| &image.digest).collect();
    let unsigned = match (unsigned.len(), digests.len()) {
        (0, _) => String::new(),
        (_, 1) => ", unsigned".to_owned(),
        (many, _) => format!(", {many} of them unsigned"),
    };
    console::say(&format!(
        "{}: {}{unsigned}, {}, {size} bytes ({} an image)",
        out.display(),
        count(digests.len(), "image"),
        count(manifest.crls.len(), "CRL"),
        size / digests.len().max(1) as u64,
    ));
}

fn say_gaps(gaps: &[Gap]) {
    if !gaps.is_empty() {
        console::say(&format!("{} could not be fetched; see above", count(gaps.len(), "item")));
    }
}
