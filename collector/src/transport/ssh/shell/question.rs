//! Asks which language a node's shell speaks, with a command that every shell takes. So no shell gets a script that it might
//! take for something else.

/// Every shell has an `echo`. What it makes of `%OS%` tells the shells apart: cmd.exe puts the variable in, which is `Windows_NT`
/// since Windows 2000; PowerShell prints each word on its own line; the others print what they got.
pub(crate) const QUESTION: &str = "echo assay-shell %OS%";

/// Which shell a node may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// POSIX `sh`, or one on Windows, which its `uname` says: then Windows PowerShell is there as well.
    PosixOrPowerShell,
    /// Windows PowerShell, which cmd.exe can start.
    PowerShell,
}

/// Which shell gives this answer; `None` if none does. If a shell printed something before without ending the line, that
/// stands in front of its answer. A shell that only repeats the command does not answer.
pub(crate) fn answer(stdout: &str) -> Option<Answer> {
    let lines: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    let is =
        |line: &str, answer: &str| line.strip_suffix(answer).is_some_and(|before| !before.ends_with("echo "));
    let split = |two: &[&str]| matches!(two, [first, "%OS%"] if is(first, "assay-shell"));
    if lines.iter().any(|line| is(line, "assay-shell Windows_NT")) || lines.windows(2).any(split) {
        Some(Answer::PowerShell)
    } else {
        lines.iter().any(|line| is(line, "assay-shell %OS%")).then_some(Answer::PosixOrPowerShell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_give_themselves_away() {
        let (posix, power_shell) = (Answer::PosixOrPowerShell, Answer::PowerShell);
        for (stdout, shell) in [
            ("assay-shell %OS%\n", Some(posix)),
            ("Welcome!\n{\nassay-shell %OS%\n", Some(posix)),
            ("\u{1b}]0;node\u{7}assay-shell %OS%\n", Some(posix)),
            ("+ echo assay-shell %OS%\nassay-shell %OS%\n", Some(posix)),
            ("assay-shell Windows_NT\r\n", Some(power_shell)),
            ("Welcome! assay-shell Windows_NT\r\n", Some(power_shell)),
            ("assay-shell\r\n%OS%\r\n", Some(power_shell)),
            ("Welcome! assay-shell\r\n%OS%\r\n", Some(power_shell)),
            ("", None),
            ("assay-shell", None),
            ("echo assay-shell %OS%\n", None),
            ("not allowed: 'echo assay-shell %OS%'\n", None),
        ] {
            assert_eq!(answer(stdout), shell, "{stdout}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn shells_of_this_machine_answer() {
        let output = std::process::Command::new("sh").arg("-c").arg(QUESTION).output().unwrap();
        assert_eq!(answer(&String::from_utf8_lossy(&output.stdout)), Some(Answer::PosixOrPowerShell));
    }
}
