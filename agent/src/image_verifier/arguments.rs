//! Translates the command line that containerd writes into one that clap reads.
//!
//! containerd gives no subcommand, and its long flags have one hyphen, as in Go: `-name REF -digest DIGEST -stdin-media-type TYPE`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A command line.
pub(crate) struct Arguments {
    /// The program's name, then what clap reads.
    pub(crate) args: Vec<OsString>,
    /// Whether containerd asks, so that the exit code 0 admits an image.
    pub(crate) for_containerd: bool,
}

impl Arguments {
    /// Reads arguments, the first of which is the program's name.
    pub(crate) fn new(args: impl IntoIterator<Item = OsString>) -> Self {
        let mut given = args.into_iter().peekable();
        let mut args: Vec<OsString> = given.next().into_iter().collect();
        if args.first().is_some_and(|program| is_verifier(program)) {
            args.push(SUBCOMMAND.into());
        } else if let Some(subcommand) = given.next_if(|first| first == SUBCOMMAND) {
            args.push(subcommand);
        } else {
            args.extend(given);
            return Self { args, for_containerd: false };
        }
        while let Some(arg) = given.next() {
            match FLAGS.iter().find(|flag| arg == **flag || arg == flag[1..]) {
                // joined to its flag, a value is not taken for a flag, even if an image has the name of one
                Some(flag) => {
                    let mut flag = OsString::from(flag);
                    if let Some(value) = given.next() {
                        flag.push("=");
                        flag.push(value);
                    }
                    args.push(flag);
                }
                None => args.push(arg),
            }
        }
        Self { args, for_containerd: true }
    }
}

/// Whether the program is called by a verifier's name: containerd's folder has a copy of it or a link to it.
fn is_verifier(program: &OsStr) -> bool {
    let stem = Path::new(program).file_stem().and_then(OsStr::to_str).unwrap_or_default();
    NAMES.iter().any(|name| stem.eq_ignore_ascii_case(name))
}

const SUBCOMMAND: &str = "image-verifier";

const NAMES: [&str; 2] = ["assay-image-verifier", SUBCOMMAND];

/// containerd's flags, with one hyphen more.
const FLAGS: [&str; 4] = ["--name", "--digest", "--stdin-media-type", "--operation"];

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn read(args: &[&str]) -> (Vec<String>, bool) {
        let Arguments { args, for_containerd } = Arguments::new(args.iter().map(OsString::from));
        (args.into_iter().map(|arg| arg.into_string().unwrap()).collect(), for_containerd)
    }

    #[test]
    fn is_a_verifier_by_name_or_subcommand() {
        for program in [
            "assay-image-verifier",
            "/bin/image-verifier",
            "./assay-image-verifier.exe",
            "Assay-Image-Verifier",
        ] {
            let read = read(&[program, "-digest", "d"]);
            assert_eq!(read, (vec![program.into(), "image-verifier".into(), "--digest=d".into()], true));
        }
        let as_subcommand = read(&["assay-agent", "image-verifier", "--digest", "d"]);
        assert_eq!(as_subcommand.0, ["assay-agent", "image-verifier", "--digest=d"]);
        for args in [
            &["assay-agent", "-name", "n"][..],
            &["assay-agent-image-verifier", "verify", "-digest", "d"],
            &["assay-agent", "inspect", "image-verifier"],
            &["assay-agent"],
            &[],
        ] {
            assert_eq!(read(args), (args.iter().map(|&arg| arg.to_owned()).collect(), false));
        }
    }

    #[test]
    fn reads_containerds_flags_with_one_hyphen_or_two() {
        let (args, _) = read(&[
            "image-verifier",
            "--trust",
            "t",
            "-name",
            "n",
            "--digest",
            "d",
            "-stdin-media-type",
            "m",
            "-operation",
            "run",
            "-at",
            "x",
            "--name=p",
            "-name=q",
            "-digest",
        ]);
        assert_eq!(
            args[2..],
            [
                "--trust",
                "t",
                "--name=n",
                "--digest=d",
                "--stdin-media-type=m",
                "--operation=run",
                "-at",
                "x",
                "--name=p",
                "-name=q",
                "--digest"
            ]
        );
    }

    #[test]
    fn does_not_take_a_value_for_a_flag() {
        for value in ["-h", "--help", "--version", "--", "", "-name", "--accept=parent-index", "verify"] {
            let Arguments { args, .. } = Arguments::new(
                ["image-verifier", "-name", value, "-digest", value, "-stdin-media-type", value]
                    .map(Into::into),
            );
            let Command::ImageVerifier(args) = Cli::try_parse_from(args).unwrap().command else {
                panic!("another command")
            };
            assert_eq!([args.name, args.digest, args.stdin_media_type], [value; 3]);
            assert!(args.accept.is_empty());
        }
    }

    #[test]
    fn refuses_missing_repeated_and_unknown_flags() {
        for args in [
            &["image-verifier"][..],
            &["image-verifier", "-name", "n", "-digest", "d"],
            &["image-verifier", "-name", "n", "-digest", "d", "-stdin-media-type"],
            &["image-verifier", "-name", "n", "-digest", "d", "-stdin-media-type", "m", "-name", "n"],
            &["image-verifier", "-name", "n", "-digest", "d", "-stdin-media-type", "m", "-future", "f"],
            &["image-verifier", "-name", "n", "-digest", "d", "-stdin-media-type", "m", "-operation", "push"],
            &["image-verifier", "-name", "n", "-digest", "d", "-stdin-media-type", "m", "-operation"],
        ] {
            let Arguments { args, .. } = Arguments::new(args.iter().map(OsString::from));
            assert!(Cli::try_parse_from(args).is_err());
        }
    }
}
