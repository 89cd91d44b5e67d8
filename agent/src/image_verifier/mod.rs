//! Speaks with containerd as its image verifier: reads which image is about to be pulled or run, and gives the reason of the answer.
//!
//! containerd, docs/image-verification.md: it runs each program of a folder, takes exit code 0 for a yes and shows what the program
//! wrote to standard output. The image is judged as one of the node's own would be, but without its content, which is not there
//! yet: containerd itself compares the content with the descriptor. An image that cannot be judged is refused.
//!
//! containerd asks in two forms. By default it asks before a pull, with the image's descriptor on standard input. With
//! `verify_on_run` it asks before a pull and before each container, and standard input has an object around the descriptor, with the
//! operation and the container's annotations. The verdict does not depend on annotations, because the user who creates the container
//! can set them.

mod arguments;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use assay_report::ExitCode;
use assay_verifier::json::{self, JsonError, Shape};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Reference, ReferenceError, shape};

use serde::Deserialize;

use crate::cli::Operation;
use crate::config::ImageVerifierPlan;
use crate::console::{clean, print_clap};
use crate::output::Sink;
use assay_judge::ci_commands;
use assay_judge::confinement::explain;
use assay_judge::trust;

pub(crate) use arguments::Arguments;

/// Gives containerd the reason why nothing was judged.
pub(crate) fn refuse(why: &str) {
    // the exit code refuses the image even if the reason cannot be given
    let _ = Sink::Stdout.write(reason(&format!("not judged: {why}")));
}

/// Refuses a command line that clap does not accept. Help is refused too, because containerd takes exit code 0 for a yes.
pub(crate) fn refuse_arguments(error: &clap::Error) -> ExitCode {
    print_clap(error);
    if error.use_stderr() {
        refuse(error.to_string().lines().next().unwrap_or_default());
    }
    ExitCode::Usage
}

/// Reads what is about to be pulled. Everything that containerd says about it must agree.
pub(crate) fn read_target(plan: &ImageVerifierPlan, stdin: impl Read) -> Result<Descriptor, PullError> {
    let mut bytes = Vec::new();
    stdin.take(limits::PULLED_DESCRIPTOR_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if ![DESCRIPTOR, INPUT].contains(&&*plan.media_type) {
        return Err(PullError::MediaType { media_type: plan.media_type.clone() });
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::PULLED_DESCRIPTOR_BYTES {
        return Err(PullError::TooLarge);
    }
    let descriptor = if plan.media_type == INPUT {
        let Input { descriptor, operation } = json::read(&bytes, &INPUT_SHAPE)?;
        if plan.operation.is_some_and(|said| said != operation) {
            return Err(PullError::OtherOperation);
        }
        descriptor
    } else {
        json::read(&bytes, &shape::DESCRIPTOR)?
    };
    if descriptor.digest.as_str() != plan.digest {
        return Err(PullError::OtherDigest {
            given: plan.digest.clone(),
            found: descriptor.digest.to_string(),
        });
    }
    let name = || plan.name.clone();
    let reference: Reference =
        plan.name.parse().map_err(|source| PullError::Name { name: name(), source })?;
    if reference.digest.is_some_and(|digest| digest != descriptor.digest) {
        return Err(PullError::OtherDigest { given: name(), found: descriptor.digest.to_string() });
    }
    Ok(descriptor)
}

/// The bundles in a folder. Hidden entries are skipped: files that are being copied, and what Kubernetes keeps in its volumes.
pub(crate) fn bundles_in(folder: &Path) -> Result<Vec<PathBuf>, PullError> {
    let mut bundles = Vec::new();
    for entry in trust::children(folder) {
        let entry = entry.map_err(PullError::Bundles)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            bundles.push(entry.into_path());
        }
    }
    if bundles.is_empty() { Err(PullError::NoBundle { folder: folder.to_owned() }) } else { Ok(bundles) }
}

/// A reason as one line that is safe on a terminal.
pub(crate) fn reason(text: &str) -> Vec<u8> {
    let mut line: String = ci_commands::escape(&clean(text)).chars().take(REASON_LETTERS).collect();
    line.push('\n');
    line.into_bytes()
}

/// The media types of what containerd writes to standard input.
const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";
const INPUT: &str = "application/vnd.containerd.image-verifier.input.v1+json";

/// What containerd writes to standard input with `verify_on_run`.
#[derive(Deserialize)]
struct Input {
    descriptor: Descriptor,
    operation: Operation,
}

const INPUT_SHAPE: Shape = Shape::Object(&[
    ("descriptor", &shape::DESCRIPTOR),
    ("operation", &Shape::Any),
    ("annotations", &Shape::Any),
]);

/// Letters of a reason. Logs, clients and Kubernetes' events repeat it; containerd accepts 32 KiB.
const REASON_LETTERS: usize = 1_000;

/// Why an image that is about to be pulled was not judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    #[error("standard input is said to hold {media_type}; this version reads {DESCRIPTOR} and {INPUT}")]
    MediaType { media_type: String },
    #[error("standard input cannot be read")]
    Stdin(#[from] io::Error),
    #[error(
        "standard input has more than {} bytes, and no question of containerd's has",
        limits::PULLED_DESCRIPTOR_BYTES
    )]
    TooLarge,
    #[error("standard input does not describe an image")]
    Descriptor(#[from] JsonError),
    #[error("the operation on standard input is not the one of the flag -operation")]
    OtherOperation,
    #[error("{given} was asked for, but the descriptor on standard input is of {found}")]
    OtherDigest { given: String, found: String },
    #[error("no policy can be chosen by the name {name}")]
    Name { name: String, source: ReferenceError },
    #[error("bundles: {}", explain(.0))]
    Bundles(io::Error),
    #[error("there is no bundle in {}", folder.display())]
    NoBundle { folder: PathBuf },
}

