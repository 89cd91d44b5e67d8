//! What people and their tools read from the agent: lines on standard error, and JSON in one line.

use assay_judge::ci_commands;

/// A line for people on standard error.
pub(crate) fn say(line: &str) {
    eprintln!("{}", ci_commands::escape(&clean(line)));
}

/// Text of others without what a terminal would take for commands, or for another direction of writing.
pub(crate) fn clean(text: &str) -> String {
    assay_report::clean::line(text, usize::MAX)
}

/// What the reader of the command line says, which repeats what it was given. Where it cannot be printed nobody is listening.
pub(crate) fn print_clap(error: &clap::Error) {
    let text = error.render().to_string();
    let text = ci_commands::escape(&text);
    if error.use_stderr() {
        eprint!("{text}");
    } else {
        let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    }
}

/// A value as JSON in one line, as logs want it.
pub(crate) fn json_line(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = ci_commands::escape_json(&serde_json::to_vec(value)?);
    bytes.push(b'\n');
    Ok(bytes)
}
