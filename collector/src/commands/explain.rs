//! `assay explain`: what a code of a report means, be it of an image, a visit, a node or a check.

use assay_shared::codes::Code;
use assay_shared::report::ExitCode;

use super::CommandError;
use crate::report::words;
use crate::{cli, console};

/// One code and its explanation.
struct Entry {
    code: &'static str,
    what: &'static str,
    why: &'static str,
    todo: &'static str,
}

/// Runs `assay explain`.
///
/// # Errors
/// [`CommandError::UnknownCode`]
pub fn explain(options: &cli::Explain) -> Result<ExitCode, CommandError> {
    let Some(wanted) = &options.code else {
        let width = entries().map(|entry| entry.code.len()).max().unwrap_or(0);
        for entry in entries() {
            console::print(&format!("{:width$}  {}\n", entry.code, entry.what));
        }
        return Ok(ExitCode::Passed);
    };
    let Some(Entry { code, what, why, todo }) = entries().find(|entry| entry.code == wanted) else {
        return Err(CommandError::UnknownCode { code: wanted.clone() });
    };
    console::print(&format!(
        "{code}\n\n  what happened   {what}\n  why it matters  {why}\n  what to do      {todo}\n"
    ));
    Ok(ExitCode::Passed)
}

/// Every code: what images, visits and nodes may come to, then the finer ones of checks.
fn entries() -> impl Iterator<Item = Entry> {
    let coarse =
        words::all().map(|(code, words)| Entry { code, what: words.what, why: words.why, todo: words.todo });
    let fine = Code::ALL.iter().map(|code| Entry {
        code: code.as_str(),
        what: code.what(),
        why: code.why(),
        todo: code.what_to_do(),
    });
    coarse.chain(fine)
}
