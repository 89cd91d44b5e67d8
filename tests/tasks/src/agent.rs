//! `cargo agent`: builds the agent that is sent to nodes.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::{run, target};

/// What makes the agent smaller: a panic ends it, so that it needs no tables to unwind by.
const FLAGS: &str = "-C force-unwind-tables=no";

/// The same for what is written in C.
const C_FLAGS: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables";

/// And of a Linux program, the addresses that are corrected at its start take two bits each, and what it never uses of the
/// standard library, libc and AWS-LC is left out. The folder in the path is the workspace's, where cargo links programs.
const LINUX_FLAGS: &str =
    "-C link-arg=-Wl,-z,pack-relative-relocs,--no-eh-frame-hdr -C link-arg=-Wl,-T,agent/left-out.ld";

/// Builds the agent for that target and says where it is.
///
/// # Errors
/// Why it cannot be built, for people.
pub fn agent(target: &str) -> Result<u8, String> {
    let program = build(target, "")?;
    let file = std::fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    println!("{}: {} bytes", program.display(), file.len());
    Ok(0)
}

/// Builds the agent for that target, with these flags of rustc's beside the usual ones, and gives its place.
///
/// # Errors
/// As [`agent`].
pub fn build(target: &str, flags: &str) -> Result<PathBuf, String> {
    // Windows finds its way out of functions by such tables, and rustc refuses to leave them out
    let (tables, c_flags) = match target {
        _ if target.contains("-windows-") => (String::new(), ""),
        _ if target.contains("-linux-") => (format!("{FLAGS} {LINUX_FLAGS}"), C_FLAGS),
        _ => (FLAGS.to_owned(), C_FLAGS),
    };
    let mut build = target::cargo_for(target, &format!("{tables} {flags}"), c_flags)?;
    build.args(["build", "--locked", "--profile", "agent", "--package", "assay-agent", "--target", target]);
    run(&mut build)?;
    let name: &OsStr = if target.contains("-windows-") { "assay-agent.exe" } else { "assay-agent" }.as_ref();
    Ok(target::folder().join(target).join("agent").join(name))
}

#[cfg(test)]
mod tests {
    /// The names of what is left out bear the version of AWS-LC. Under another version nothing would be left out.
    #[test]
    fn what_is_left_out_is_of_the_version_that_is_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, rest) = lock.split_once("name = \"aws-lc-sys\"\nversion = \"").unwrap();
        let (version, _) = rest.split_once('"').unwrap();
        let prefix = format!("aws_lc_{}_", version.replace('.', "_"));
        let script = include_str!("../../../agent/left-out.ld");
        let names: Vec<&str> = script.lines().filter(|line| line.starts_with("aws_lc_")).collect();
        assert_eq!(names.len(), 53);
        for name in names {
            assert!(name.starts_with(&prefix), "{name} is not of {version}");
        }
    }
}
