//! Asks for passphrases and passwords.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use crate::config::variable;

/// The name of the environment variable for the passphrase of encrypted keys.
const PASSPHRASE: &str = "ASSAY_KEY_PASSPHRASE";

/// The passphrase of a key file: from the environment, otherwise asked for if there is a terminal.
pub(crate) fn passphrase(path: &Path) -> Option<String> {
    variable(PASSPHRASE).or_else(|| ask(&format!("Passphrase of {}: ", path.display())))
}

/// Asks for a secret if there is a terminal.
pub(crate) fn ask(prompt: &str) -> Option<String> {
    if !io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(prompt).ok()
}
