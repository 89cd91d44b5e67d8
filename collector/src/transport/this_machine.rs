//! Carries out the steps of a visit in folders of this machine, for `assay demo`: the agent runs as a process of this program's
//! own user.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use assay_report::Outcome;
use assay_verifier::limits::REPORT_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::error::{ConnectError, SessionError};
use super::failure::Failure;
use super::host::{
    AgentRun, CleanedUp, Connect, Folders, Host, NodeFacts, Preparation, Prepared, Ran, RunEnd, Upload,
};
use super::input::Input;
use super::output::{Exit, Output, STDERR_BYTES};
use crate::archive;
use crate::errors::with_sources;
use crate::journal::FolderRecord;
use crate::nodes::{Node, Platform};

/// This machine, which is every node.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThisMachine {
    facts: NodeFacts,
}

/// How often something is tried that the system may refuse for a moment: Windows keeps a program's file after its end, and on
/// Linux a program cannot be started while another process, just forked, still has its file open for writing.
const TRIES: u32 = 50;

/// How long to wait between two of these tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes that the agent may print about itself.
const VERSION_BYTES: usize = 64 << 10;

impl Connect for ThisMachine {
    type Host = Self;

    async fn connect(&self, _: &Node) -> Result<Self, ConnectError> {
        Ok(Self::default())
    }
}

impl Host for ThisMachine {
    fn facts(&self) -> &NodeFacts {
        &self.facts
    }

    async fn prepare(
        &mut self,
        request: &Preparation<'_>,
        record: &mut FolderRecord<'_>,
    ) -> Result<Prepared, Failure> {
        self.facts.platform = Platform::of_this_machine();
        self.facts.clock_skew = Some(0);
        let platform = self.facts.platform.filter(|platform| request.platforms.contains(platform));
        let Some(platform) = platform else {
            let name = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
            return Err(Failure::unsupported(&name, request.platforms));
        };
        record.begin().await;
        let mut reasons = Vec::new();
        for place in places() {
            let folder = place.join(request.name);
            match make(&folder).await {
                Ok(()) => return Ok(Prepared { folder: folder.display().to_string(), platform }),
                Err(error) => reasons.push(format!("{}: {error}", place.display())),
            }
        }
        record.not_made();
        let message = format!("no place for the agent: {}", reasons.join(", "));
        Err(Failure::new(
            Outcome::UploadFailed,
            message,
            "make one of these folders writable, without noexec",
        ))
    }

    async fn upload(&mut self, upload: &Upload<'_>) -> Result<(), Failure> {
        let folder = PathBuf::from(upload.folder);
        let (archive, sums_sha256) = (upload.archive.clone(), upload.sums_sha256.to_owned());
        let there = folder.clone();
        // Reading and hashing would hold up the other visits.
        let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &there, &sums_sha256)).await;
        unpacked.map_err(|error| not_unpacked(&error))??;
        let arguments = ["version".to_owned()];
        let complaint = match within(upload.limit, agent(&folder, &arguments, VERSION_BYTES)).await {
            Ok(Output { exit: Exit::Code(0), .. }) => return Ok(()),
            Ok(output) => output.complaint(),
            Err(error) => error.to_string(),
        };
        Err(Failure::agent_does_not_run(
            &complaint,
            "check whether a security module or a virus scanner forbids it",
        ))
    }

    async fn run(&mut self, run: &AgentRun<'_>) -> Result<Ran, Failure> {
        let arguments: Vec<String> = run.arguments.iter().cloned().chain(["--output=-".to_owned()]).collect();
        let output = match within(run.limit, agent(Path::new(run.folder), &arguments, REPORT_BYTES)).await {
            Ok(output) => output,
            Err(error @ SessionError::TimedOut(_)) => {
                return Ok(Ran { end: RunEnd::TimedOut, report: Vec::new(), complaint: error.to_string() });
            }
            Err(error) => return Err(Failure::step("running the agent", &error)),
        };
        let complaint = output.complaint();
        let end = match output.exit {
            Exit::Code(code) => RunEnd::Exited(code),
            Exit::Signal(signal) => RunEnd::Killed(signal),
            Exit::Unknown => RunEnd::Unknown,
        };
        Ok(Ran { end, report: output.stdout, complaint })
    }

    async fn clean_up(&mut self, folders: &Folders, _: Duration) -> Result<CleanedUp, SessionError> {
        let Folders::OfVisit(name) = folders else {
            return Err(SessionError::Refused(
                "on this machine a visit is cleaned up by its name".to_owned(),
            ));
        };
        let mut removed = None;
        for folder in places().into_iter().map(|place| place.join(name)) {
            let shown = folder.display().to_string();
            match remove(&folder).await {
                Ok(true) => removed = Some(shown),
                Ok(false) => {}
                Err(error) => {
                    let message = format!("the folder could not be removed: {error}");
                    return Ok(CleanedUp::Left { folder: Some(shown), message });
                }
            }
        }
        Ok(CleanedUp::Clean { removed })
    }

    async fn reconnect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn close(&mut self) {}
}

