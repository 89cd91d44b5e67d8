//! Shows progress on standard error. On a terminal a progress line shows counts, and messages are printed above it; otherwise there
//! are only messages.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use assay_judge::ci_commands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr as _;

use crate::console;
use crate::report::terminal::{Look, wrap};

/// Columns of the bar itself, with its border. A terminal narrower than [`ROOMY`] has no bar.
const BAR: usize = 24;
const ROOMY: usize = 72;

/// Columns of the elapsed time, with its border.
const ELAPSED: usize = 9;

/// A progress line.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// What is counted.
    unit: &'static str,
}

impl Bar {
    /// Counts to `length`. It is drawn only if `wanted`, and if standard error is a terminal.
    pub(crate) fn new(unit: &'static str, length: usize, wanted: bool) -> Self {
        let shown = wanted && io::stderr().is_terminal();
        let bar = ProgressBar::new(length as u64);
        bar.set_draw_target(if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        let drawn = if columns() < ROOMY { String::new() } else { format!("{{bar:{BAR}}} ") };
        if let Ok(style) =
            ProgressStyle::with_template(&format!("{unit} {drawn}{{pos}}/{{len}}, {{elapsed}}{{msg}}"))
        {
            bar.set_style(style);
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, unit }
    }

    /// Whether there are only messages.
    pub(crate) fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// Counts one more.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Raises the number to count to.
    pub(crate) fn lengthen(&self, more: usize) {
        self.bar.inc_length(more as u64);
    }

    /// Shows as many of `parts` after the counts as fit.
    pub(crate) fn show(&self, parts: impl IntoIterator<Item = String>) {
        let counts = self.bar.length().unwrap_or(0).to_string().len() * 2;
        let bar = if columns() < ROOMY { 0 } else { BAR + 1 };
        let taken = self.unit.len() + bar + counts + ELAPSED;
        self.bar.set_message(fitting(parts, columns().saturating_sub(taken)));
    }

    /// Prints a message, above the progress line if there is one.
    pub(crate) fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            return console::say(line);
        }
        let mut lines = String::new();
        let width = u16::try_from(columns()).unwrap_or(u16::MAX);
        wrap(&mut lines, 0, line, Look { width, colour: false });
        self.bar.println(ci_commands::escape(lines.trim_end()));
    }

    /// Removes the progress line.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Joins parts, each after `, `, as long as they fit whole.
fn fitting(parts: impl IntoIterator<Item = String>, columns: usize) -> String {
    let mut text = String::new();
    for part in parts {
        if text.width() + 2 + part.width() > columns {
            break;
        }
        text.push_str(", ");
        text.push_str(&part);
    }
    text
}

/// Columns of the terminal that standard error is.
fn columns() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_left_out_whole() {
        let parts = || ["32 being visited", "2 failed", "1 unreachable"].map(str::to_owned);
        for (columns, text) in [
            (80, ", 32 being visited, 2 failed, 1 unreachable"),
            (43, ", 32 being visited, 2 failed, 1 unreachable"),
            (42, ", 32 being visited, 2 failed"),
            (17, ""),
            (0, ""),
        ] {
            assert_eq!(fitting(parts(), columns), text, "{columns}");
        }
    }
}
