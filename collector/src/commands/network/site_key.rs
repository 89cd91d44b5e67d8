//! `assay site-key`: makes and shows the key that signs the site's bundles and evidence.

use assay_report::ExitCode;

use crate::cli::{self, SiteKeyCommand};
use crate::commands::error::CommandError;
use crate::config::secrets;
use crate::console;
use crate::site_key::{self, SiteKey};

/// Runs `assay site-key`.
///
/// # Errors
/// [`CommandError::Network`]
pub fn site_key(options: &cli::SiteKey) -> Result<ExitCode, CommandError> {
    match &options.command {
        SiteKeyCommand::Create { file, kind, comment } => {
            let created = site_key::create(file, (*kind).into(), comment)?;
            console::print(&format!("{} {}\n", created.public.id(), created.public.kind()));
            console::say(&format!(
                "{} is the private key: keep it where bundles are made, readable by you alone. Put {} into the folder keys of \
every trust directory that is to believe it.",
                file.display(),
                created.public_path.display()
            ));
        }
        SiteKeyCommand::Show { file } => {
            let key = SiteKey::load(file, &mut secrets::passphrase)?;
            let public = key.public();
            console::print(&format!("{} {}\n{}\n", public.id(), public.kind(), public.to_openssh()));
        }
    }
    Ok(ExitCode::Passed)
}