/// Where a folder is tried, in this order.
fn places() -> Vec<PathBuf> {
    let mut places = vec![std::env::temp_dir()];
    if cfg!(unix) {
        places.push(PathBuf::from("/var/tmp"));
    }
    #[expect(clippy::disallowed_methods, reason = "the last resort of a demo, not configuration")]
    places.extend(std::env::home_dir());
    places
}

/// Makes a private folder in which programs can be run.
async fn make(folder: &Path) -> io::Result<()> {
    let builder = &mut std::fs::DirBuilder::new();
    // On Windows what is made among a user's temporary files is private to that user.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder.create(folder)?;
    let probed = probe(folder).await;
    if probed.is_err() {
        std::fs::remove_dir_all(folder)?;
    }
    probed
}

/// Runs a program in the folder: the file system may be mounted `noexec`.
#[cfg(unix)]
async fn probe(folder: &Path) -> io::Result<()> {
    use std::io::Write as _;
    let probe = folder.join("probe");
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o700);
    options.open(&probe)?.write_all(b"#!/bin/sh\nexit 0\n")?;
    let status = start(Command::new(&probe).stdin(Stdio::null())).await?.wait().await?;
    std::fs::remove_file(&probe)?;
    if status.success() { Ok(()) } else { Err(io::Error::other("programs cannot be run there")) }
}

#[cfg(not(unix))]
async fn probe(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Unpacks an archive, and compares every file with what `SHA256SUMS` lists, and that with `sums_sha256`.
fn unpack(archive: &Input, folder: &Path, sums_sha256: &str) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    archive
        .read(|part| bytes.extend_from_slice(part))
        .map_err(|error| Failure::step("uploading", &SessionError::Input(error)))?;
    let mut archive = tar::Archive::new(bytes.as_slice());
    archive.set_preserve_mtime(false);
    archive.unpack(folder).map_err(|error| not_unpacked(&error))?;
    let other_bytes =
        |complaint: &str| Failure::other_bytes(complaint, "check whether the disk is full or failing");
    match differing(folder, sums_sha256) {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(other_bytes(&name)),
        Err(error) => Err(other_bytes(&with_sources(&error))),
    }
}

fn not_unpacked(error: &dyn std::error::Error) -> Failure {
    Failure::new(Outcome::UploadFailed, format!("unpacking: {error}"), "make room on the disk")
}

