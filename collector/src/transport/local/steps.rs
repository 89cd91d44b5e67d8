//! A visit's steps, carried out by this program: a step and its input in, what a node's shell would have said out.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{Child, drive, within};
use crate::archive;
use crate::clock;
use crate::transport::{Command, Exit, Output, SessionError};
use crate::visit::{CANNOT_RUN, FOLDER_LEFT, NO_PLACE, NOT_UNPACKED, OTHER_BYTES, Step};

/// How often a folder is tried to be removed: Windows keeps a program's file for a moment after its end.
const TRIES: u32 = 50;

/// Carries out what `command` says.
pub(super) async fn run(command: Command<'_>) -> Result<Output, SessionError> {
    match Step::parse(command.text) {
        Some(Step::Prepare { name }) => Ok(prepare(&place(&name))),
        Some(Step::Upload { folder, sums_sha256 }) => upload(Path::new(&folder), &sums_sha256, command).await,
        Some(Step::Run { folder, mark, arguments, limit }) => {
            let mut output = match within(limit, agent(Path::new(&folder), &arguments, command)).await {
                Err(SessionError::TimedOut(_)) => return Ok(said(TIMED_OUT, "")),
                other => other?,
            };
            output.stdout.splice(0..0, format!("{mark}\n").into_bytes());
            Ok(output)
        }
        Some(Step::CleanUp { name }) => Ok(clean_up(&place(&name)).await),
        None => Err(SessionError::Refused("it is no step of a visit".to_owned())),
    }
}

/// What `timeout` exits with.
const TIMED_OUT: u32 = 124;

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

fn said(code: u32, stdout: &str) -> Output {
    Output { exit: Exit::Code(code), stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
}

fn failed(code: u32, error: &io::Error) -> Output {
    Output { stderr: error.to_string().into_bytes(), ..said(code, "") }
}

fn prepare(folder: &Path) -> Output {
    let builder = &mut std::fs::DirBuilder::new();
    // On Windows what is made among a person's temporary files is that person's alone.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    if let Err(error) = builder.create(folder) {
        return failed(NO_PLACE, &error);
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "AMD64",
        "aarch64" => "ARM64",
        other => other,
    };
    let clock = clock::now().seconds();
    said(0, &format!("assay-node {architecture}\nassay-clock {clock}\nassay-folder {}\n", folder.display()))
}

async fn upload(folder: &Path, sums_sha256: &str, command: Command<'_>) -> Result<Output, SessionError> {
    let mut bytes = Vec::new();
    if let Some(input) = command.input {
        input.read(|part| bytes.extend_from_slice(part)).map_err(SessionError::Input)?;
    }
    let mut archive = tar::Archive::new(bytes.as_slice());
    archive.set_preserve_mtime(false);
    if let Err(error) = archive.unpack(folder) {
        return Ok(failed(NOT_UNPACKED, &error));
    }
    match as_listed(folder, sums_sha256) {
        Ok(true) => {}
        Ok(false) => return Ok(said(OTHER_BYTES, "")),
        Err(error) => return Ok(failed(OTHER_BYTES, &error)),
    }
    let version = agent(folder, &["version".to_owned()], Command { input: None, ..command }).await;
    Ok(match version {
        Ok(Output { exit: Exit::Code(0), .. }) => said(0, "assay-uploaded\n"),
        Ok(output) => Output { exit: Exit::Code(CANNOT_RUN), ..output },
        Err(error) => failed(CANNOT_RUN, &io::Error::other(error.to_string())),
    })
}

