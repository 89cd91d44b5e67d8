//! `assay kubernetes image`: writes the agent's image, or pushes it.

use assay_report::ExitCode;
use assay_verifier::oci::Reference;

use super::error::KubernetesError;
use crate::bundle::Packing;
use crate::cli::KubernetesImage;
use crate::commands::error::CommandError;
use crate::commands::runtime::{block_on, remove_scratch_on_signals};
use crate::config::{self, registries};
use crate::console;
use crate::kubernetes::image::AgentImage;
use crate::nodes::{Architecture, Os, Platform};
use crate::registry::Registries;
use crate::visit::{bundle_files, trust_files};

/// The platforms that an image is meant to have.
const PLATFORMS: [Platform; 2] = [
    Platform { os: Os::Linux, architecture: Architecture::Amd64 },
    Platform { os: Os::Linux, architecture: Architecture::Arm64 },
];

/// Runs `assay kubernetes image`.
///
/// # Errors
/// [`CommandError`]
pub(super) fn image(options: &KubernetesImage) -> Result<ExitCode, CommandError> {
    let push = options.push.as_deref().map(reference).transpose()?;
    let name = options.name.as_deref().or(options.push.as_deref());
    let named = name.map(reference).transpose()?;
    let registries = Registries::new(registries::access(&options.registry)?);
    let agents = config::agents(&options.agents)?;
    remove_scratch_on_signals()?;
    let trust = options.trust.as_deref().map(trust_files).transpose().map_err(KubernetesError::from)?;
    let bundles = bundle_files(&options.bundle).map_err(KubernetesError::from)?;
    let bundles: Vec<_> = bundles.into_iter().map(|(_, bundle)| bundle).collect();
    let image =
        AgentImage::new(&agents, &trust.unwrap_or_default(), &bundles).map_err(KubernetesError::from)?;
    for missing in PLATFORMS.iter().filter(|platform| !image.platforms.contains(platform)) {
        console::say(&format!(
            "assay: there is no agent for {missing}; nodes of that kind cannot run the image"
        ));
    }
    if let Some(path) = &options.out {
        let layout = image.layout(name).map_err(KubernetesError::from)?;
        Packing::Tar.pack(&layout, path).map_err(KubernetesError::Unwritten)?;
    }
    if let Some(Reference { repository, tag, .. }) = &push {
        let pushed = registries.push(repository, tag.as_deref(), &image.blobs);
        block_on(pushed)?.map_err(KubernetesError::from)?;
    }
    let digest = &image.index.digest;
    match named {
        Some(named) => console::print(&format!("{}@{digest}\n", named.repository.as_str())),
        None => console::print(&format!("{digest}\n")),
    }
    Ok(ExitCode::Passed)
}

/// The name of an image.
fn reference(name: &str) -> Result<Reference, KubernetesError> {
    let name = || name.to_owned();
    match name().parse::<Reference>() {
        Ok(Reference { digest: Some(_), .. }) => Err(KubernetesError::Digest { name: name() }),
        Ok(reference) => Ok(reference),
        Err(source) => Err(KubernetesError::Name { name: name(), source }),
    }
}
