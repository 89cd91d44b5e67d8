//! How errors are shown. An error's own text is about its own layer only; the chain is joined where it is shown.

pub(crate) use assay_judge::errors::with_sources;
