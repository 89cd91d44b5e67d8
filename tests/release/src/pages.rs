//! Writes man pages and shell completions from the command lines' own definitions.

use assay::commands::{Shell, completion_script};
use clap::{Command, ValueEnum as _};
use clap_mangen::Man;

use crate::Result;
use crate::archive::Entry;

/// The pages of a program and of each of its commands.
pub(crate) fn man(command: Command) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    page(command.disable_help_subcommand(true), "", &mut entries)?;
    Ok(entries)
}

fn page(mut command: Command, above: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let name = if above.is_empty() {
        command.get_name().to_owned()
    } else {
        format!("{above}-{}", command.get_name())
    };
    command.build();
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        page(below.clone(), &name, entries)?;
    }
    let mut text = Vec::new();
    // the name that is typed has spaces, the page's has none
    Man::new(command.display_name(name.clone())).render(&mut text)?;
    entries.push(Entry::bytes(format!("man/{name}.1"), text));
    Ok(())
}

/// What each shell completes command lines by.
pub(crate) fn completions() -> Vec<Entry> {
    let of = |shell: &Shell| Entry::bytes(format!("completions/assay.{shell}"), completion_script(*shell));
    Shell::value_variants().iter().map(of).collect()
}
