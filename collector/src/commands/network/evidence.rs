//! `assay evidence`: packs a run into one signed file, and verifies such a file again.

use std::collections::BTreeSet;

use assay_report::ExitCode;

use super::error::NetworkError;
use crate::clean;
use crate::cli::{self, EvidenceCommand, TextOrJson};
use crate::commands::error::CommandError;
use crate::commands::runtime::{self, block_on};
use crate::config::secrets;
use crate::evidence::{self, Checked, NodeCheck};
use crate::report::discrepancy::Discrepancy;
use crate::report::text::count;
use crate::scratch::Scratch;
use crate::site_key::{self, SiteKey};
use crate::{config, console};

/// Runs `assay evidence`.
///
/// # Errors
/// [`CommandError`]
pub fn evidence(options: &cli::Evidence) -> Result<ExitCode, CommandError> {
    match &options.command {
        EvidenceCommand::Pack(options) => pack(options),
        EvidenceCommand::Check(options) => check(options),
    }
}

fn pack(options: &cli::EvidencePack) -> Result<ExitCode, CommandError> {
    let key = SiteKey::load(&options.key, &mut secrets::passphrase)?;
    runtime::remove_scratch_on_signals()?;
    let packed = block_on(evidence::pack(&options.report, &options.trust, &options.bundle, &key))??;
    // What a check would reject is not signed.
    let system = |source| CommandError::System { what: "a scratch folder", source };
    let scratch = Scratch::new().map_err(system)?;
    let draft = scratch.path().join("evidence.tar");
    packed.write(&draft)?;
    let checked = evidence::check(&draft, std::slice::from_ref(key.public()));
    checked.findings.iter().for_each(|finding| console::say(&line(finding)));
    if checked.verdict == ExitCode::Failed {
        return Err(NetworkError::EvidenceDoesNotHold.into());
    }
    let size = packed.write(&options.out)?;
    console::say(&format!(
        "{}: {}, {}, {} bytes, signed with {}",
        options.out.display(),
        count(packed.nodes, "node"),
        count(packed.images, "image"),
        size,
        key.public().id()
    ));
    Ok(ExitCode::Passed)
}

fn check(options: &cli::EvidenceCheck) -> Result<ExitCode, CommandError> {
    let keys = options.key.iter().map(|path| site_key::public(path)).collect::<Result<Vec<_>, _>>()?;
    // A missing file is a mistake of the command line, not of the evidence.
    std::fs::File::open(&options.evidence)
        .map_err(|source| config::ConfigError::Unreadable { path: options.evidence.clone(), source })?;
    runtime::remove_scratch_on_signals()?;
    let checked = evidence::check(&options.evidence, &keys);
    match options.format {
        TextOrJson::Json => console::print_json_line(&checked),
        TextOrJson::Text => console::print(&text(&checked)),
    }
    Ok(checked.verdict)
}

fn line(finding: &Discrepancy) -> String {
    let about = [&finding.node, &finding.image].into_iter().flatten().map(|name| clean::name(name));
    let about: String = about.map(|name| format!("{name}: ")).collect();
    format!("[{}] {about}{}", finding.kind.as_str(), clean::message(&finding.message))
}

fn text(checked: &Checked) -> String {
    let mut text = String::new();
    for finding in &checked.findings {
        text += &format!("{}\n", line(finding));
    }
    let sum = |number: fn(&NodeCheck) -> u64| checked.nodes.iter().map(number).sum::<u64>();
    text += &match checked.verdict {
        ExitCode::Passed => "The evidence holds.\n".to_owned(),
        ExitCode::Incomplete => "Not everything could be verified again.\n".to_owned(),
        ExitCode::Failed | ExitCode::Usage => "The evidence does not hold.\n".to_owned(),
    };
    if let Some(run) = &checked.run {
        text += &format!(
            "  run {}, signed with {}\n  {}, {}: {} confirmed from signatures, policy and revocation \
             lists; {} that did not pass depend on what the agent saw\n",
            clean::name(run),
            checked.signers.join(", "),
            count(checked.nodes.len(), "node"),
            count(sum(|node| node.images), "image"),
            count(sum(|node| node.confirmed), "verdict"),
            sum(|node| node.claimed),
        );
    }
    let accept: BTreeSet<&str> =
        checked.nodes.iter().flat_map(|node| &node.accept).map(|via| via.as_str()).collect();
    if !accept.is_empty() {
        let accept: Vec<&str> = accept.into_iter().collect();
        text += &format!("  accepted instead of an image's own signature: {}\n", accept.join(", "));
    }
    if let Some(reported) = checked.reported {
        let says = match reported {
            ExitCode::Passed => "everything passed, was skipped by policy or is waived",
            ExitCode::Failed => "something failed",
            ExitCode::Incomplete | ExitCode::Usage => "nothing failed, but something is not verified",
        };
        text += &format!("  the report says about the site: {says}\n");
    }
    text
}
