//! Tells the program which target it is built for: reports name it, and cargo tells build scripts only.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=ASSAY_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
    // the linker reads it
    println!("cargo::rerun-if-changed=left-out.ld");
}
