//! Progress of a bundle on standard error: a bar on a terminal, a line an image elsewhere, what is missing in any case.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::bundle::Event;
use crate::console;
use crate::report::clean;
use crate::report::text::count;

/// Shows events as they come.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// Progress over so many images.
    pub(super) fn new(images: usize, quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let bar = ProgressBar::new(images as u64);
        bar.set_draw_target(if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, quiet }
    }

    /// Shows events until there are no more.
    pub(super) async fn follow(self, mut events: UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Image { name, signatures } => {
                    self.step(&format!("{name}: {}", count(signatures, "signature")));
                }
                Event::Crl { url } => self.step(&url),
                Event::Crls(count) => self.bar.inc_length(count as u64),
                Event::Note(text) => self.line(&text, false),
                Event::Gap(gap) => self.line(&format!("missing: {}: {}", gap.what, gap.why), true),
            }
        }
        self.bar.finish_and_clear();
    }

    fn step(&self, text: &str) {
        self.bar.inc(1);
        self.bar.set_message(clean::name(text));
        if self.bar.is_hidden() {
            self.line(text, false);
        }
    }

    fn line(&self, text: &str, bad: bool) {
        if self.quiet && !bad {
            return;
        }
        let line = clean::message(text);
        if self.bar.is_hidden() {
            console::say(&line);
        } else {
            self.bar.println(assay_agent::inert::text(&line));
        }
    }
}
