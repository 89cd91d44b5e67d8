//! Which language a node's shell speaks: asked with a command that every shell takes, before it gets a script that it might
//! take for something else.

use std::time::Duration;

use super::deploy::OUTPUT_BYTES;
use super::refusal;
use crate::nodes::Os;
use crate::transport::{Command, Session, SessionError};

/// The language of a node's shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// POSIX `sh`.
    Posix,
    /// Windows PowerShell, which cmd.exe can start.
    PowerShell,
    /// No shell: what this program does itself on this machine.
    Steps,
}

/// Every shell has an `echo`. What it makes of `%OS%` tells them apart: cmd.exe puts the variable in, which is `Windows_NT`
/// since Windows 2000; PowerShell prints each word on its own line; the others print what they got.
const QUESTION: &str = "echo assay-shell %OS%";

/// Why the language of a shell is not known.
#[derive(Debug)]
pub(super) enum NoDialect {
    /// It cannot be asked.
    Session(SessionError),
    /// It says something else.
    Words(String),
}

/// The languages to try, the likelier first.
///
/// # Errors
/// [`NoDialect`]
pub(super) async fn dialects(
    session: &mut impl Session,
    os: Option<Os>,
    limit: Duration,
) -> Result<&'static [Dialect], NoDialect> {
    match (session.dialect(), os) {
        (Some(Dialect::Posix), _) | (None, Some(Os::Linux)) => return Ok(&[Dialect::Posix]),
        (Some(Dialect::PowerShell), _) | (None, Some(Os::Windows)) => return Ok(&[Dialect::PowerShell]),
        (Some(Dialect::Steps), _) => return Ok(&[Dialect::Steps]),
        (None, None) => {}
    }
    let command = Command { text: QUESTION, input: None, limit, output_limit: OUTPUT_BYTES };
    let output = session.run(command).await.map_err(NoDialect::Session)?;
    let dialects = answer(&String::from_utf8_lossy(&output.stdout));
    dialects.ok_or_else(|| NoDialect::Words(refusal::words(&output, QUESTION)))
}

/// What a shell printed before stands in front of its answer where it ended no line; one that repeats the command does not answer.
fn answer(stdout: &str) -> Option<&'static [Dialect]> {
    let lines: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    let is =
        |line: &str, answer: &str| line.strip_suffix(answer).is_some_and(|before| !before.ends_with("echo "));
    let split = |two: &[&str]| matches!(two, [first, "%OS%"] if is(first, "assay-shell"));
    if lines.iter().any(|line| is(line, "assay-shell Windows_NT")) || lines.windows(2).any(split) {
        Some(&[Dialect::PowerShell])
    } else if lines.iter().any(|line| is(line, "assay-shell %OS%")) {
        // A POSIX shell may be one on Windows, which its `uname` says.
        Some(&[Dialect::Posix, Dialect::PowerShell])
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_give_themselves_away() {
        let posix = &[Dialect::Posix, Dialect::PowerShell][..];
        for (stdout, dialects) in [
            ("assay-shell %OS%\n", Some(posix)),
            ("Welcome!\n{\nassay-shell %OS%\n", Some(posix)),
            ("\u{1b}]0;node\u{7}assay-shell %OS%\n", Some(posix)),
            ("+ echo assay-shell %OS%\nassay-shell %OS%\n", Some(posix)),
            ("assay-shell Windows_NT\r\n", Some(&[Dialect::PowerShell][..])),
            ("Welcome! assay-shell Windows_NT\r\n", Some(&[Dialect::PowerShell][..])),
            ("assay-shell\r\n%OS%\r\n", Some(&[Dialect::PowerShell][..])),
            ("Welcome! assay-shell\r\n%OS%\r\n", Some(&[Dialect::PowerShell][..])),
            ("", None),
            ("assay-shell", None),
            ("echo assay-shell %OS%\n", None),
            ("not allowed: 'echo assay-shell %OS%'\n", None),
        ] {
            assert_eq!(answer(stdout), dialects, "{stdout}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn shells_of_this_machine_answer() {
        let output = std::process::Command::new("sh").arg("-c").arg(QUESTION).output().unwrap();
        assert_eq!(answer(&String::from_utf8_lossy(&output.stdout)).unwrap()[0], Dialect::Posix);
    }
}