/// Whether every file is what `SHA256SUMS` says, and that what was sent.
fn as_listed(folder: &Path, sums_sha256: &str) -> io::Result<bool> {
    let sha256 = |name: &str| {
        let file = archive::file(&folder.join(name)).map_err(|error| io::Error::other(error.to_string()))?;
        archive::sha256(&file)
    };
    if sha256("SHA256SUMS")? != sums_sha256 {
        return Ok(false);
    }
    for line in std::fs::read_to_string(folder.join("SHA256SUMS"))?.lines() {
        let listed = line.split_once("  ").map(|(digest, name)| Ok::<_, io::Error>(sha256(name)? == digest));
        if !listed.transpose()?.unwrap_or(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The agent in its folder.
async fn agent(folder: &Path, arguments: &[String], command: Command<'_>) -> Result<Output, SessionError> {
    let program = folder.join(format!("assay-agent{}", std::env::consts::EXE_SUFFIX));
    let mut agent = tokio::process::Command::new(&program);
    agent.args(arguments).current_dir(folder).kill_on_drop(true);
    agent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    super::apart(&mut agent);
    let mut child: Child =
        agent.spawn().map_err(|error| SessionError::Refused(format!("{}: {error}", program.display())))?;
    drive(&mut child, Command { input: None, ..command }).await
}

async fn clean_up(folder: &Path) -> Output {
    let was_there = folder.symlink_metadata().is_ok();
    for _ in 0..TRIES {
        if std::fs::remove_dir_all(folder).is_ok() || folder.symlink_metadata().is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut stdout = Vec::new();
    let gone = folder.symlink_metadata().is_err();
    let word = if gone { "assay-removed" } else { "assay-left" };
    if was_there {
        // writing to a Vec does not fail
        let _ = writeln!(stdout, "{word} {}", folder.display());
    }
    if gone {
        stdout.extend(b"assay-clean\n");
    }
    Output { stdout, ..said(if gone { 0 } else { FOLDER_LEFT }, "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::transport::Input;

    async fn said_to(step: &Step, input: Option<&Input>) -> Output {
        let command =
            Command { text: &step.text(), input, limit: Duration::from_secs(60), output_limit: 1000 };
        run(command).await.unwrap()
    }

    fn sums(files: &[(&str, &str)]) -> String {
        let line = |(name, text): &(&str, &str)| {
            format!("{}  {name}\n", assay_verifier::oci::Digest::sha256(text.as_bytes()).hex())
        };
        files.iter().map(line).collect()
    }

    #[tokio::test]
    async fn a_folder_is_made_once_filled_with_what_was_listed_and_removed() {
        let name = format!("assay-{}", random::hex(8));
        let prepare = Step::Prepare { name: name.clone() };
        let prepared = said_to(&prepare, None).await;
        let folder = place(&name);
        let line = format!("assay-folder {}\n", folder.display());
        assert!(String::from_utf8(prepared.stdout).unwrap().ends_with(&line));
        assert_eq!(said_to(&prepare, None).await.exit, Exit::Code(NO_PLACE), "what is there is another's");

        let files = [("trust/trustpolicy.json", "{}"), ("bundles/a.tar", "")];
        let (good, bad) = (sums(&files), sums(&[("trust/trustpolicy.json", "[]")]));
        // an agent that is none comes last: everything else was right by then
        for (listed, expected, code) in
            [(&good, &good, CANNOT_RUN), (&bad, &bad, OTHER_BYTES), (&good, &bad, OTHER_BYTES)]
        {
            let mut packed = archive::Archive::default();
            for (name, text) in files.into_iter().chain([("SHA256SUMS", listed.as_str())]) {
                let mut input = Input::default();
                input.bytes(text.as_bytes().to_vec());
                packed.add(name, 0o600, &input).unwrap();
            }
            let sums_sha256 = assay_verifier::oci::Digest::sha256(expected.as_bytes()).hex().to_owned();
            let upload = Step::Upload { folder: folder.display().to_string(), sums_sha256 };
            assert_eq!(said_to(&upload, Some(&packed.finish())).await.exit, Exit::Code(code));
        }
        let mut torn = Input::default();
        torn.bytes(vec![1; 700]);
        let upload = Step::Upload { folder: folder.display().to_string(), sums_sha256: String::new() };
        assert_eq!(said_to(&upload, Some(&torn)).await.exit, Exit::Code(NOT_UNPACKED));

        let clean_up = Step::CleanUp { name };
        let removed = said_to(&clean_up, None).await;
        assert_eq!(removed.exit, Exit::Code(0));
        assert_eq!(removed.stdout, format!("assay-removed {}\nassay-clean\n", folder.display()).into_bytes());
        assert!(!folder.exists());
        assert_eq!(said_to(&clean_up, None).await.stdout, b"assay-clean\n");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_report_follows_its_mark_and_time_is_limited() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let agent = scratch.path().join("assay-agent");
        for (script, exit, stdout) in [
            ("echo \"$1\" in $(basename \"$PWD\"); exit 3", 3, "m\nverify"),
            ("exec sleep 60", TIMED_OUT, ""),
        ] {
            std::fs::write(&agent, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o700)).unwrap();
            let step = Step::Run {
                folder: scratch.path().display().to_string(),
                mark: "m".to_owned(),
                arguments: vec!["verify".to_owned()],
                limit: Duration::from_secs(2),
            };
            let output = said_to(&step, None).await;
            assert_eq!(output.exit, Exit::Code(exit), "{}", output.complaint());
            assert!(output.stdout.starts_with(stdout.as_bytes()));
        }
    }
}
