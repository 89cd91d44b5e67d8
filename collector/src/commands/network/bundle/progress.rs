//! Shows the progress of a bundle on standard error: a bar on a terminal, otherwise a line for each image. What is missing is
//! always shown.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::bar::Bar;
use crate::bundle::FetchEvent;
use crate::clean;
use crate::report::text::count;

/// Shows events as they come.
pub(super) struct Progress {
    bar: Bar,
    quiet: bool,
}

impl Progress {
    /// Shows progress over this many images.
    pub(super) fn new(images: usize, quiet: bool) -> Self {
        let bar = Bar::new("images", images, !quiet);
        Self { bar, quiet }
    }

    /// Shows events until there are no more.
    pub(super) async fn follow(self, mut events: UnboundedReceiver<FetchEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                FetchEvent::Image { name, signatures } => {
                    self.step(&format!("{name}: {}", count(signatures, "signature")));
                }
                FetchEvent::LayerFiles { layer } => self.line(&format!("listed the files of {layer}"), false),
                FetchEvent::Crl { url } => self.step(&url),
                FetchEvent::Crls(count) => self.bar.lengthen(count),
                FetchEvent::Note(text) => self.line(&text, false),
                FetchEvent::Gap(gap) => self.line(&format!("missing: {}: {}", gap.what, gap.why), true),
            }
        }
        self.bar.end();
    }

    fn step(&self, text: &str) {
        self.bar.step();
        self.bar.show([clean::name(text)]);
        if self.bar.is_hidden() {
            self.line(text, false);
        }
    }

    fn line(&self, text: &str, bad: bool) {
        if self.quiet && !bad {
            return;
        }
        self.bar.say(&clean::message(text));
    }
}