#[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
#[cfg(test)]
mod tests {
    use assay_verifier::oci::Digest;
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::config::Plan;

    fn plan(name: &str, digest: &str, media_type: &str) -> ImageVerifierPlan {
        plan_of(name, digest, media_type, &[])
    }

    fn plan_of(name: &str, digest: &str, media_type: &str, more: &[&str]) -> ImageVerifierPlan {
        let args = ["image-verifier", "-name", name, "-digest", digest, "-stdin-media-type", media_type];
        let args = args.iter().chain(more);
        let Arguments { args, for_containerd } = Arguments::new(args.map(Into::into));
        assert!(for_containerd);
        match Plan::new(Cli::try_parse_from(args).unwrap().command) {
            Ok(Plan::ImageVerifier(plan)) => plan,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(name: &str, digest: &str, media_type: &str, stdin: &str) -> PullError {
        read_target(&plan(name, digest, media_type), stdin.as_bytes()).unwrap_err()
    }

    fn descriptor(digest: &Digest) -> String {
        format!(r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{digest}","size":7}}"#)
    }

    const NAME: &str = "r.example/app:v1";

    #[test]
    fn what_containerd_says_must_agree() {
        let [digest, other] = [b"1", b"2"].map(|bytes| Digest::sha256(bytes));
        let stdin = descriptor(&digest);
        // Go's encoder ends with a line break
        let line = format!("{stdin}\n");
        let good = read_target(&plan(NAME, digest.as_str(), DESCRIPTOR), line.as_bytes()).unwrap();
        assert_eq!(good, Descriptor::new("application/vnd.oci.image.index.v1+json", digest.clone(), 7));
        let by_digest = format!("r.example/app@{digest}");
        assert!(read_target(&plan(&by_digest, digest.as_str(), DESCRIPTOR), line.as_bytes()).is_ok());

        let given = |digest: &Digest, stdin: &str| refusal(NAME, digest.as_str(), DESCRIPTOR, stdin);
        assert!(matches!(given(&other, &stdin), PullError::OtherDigest { .. }));
        let of_another = refusal(&format!("r.example/app@{other}"), digest.as_str(), DESCRIPTOR, &stdin);
        assert!(matches!(of_another, PullError::OtherDigest { .. }));
        for stdin in ["", "{}", "null", &format!("{stdin}{stdin}"), &stdin.replace("sha256", "md5")] {
            assert!(matches!(given(&digest, stdin), PullError::Descriptor(_)), "{stdin}");
        }
        // containerd would read these differently.
        for more in
            [r#""size":7"#, r#""Digest":"sha256:0""#, r#""x":1,"x":1"#, r#""platform":{"OS":"linux"}"#]
        {
            let stdin = stdin.replace('}', &format!(",{more}}}"));
            assert!(matches!(given(&digest, &stdin), PullError::Descriptor(_)), "{more}");
        }
        let media_type = refusal(NAME, digest.as_str(), "application/json", &stdin);
        assert!(matches!(media_type, PullError::MediaType { .. }));
        for name in
            ["", "app", "app:v1", digest.as_str(), "r.example/app:v1@", "r.example/App", "-h", "--help"]
        {
            let refused = refusal(name, digest.as_str(), DESCRIPTOR, &stdin);
            assert!(matches!(refused, PullError::Name { .. }), "{name}");
        }
    }

    #[test]
    fn an_image_may_be_asked_for_with_its_operation() {
        let [digest, other] = [b"1", b"2"].map(|bytes| Digest::sha256(bytes));
        let stdin = format!(
            r#"{{"descriptor":{},"operation":"run","annotations":{{"io.kubernetes.cri.container-name":"app"}},"future":1}}"#,
            descriptor(&digest)
        );
        let read = |digest: &Digest, stdin: &str, flags: &[&str]| {
            read_target(&plan_of(NAME, digest.as_str(), INPUT, flags), stdin.as_bytes())
        };
        let target = Descriptor::new("application/vnd.oci.image.index.v1+json", digest.clone(), 7);
        for flags in [&[][..], &["-operation", "run"]] {
            assert_eq!(read(&digest, &stdin, flags).unwrap(), target);
        }
        let pull = stdin.replace("run", "pull");
        assert_eq!(read(&digest, &pull, &["-operation", "pull"]).unwrap(), target);
        for (stdin, flag) in [(&stdin, "pull"), (&pull, "run")] {
            let refused = read(&digest, stdin, &["-operation", flag]).unwrap_err();
            assert!(matches!(refused, PullError::OtherOperation), "{flag}");
        }
        assert!(matches!(read(&other, &stdin, &[]).unwrap_err(), PullError::OtherDigest { .. }));
        for stdin in [
            &descriptor(&digest),
            &stdin.replace(r#""operation":"run","#, ""),
            &stdin.replace("\"run\"", "\"push\""),
            &stdin.replace("\"run\"", "\"Run\""),
            &stdin.replace("\"descriptor\"", "\"Descriptor\""),
            &stdin.replace("\"future\":1", "\"Descriptor\":null"),
            &stdin.replace("\"future\":1", "\"operation\":\"run\""),
            &stdin.replace("\"size\":7", "\"size\":7,\"Size\":8"),
            "{}",
            "null",
        ] {
            let refused = read(&digest, stdin, &["-operation", "run"]).unwrap_err();
            assert!(matches!(refused, PullError::Descriptor(_)), "{stdin}: {refused:?}");
        }
        // Each form is read under its own media type only.
        let refused = refusal(NAME, digest.as_str(), DESCRIPTOR, &stdin);
        assert!(matches!(refused, PullError::Descriptor(_)), "{refused:?}");
    }

    #[test]
    fn standard_input_is_bounded() {
        let digest = Digest::sha256(b"1");
        let most = usize::try_from(limits::PULLED_DESCRIPTOR_BYTES).unwrap();
        let plan = plan(NAME, digest.as_str(), DESCRIPTOR);
        let stdin = descriptor(&digest);
        let stdin = format!("{stdin}{}", " ".repeat(most - stdin.len()));
        assert!(read_target(&plan, stdin.as_bytes()).is_ok());
        assert!(matches!(read_target(&plan, format!("{stdin} ").as_bytes()), Err(PullError::TooLarge)));
        assert!(matches!(read_target(&plan, io::repeat(b' ')), Err(PullError::TooLarge)));
    }

    #[test]
    fn every_bundle_of_a_folder_is_taken_and_one_must_be_there() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("bundles");
        assert!(matches!(bundles_in(&folder), Err(PullError::Bundles(_))));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(".copying.tar"), "").unwrap();
        assert!(matches!(bundles_in(&folder), Err(PullError::NoBundle { .. })));
        std::fs::write(folder.join("b.tar"), "").unwrap();
        std::fs::create_dir_all(folder.join("a/inner")).unwrap();
        assert_eq!(bundles_in(&folder).unwrap(), [folder.join("a"), folder.join("b.tar")]);
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let line = reason(&format!("a\nb\u{1b}[31m\u{202e}{}", "ü".repeat(5_000)));
        let line = String::from_utf8(line).unwrap();
        assert_eq!((line.lines().count(), line.chars().count()), (1, REASON_LETTERS + 1));
        assert!(line.starts_with(r"a\u{a}b\u{1b}[31m\u{202e}ü"));
    }
}
