//! `assay trust`: makes, changes and checks a trust directory.

use std::path::Path;

use assay_report::ExitCode;
use assay_verifier::notary::trust_store::StoreType;

use super::error::CommandError;
use crate::cli::{self, TextOrJson, TrustCommand};
use crate::trust::{self, Additions, OwnCa, Severity, TrustEditError};
use crate::{clock, config, console};

/// Runs `assay trust`.
///
/// # Errors
/// [`CommandError::Trust`], or [`CommandError::Config`] for a time that is not valid.
pub fn trust(options: &cli::Trust) -> Result<ExitCode, CommandError> {
    match &options.command {
        TrustCommand::Init(options) => init(options),
        TrustCommand::Add(options) => add(options),
        TrustCommand::Check(options) => {
            let at = options.at.as_deref().map(config::at).transpose()?;
            let at = at.unwrap_or_else(clock::now);
            Ok(show(&look_over(&options.directory, at)?, options.format))
        }
        TrustCommand::Import(options) => import(options),
    }
}

fn init(options: &cli::TrustInit) -> Result<ExitCode, CommandError> {
    let directory = &options.directory;
    match options.profile {
        Some(cli::Profile::Microsoft) => {
            let ([ca], [tsa]) = (options.ca.as_slice(), options.tsa.as_slice()) else {
                return Err(CommandError::OneRootEach);
            };
            trust::init_microsoft(directory, ca, tsa, options.force)?;
        }
        None => {
            let anchors = [
                (StoreType::Ca, &options.ca),
                (StoreType::SigningAuthority, &options.signing_authority),
                (StoreType::Tsa, &options.tsa),
            ];
            let own = OwnCa {
                name: options.name.clone(),
                scopes: options.scope.clone(),
                level: options.level.into(),
                anchors: anchors
                    .into_iter()
                    .flat_map(|(store_type, files)| files.iter().map(move |file| (store_type, file.clone())))
                    .collect(),
                identities: options.identity.clone(),
            };
            trust::init(directory, &own, options.force)?;
        }
    }
    let code = show_now(directory)?;
    if options.profile.is_some() {
        console::say(
            "\nCRLs to carry, with assay trust add --crl or in a bundle; the last two where the root of Microsoft's newer timestamping authority is in tsa:esrp too:",
        );
        for crl in trust::crls_to_carry() {
            console::say(&format!("  {}\n      as {}, may revoke {}", crl.url, crl.file(), crl.revokes));
        }
    }
    Ok(code)
}

fn add(options: &cli::TrustAdd) -> Result<ExitCode, CommandError> {
    let additions = Additions {
        anchors: [&options.ca, &options.signing_authority, &options.tsa]
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        crls: options.crl.clone(),
        keys: options.key.clone(),
        statements: options.statement.clone(),
    };
    trust::add(&options.directory, &additions, options.force)?;
    show_now(&options.directory)
}

fn import(options: &cli::TrustImport) -> Result<ExitCode, CommandError> {
    let there = look_over(&options.from, clock::now())?;
    if there.findings.iter().any(|finding| finding.severity == Severity::Failed) {
        let code = show(&there, TextOrJson::Text);
        console::say(&format!("assay: {}: not imported; correct it there first", options.from.display()));
        return Ok(code);
    }
    trust::import(&options.from, options.crl_cache.as_deref(), &options.directory, options.force)?;
    show_now(&options.directory)
}

fn look_over(
    directory: &Path,
    at: assay_verifier::time::UnixTime,
) -> Result<trust::TrustCheck, TrustEditError> {
    Ok(trust::check(&assay_judge::trust::read(directory)?, at))
}

/// Shows what the directory that was just written trusts today.
fn show_now(directory: &Path) -> Result<ExitCode, CommandError> {
    Ok(show(&look_over(directory, clock::now())?, TextOrJson::Text))
}

fn show(check: &trust::TrustCheck, format: TextOrJson) -> ExitCode {
    match format {
        TextOrJson::Text => console::print(&trust::check_text(check, config::look())),
        TextOrJson::Json => console::print_json(check),
    }
    check.verdict
}
