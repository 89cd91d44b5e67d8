//! `assay explain`: what a code of a report means, whether of an image, a visit, a node or a check.

use assay_report::ExitCode;
use assay_verifier::codes::Code;

use super::error::CommandError;
use crate::report::discrepancy::DiscrepancyKind;
use crate::report::explanation;
use crate::{cli, console, suggestion};

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
        let meant = suggestion::among(wanted, entries().map(|entry| entry.code));
        return Err(CommandError::UnknownCode { code: wanted.clone(), meant });
    };
    console::print(&format!(
        "{code}\n\n  what happened   {what}\n  why it matters  {why}\n  what to do      {todo}\n"
    ));
    Ok(ExitCode::Passed)
}

/// Every code: first those of images, visits and nodes, then those of checks.
fn entries() -> impl Iterator<Item = Entry> {
    let of_evidence = DiscrepancyKind::ALL.into_iter().map(|kind| (kind.as_str(), kind.explanation()));
    let coarse = explanation::all().chain(of_evidence).map(|(code, explanation)| Entry {
        code,
        what: explanation.what,
        why: explanation.why,
        todo: explanation.todo,
    });
    let fine = Code::ALL.iter().map(|code| Entry {
        code: code.as_str(),
        what: code.what(),
        why: code.why(),
        todo: code.what_to_do(),
    });
    coarse.chain(fine)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test reads the committed page, and writes it when it is asked to"
)]
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::{env, fs};

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/codes.md");

    /// The page of all codes, as it should be.
    fn page() -> String {
        let mut page = String::from(
            "# Codes\n\nWhat `assay explain` says, all of it: first what images, visits and nodes may come to, then the finer \
             codes of checks.\nThe tests write this page (`ASSAY_REGENERATE=1 cargo test -p assay explain`) and \
             compare it.\n\n| code | what happened | why it matters | what to do |\n|---|---|---|---|\n",
        );
        for Entry { code, what, why, todo } in entries() {
            writeln!(page, "| `{code}` | {what} | {why} | {todo} |").unwrap();
        }
        page
    }

    #[test]
    fn every_code_is_explained_once_and_on_the_page() {
        let mut seen = BTreeSet::new();
        for Entry { code, what, why, todo } in entries() {
            assert!(seen.insert(code), "{code} twice");
            for text in [what, why, todo] {
                assert!(text.ends_with('.') && !text.contains(['|', '\n']), "{code}: {text}");
            }
            let options = cli::Explain { code: Some(code.to_owned()) };
            assert!(explain(&options).is_ok(), "{code}");
        }
        if env::var_os("ASSAY_REGENERATE").is_some() {
            fs::write(PAGE, page()).unwrap();
        }
        let committed = fs::read_to_string(PAGE).unwrap_or_default();
        assert!(committed == page(), "{PAGE} is not what the codes say: run this with ASSAY_REGENERATE=1");
    }
}