/// The first file that is not as listed.
fn differing(folder: &Path, sums_sha256: &str) -> io::Result<Option<String>> {
    let sha256 = |name: &str| {
        let file = archive::file(&folder.join(name)).map_err(io::Error::other)?;
        archive::sha256(&file)
    };
    if sha256("SHA256SUMS")? != sums_sha256 {
        return Ok(Some("SHA256SUMS".to_owned()));
    }
    for line in std::fs::read_to_string(folder.join("SHA256SUMS"))?.lines() {
        let Some((digest, name)) = line.split_once("  ") else { return Ok(Some("SHA256SUMS".to_owned())) };
        if sha256(name)? != digest {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Runs the agent in its folder.
async fn agent(folder: &Path, arguments: &[String], output_limit: usize) -> Result<Output, SessionError> {
    let program = folder.join(format!("assay-agent{}", std::env::consts::EXE_SUFFIX));
    let mut agent = Command::new(&program);
    agent.args(arguments).current_dir(folder).kill_on_drop(true);
    agent.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A Ctrl-C on the terminal is for this program alone, which then cleans up.
    #[cfg(unix)]
    agent.process_group(0);
    #[cfg(windows)]
    agent.creation_flags(CREATE_NEW_PROCESS_GROUP);
    let mut child = start(&mut agent)
        .await
        .map_err(|error| SessionError::Refused(format!("{}: {error}", program.display())))?;
    let gone = || SessionError::Lost("the agent has no pipes".to_owned());
    let stdout = child.stdout.take().ok_or_else(gone)?;
    let stderr = child.stderr.take().ok_or_else(gone)?;
    let (stdout, stderr) = tokio::try_join!(whole(stdout, output_limit), beginning(stderr))?;
    let status = child.wait().await.map_err(lost)?;
    Ok(Output { exit: exit(status), stdout, stderr })
}

/// As Windows names it.
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Starts a program whose file was just written.
async fn start(command: &mut Command) -> io::Result<Child> {
    for _ in 1..TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => sleep(PAUSE).await,
            started => return started,
        }
    }
    command.spawn()
}

/// Removes a folder; says whether it was there.
async fn remove(folder: &Path) -> io::Result<bool> {
    if folder.symlink_metadata().is_err() {
        return Ok(false);
    }
    for _ in 1..TRIES {
        if std::fs::remove_dir_all(folder).is_ok() {
            return Ok(true);
        }
        sleep(PAUSE).await;
    }
    std::fs::remove_dir_all(folder).map(|()| true)
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    timeout(limit, step).await.unwrap_or(Err(SessionError::TimedOut(limit)))
}

/// Everything, or an error as soon as it is too much.
async fn whole(reader: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, SessionError> {
    let mut bytes = Vec::new();
    let mut reader = reader.take(limit as u64 + 1);
    reader.read_to_end(&mut bytes).await.map_err(lost)?;
    if bytes.len() > limit { Err(SessionError::OutputTooLarge(limit)) } else { Ok(bytes) }
}

/// The first bytes. What follows is read and dropped, so that the agent can go on writing.
async fn beginning(mut reader: impl AsyncRead + Unpin) -> Result<Vec<u8>, SessionError> {
    let mut bytes = Vec::new();
    (&mut reader).take(STDERR_BYTES as u64).read_to_end(&mut bytes).await.map_err(lost)?;
    tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.map_err(lost)?;
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn lost(error: io::Error) -> SessionError {
    SessionError::Lost(error.to_string())
}

fn exit(status: std::process::ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal.to_string());
    }
    status.code().and_then(|code| u32::try_from(code).ok()).map_or(Exit::Unknown, Exit::Code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crate::random;

    fn sums(files: &[(&str, &str)]) -> String {
        let line = |(name, text): &(&str, &str)| {
            format!("{}  {name}\n", assay_verifier::oci::Digest::sha256(text.as_bytes()).hex())
        };
        files.iter().map(line).collect()
    }

    async fn prepare(name: &str) -> (Result<Prepared, Failure>, bool) {
        let journal = Journal::none();
        let mut record = FolderRecord::new(&journal, "a", name);
        let platforms: Vec<Platform> = Platform::of_this_machine().into_iter().collect();
        let limit = Duration::from_secs(60);
        let request = Preparation { name, needed: 0, platforms: &platforms, limit };
        (ThisMachine::default().prepare(&request, &mut record).await, record.may_exist())
    }

    #[tokio::test]
    async fn a_folder_is_made_once_filled_with_what_was_listed_and_removed() {
        let name = format!("assay-{}", random::hex(8));
        let folders: Vec<PathBuf> = places().iter().map(|place| place.join(&name)).collect();
        let (prepared, may_exist) = prepare(&name).await;
        let folder = prepared.unwrap().folder;
        assert!(folders.iter().any(|path| path.display().to_string() == folder) && may_exist);
        assert!(folders.iter().any(|path| path.is_dir()));

        let files = [("trust/trustpolicy.json", "{}"), ("bundles/a.tar", "")];
        let (good, bad) = (sums(&files), sums(&[("trust/trustpolicy.json", "[]")]));
        let mut host = ThisMachine::default();
        let limit = Duration::from_secs(60);
        // The agent is missing. That is found last, so everything else was right.
        for (listed, expected, outcome) in [
            (&good, &good, Outcome::AgentFailed),
            (&bad, &bad, Outcome::UploadFailed),
            (&good, &bad, Outcome::UploadFailed),
        ] {
            let mut packed = archive::Archive::default();
            for (name, text) in files.into_iter().chain([("SHA256SUMS", listed.as_str())]) {
                let mut input = Input::default();
                input.bytes(text.as_bytes().to_vec());
                packed.add(name, 0o600, &input).unwrap();
            }
            let sums_sha256 = assay_verifier::oci::Digest::sha256(expected.as_bytes()).hex().to_owned();
            let upload =
                Upload { folder: &folder, archive: &packed.finish(), sums_sha256: &sums_sha256, limit };
            let failure = host.upload(&upload).await.unwrap_err();
            assert_eq!(failure.outcome, outcome, "{failure:?}");
            assert_eq!(failure.message.contains("differ"), outcome == Outcome::UploadFailed, "{failure:?}");
        }
        let mut torn = Input::default();
        torn.bytes(vec![1; 700]);
        let upload = Upload { folder: &folder, archive: &torn, sums_sha256: "", limit };
        let failure = host.upload(&upload).await.unwrap_err();
        assert_eq!(failure.outcome, Outcome::UploadFailed);
        assert!(failure.message.starts_with("unpacking: "), "{failure:?}");

        let of_visit = Folders::OfVisit(name);
        let cleaned = host.clean_up(&of_visit, limit).await.unwrap();
        assert_eq!(cleaned, CleanedUp::Clean { removed: Some(folder) });
        assert!(!folders.iter().any(|path| path.exists()));
        assert_eq!(host.clean_up(&of_visit, limit).await.unwrap(), CleanedUp::Clean { removed: None });
    }

    #[tokio::test]
    async fn a_folder_that_exists_belongs_to_another_visit() {
        let name = format!("assay-{}", random::hex(8));
        let folders: Vec<PathBuf> = places().iter().map(|place| place.join(&name)).collect();
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
        }
        let (prepared, may_exist) = prepare(&name).await;
        assert_eq!(prepared.unwrap_err().outcome, Outcome::UploadFailed);
        assert!(!may_exist);
        for folder in &folders {
            std::fs::remove_dir(folder).unwrap();
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_agent_brings_its_report_within_its_time() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let agent = scratch.path().join("assay-agent");
        for (script, end, report) in [
            ("echo \"$1\" in $(basename \"$PWD\"); exit 3", RunEnd::Exited(3), "verify in "),
            ("kill -9 $$", RunEnd::Killed("9".to_owned()), ""),
            ("exec sleep 60", RunEnd::TimedOut, ""),
        ] {
            std::fs::write(&agent, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o700)).unwrap();
            let run = AgentRun {
                folder: &scratch.path().display().to_string(),
                arguments: &["verify".to_owned()],
                limit: Duration::from_secs(2),
                gather: Duration::ZERO,
            };
            let ran = ThisMachine::default().run(&run).await.unwrap();
            assert_eq!(ran.end, end, "{}", ran.complaint);
            assert!(ran.report.starts_with(report.as_bytes()) && !ran.complaint.is_empty());
        }
    }
}
