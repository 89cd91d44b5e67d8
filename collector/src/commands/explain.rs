//! `assay explain`: what a code of a report means.

use assay_shared::codes::Code;
use assay_shared::report::ExitCode;

use super::CommandError;
use crate::{cli, console};

/// Runs `assay explain`.
///
/// # Errors
/// [`CommandError::UnknownCode`]
pub fn explain(options: &cli::Explain) -> Result<ExitCode, CommandError> {
    let Some(wanted) = &options.code else {
        let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
        for code in Code::ALL {
            console::print(&format!("{:width$}  {}\n", code.as_str(), code.what()));
        }
        return Ok(ExitCode::Passed);
    };
    let Some(code) = Code::ALL.iter().find(|code| code.as_str() == wanted) else {
        return Err(CommandError::UnknownCode { code: wanted.clone() });
    };
    console::print(&format!(
        "{}\n\n  what happened   {}\n  why it matters  {}\n  what to do      {}\n",
        code.as_str(),
        code.what(),
        code.why(),
        code.what_to_do()
    ));
    Ok(ExitCode::Passed)
}
