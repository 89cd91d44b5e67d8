//! Speaks to the shells that nodes have. [`Shell`] is one of them: a visit's scripts in its language, and what its answers mean.
//! `question` finds out which shell a node has, and `refusal` explains a node that does not run the scripts.

mod posix;
mod powershell;
mod question;
mod refusal;
mod script;

pub(super) use posix::PosixShell;
pub(super) use powershell::PowerShell;
pub(super) use question::{Answer, QUESTION, answer};
pub(super) use refusal::{SUDO_LIST, by_noexec, by_shell, by_sudo, wants_password, words};
pub(super) use script::{
    CANNOT_RUN, FOLDER_LEFT, NO_PLACE, NO_PROGRAMS, OTHER_BYTES, PROCESS_LEFT, Script, Shell, VISIT_RUNS,
    has_run,
};
