//! `assay bundle`: makes, checks, lists, compares, merges and slims bundles.

mod create;
mod progress;
mod sign;

use std::path::{Path, PathBuf};

use assay_judge::bundle::Bundles;
use assay_judge::trust as agent_trust;
use assay_report::ExitCode;
use assay_report::bundle::Completeness;

use crate::bundle::{self, Contents, Difference, OpenError, Opened};
use crate::cli::{self, BundleCommand, TextOrJson};
use crate::commands::error::CommandError;
use crate::config::secrets;
use crate::report::text::{count, size};
use crate::site_key::SiteKey;
use crate::trust::{self, TrustEditError};
use crate::{clock, config, console, inventories};

/// Runs `assay bundle`.
///
/// # Errors
/// [`CommandError`]
pub fn bundle(options: &cli::Bundle) -> Result<ExitCode, CommandError> {
    match &options.command {
        BundleCommand::Create(options) => create::create(options),
        BundleCommand::Check(options) => check(options),
        BundleCommand::List(options) => list(options),
        BundleCommand::Merge(options) => repack(&options.bundles, false, &options.out),
        BundleCommand::Slim(options) => {
            repack(std::slice::from_ref(&options.layout), options.rootfs, &options.out)
        }
        BundleCommand::Diff(options) => diff(options),
    }
}

fn check(options: &cli::BundleCheck) -> Result<ExitCode, CommandError> {
    let now = clock::now();
    let at = options.at.as_deref().map(config::at).transpose()?.unwrap_or(now);
    let accept = config::accept(&options.accept)?;
    let mut trust = agent_trust::read(&options.trust).map_err(TrustEditError::from)?;
    let wanted = match options.against.as_slice() {
        [] => None,
        paths => Some(inventories::read(paths)?),
    };
    let bundles = Bundles::open(&options.bundles, &mut trust)?;
    trust::require_usable(&trust.evidence)?;
    let check = bundle::check(&bundles, &trust, wanted.as_ref(), &accept, now, at);
    match options.format {
        TextOrJson::Text => console::print(&bundle::check_text(&check, config::look())),
        TextOrJson::Json => console::print_json(&check),
    }
    Ok(check.verdict)
}

fn list(options: &cli::BundleList) -> Result<ExitCode, CommandError> {
    let bundles = options.bundles.iter().map(|path| contents(path)).collect::<Result<Vec<_>, _>>()?;
    match options.format {
        TextOrJson::Text => console::print(&bundle::contents_text(&bundles, config::look())),
        TextOrJson::Json => console::print_json(&bundles),
    }
    Ok(if bundles.iter().all(Contents::is_usable) { ExitCode::Passed } else { ExitCode::Failed })
}

fn diff(options: &cli::BundleDiff) -> Result<ExitCode, CommandError> {
    let difference = Difference::between(&contents(&options.old)?, &contents(&options.new)?);
    match options.format {
        TextOrJson::Text => console::print(&bundle::difference_text(&difference, config::look())),
        TextOrJson::Json => console::print_json(&difference),
    }
    Ok(if difference.changes.is_empty() { ExitCode::Passed } else { ExitCode::Failed })
}

fn contents(path: &Path) -> Result<Contents, OpenError> {
    Contents::read(&Opened::open(path)?)
}

fn repack(paths: &[PathBuf], rootfs: bool, out: &cli::BundleOut) -> Result<ExitCode, CommandError> {
    let layouts = paths.iter().map(|path| Opened::open(path)).collect::<Result<Vec<_>, _>>()?;
    let key =
        out.site_key.as_deref().map(|path| SiteKey::load(path, &mut secrets::passphrase)).transpose()?;
    let sign = key.as_ref().map(|key| |document: &[u8]| sign::sign(key, document));
    let signer = sign.as_ref().map(|sign| sign as &bundle::Signer<'_>);
    let finished = bundle::repack(&layouts, rootfs, &out.out, signer)?;
    console::say(&format!(
        "{}: {}, {}",
        out.out.display(),
        count(finished.manifest.files.len(), "file"),
        size(finished.size)
    ));
    if finished.manifest.completeness == Completeness::GapsAccepted {
        let gaps = count(finished.manifest.gaps.len(), "item");
        console::say(&format!(
            "{gaps} that should be in it could not be fetched; assay bundle list names each"
        ));
    }
    Ok(ExitCode::Passed)
}
