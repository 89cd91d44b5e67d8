//! Chains, timestamps and revocation evidence: real ones with the verdicts known, and made ones with one thing wrong each.

mod chains;
mod ocsp;
mod revocation;
mod support;
mod timestamps;
mod weighing;
