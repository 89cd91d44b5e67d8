//! `assay agents`: lists or writes the agents within this program, for nodes without SSH and for containerd's image verifier.

use std::path::Path;

use assay_report::ExitCode;

use super::error::CommandError;
use crate::files;
use crate::output::OutputError;
use crate::visit::EMBEDDED;
use crate::{cli, console};

/// Runs `assay agents`.
///
/// # Errors
/// [`CommandError`]
pub fn agents(options: &cli::WriteAgents) -> Result<ExitCode, CommandError> {
    if EMBEDDED.is_empty() {
        console::say(
            "assay: this build contains no agents; cargo agent builds one, and a release contains all of them",
        );
        return Ok(ExitCode::Usage);
    }
    for agent in EMBEDDED {
        let program = agent.unpack()?;
        console::print(&format!("{}  {}  {} bytes\n", agent.sha256, agent.name, agent.size));
        if let Some(folder) = &options.out {
            write(folder, agent.name, &program)?;
        }
    }
    Ok(ExitCode::Passed)
}

/// Writes a program that everyone may run and only its owner may change.
fn write(folder: &Path, name: &str, program: &[u8]) -> Result<(), CommandError> {
    let failed = |source| OutputError::Write { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let path = folder.join(name);
    files::write(&path, program).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(())
}
