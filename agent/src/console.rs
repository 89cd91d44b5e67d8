//! Prints lines for people on standard error, and writes JSON in one line.

use assay_judge::ci_commands;

/// Prints a line for people on standard error.
pub(crate) fn say(line: &str) {
    eprintln!("{}", ci_commands::escape(&clean(line)));
}

/// Escapes what a terminal would take for a command or a change of writing direction.
pub(crate) fn clean(text: &str) -> String {
    assay_report::clean::line(text, usize::MAX)
}

/// Prints what clap says. Its messages repeat the arguments. A failure to print is ignored.
pub(crate) fn print_clap(error: &clap::Error) {
    let text = error.render().to_string();
    let text = ci_commands::escape(&text);
    if error.use_stderr() {
        eprint!("{text}");
    } else {
        let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    }
}

/// A value as JSON in one line.
pub(crate) fn json_line(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = ci_commands::escape_json(&serde_json::to_vec(value)?);
    bytes.push(b'\n');
    Ok(bytes)
}
