//! Which language a node's shell speaks: asked with a command that every shell takes, before it gets a script that it might
//! take for something else.

use std::time::Duration;

use super::deploy::OUTPUT_BYTES;
use crate::nodes::Os;
use crate::ssh::{Command, Session, SessionError};

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

/// The languages to try, the likelier first; none where the shell says nothing that is understood.
///
/// # Errors
/// [`SessionError`] where it cannot be asked.
pub(super) async fn dialects(
    session: &mut impl Session,
    os: Option<Os>,
    limit: Duration,
) -> Result<&'static [Dialect], SessionError> {
    match (session.dialect(), os) {
        (Some(Dialect::Posix), _) | (None, Some(Os::Linux)) => return Ok(&[Dialect::Posix]),
        (Some(Dialect::PowerShell), _) | (None, Some(Os::Windows)) => return Ok(&[Dialect::PowerShell]),
        (Some(Dialect::Steps), _) => return Ok(&[Dialect::Steps]),
        (None, None) => {}
    }
    let command = Command { text: QUESTION, input: None, limit, output_limit: OUTPUT_BYTES };
    let output = session.run(command).await?;
    Ok(answer(&String::from_utf8_lossy(&output.stdout)))
}

fn answer(stdout: &str) -> &'static [Dialect] {
    let lines: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    if lines.contains(&"assay-shell Windows_NT") || lines.windows(2).any(|two| two == ["assay-shell", "%OS%"])
    {
        &[Dialect::PowerShell]
    } else if lines.contains(&"assay-shell %OS%") {
        // A POSIX shell may be one on Windows, which its `uname` says.
        &[Dialect::Posix, Dialect::PowerShell]
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_give_themselves_away() {
        let posix = &[Dialect::Posix, Dialect::PowerShell][..];
        for (stdout, dialects) in [
            ("assay-shell %OS%\n", posix),
            ("Welcome!\n{\nassay-shell %OS%\n", posix),
            ("assay-shell Windows_NT\r\n", &[Dialect::PowerShell][..]),
            ("assay-shell\r\n%OS%\r\n", &[Dialect::PowerShell][..]),
            ("", &[]),
            ("assay-shell", &[]),
            ("echo assay-shell %OS%\n", &[]),
        ] {
            assert_eq!(answer(stdout), dialects, "{stdout}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn shells_of_this_machine_answer() {
        let output = std::process::Command::new("sh").arg("-c").arg(QUESTION).output().unwrap();
        assert_eq!(answer(&String::from_utf8_lossy(&output.stdout))[0], Dialect::Posix);
    }
}
