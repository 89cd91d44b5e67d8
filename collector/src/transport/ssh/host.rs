//! Carries out the steps of a visit over an SSH session, with the scripts of the shell that the node has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_report::Outcome;
use assay_verifier::limits;
use assay_verifier::time::UnixTime;

use super::client::{Client, Connector};
use super::command::Command;
use super::shell::{self, Answer, PosixShell, PowerShell, QUESTION, Script, Shell, has_run};
use crate::journal::FolderRecord;
use crate::nodes::{Node, Os, Sudo};
use crate::transport::error::{ConnectError, SessionError};
use crate::transport::failure::Failure;
use crate::transport::host::{
    AgentRun, CleanedUp, Connect, Folders, Host, NodeFacts, Preparation, Prepared, Ran, RunEnd, Upload,
};
use crate::transport::output::{Exit, Output};
use crate::{clean, clock, random};

/// Bytes that a script may print; it prints some lines.
const OUTPUT_BYTES: usize = 64 << 10;

/// A node that was reached over SSH.
pub(crate) struct SshHost {
    client: Client,
    node: Node,
    /// The shell that the scripts are written for, once one of them was sent.
    shell: Option<Arc<dyn Shell>>,
    facts: NodeFacts,
}

/// Why the node's shell is not known.
enum NoShell {
    /// It cannot be asked.
    Session(SessionError),
    /// It says something else.
    Words(String),
}

impl Connect for Connector {
    type Host = SshHost;

    async fn connect(&self, node: &Node) -> Result<SshHost, ConnectError> {
        let client = self.client(&node.name).await?;
        let facts = NodeFacts { host_key: Some(client.host_key().to_owned()), ..NodeFacts::default() };
        Ok(SshHost { client, node: node.clone(), shell: None, facts })
    }
}

impl Host for SshHost {
    fn facts(&self) -> &NodeFacts {
        &self.facts
    }

    async fn prepare(
        &mut self,
        request: &Preparation<'_>,
        record: &mut FolderRecord<'_>,
    ) -> Result<Prepared, Failure> {
        let shells = self.shells(request.limit).await.map_err(|error| match error {
            NoShell::Session(error) => Failure::step("asking for the shell", &error),
            NoShell::Words(words) => shell::by_shell(&self.node, &words),
        })?;
        let mut words = None;
        for shell in shells {
            match self.prepare_in(shell, request, record).await? {
                Ok(prepared) => return Ok(prepared),
                Err(instead) => words = words.or(instead),
            }
        }
        Err(shell::by_shell(&self.node, &words.unwrap_or_default()))
    }

    async fn upload(&mut self, upload: &Upload<'_>) -> Result<(), Failure> {
        let failed = |error| Failure::step("uploading", &error);
        let shell = self.prepared_shell();
        let script = shell.upload(upload).map_err(|error| failed(SessionError::Input(error)))?;
        let output = self.execute(&script, upload.limit, OUTPUT_BYTES).await.map_err(failed)?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        if output.exit == Exit::Code(0) && stdout.lines().any(|line| line == "assay-uploaded") {
            return Ok(());
        }
        let complaint = output.complaint();
        Err(match output.exit {
            Exit::Code(shell::OTHER_BYTES) => Failure::other_bytes(
                &complaint,
                "check whether the disk is full or failing, and that sha256sum is installed",
            ),
            Exit::Code(shell::CANNOT_RUN) => {
                Failure::agent_does_not_run(&complaint, &shell.forbidden_hint(&stdout))
            }
            _ => Failure::new(
                Outcome::UploadFailed,
                format!("unpacking: {complaint}"),
                "make room on the node, and check that tar is installed",
            ),
        })
    }

    async fn run(&mut self, run: &AgentRun<'_>) -> Result<Ran, Failure> {
        // Some shells print at login; the report begins after a line that they cannot know.
        let mark = format!("assay-report-{}", random::hex(8));
        let script = self.prepared_shell().run(run.folder, &mark, run.arguments, run.limit);
        let began = Instant::now();
        let output = self
            .execute(&script, run.limit + run.gather, limits::REPORT_BYTES)
            .await
            .map_err(|error| Failure::step("running the agent", &error))?;
        let complaint = output.complaint();
        let end = match output.exit {
            // `timeout` exits with 124. If it has to kill, it exits with 137 as any program that is killed.
            Exit::Code(124 | 137) if began.elapsed() >= run.limit => RunEnd::TimedOut,
            Exit::Code(code @ 129..=192) => RunEnd::Killed((code - 128).to_string()),
            Exit::Code(code) => RunEnd::Exited(code),
            Exit::Signal(signal) => RunEnd::Killed(signal),
            Exit::Unknown => RunEnd::Unknown,
        };
        Ok(Ran { end, report: after_mark(output.stdout, &mark).unwrap_or_default(), complaint })
    }

    async fn clean_up(&mut self, folders: &Folders, limit: Duration) -> Result<CleanedUp, SessionError> {
        let shells = match &self.shell {
            Some(shell) => vec![Arc::clone(shell)],
            None => match self.shells(limit).await {
                Ok(shells) => shells,
                Err(NoShell::Session(error)) => return Err(error),
                Err(NoShell::Words(words)) => return Ok(CleanedUp::NotRun { words }),
            },
        };
        let mut words = None;
        for shell in shells {
            let script = shell.clean_up(folders);
            let output = self.execute(&script, limit, OUTPUT_BYTES).await?;
            if has_run(&output) {
                return Ok(cleaned_up(&output));
            }
            words.get_or_insert_with(|| shell::words(&output, &script.text));
        }
        Ok(CleanedUp::NotRun { words: words.unwrap_or_default() })
    }

    async fn reconnect(&mut self) -> Result<(), ConnectError> {
        self.client.reconnect().await
    }

    async fn close(&mut self) {
        self.client.close().await;
    }
}

impl SshHost {
    async fn execute(
        &mut self,
        script: &Script,
        limit: Duration,
        output_limit: usize,
    ) -> Result<Output, SessionError> {
        let Script { text, input } = script;
        self.client.run(Command { text, input: input.as_ref(), limit, output_limit }).await
    }

    /// The shells to try, the likelier one first.
    async fn shells(&mut self, limit: Duration) -> Result<Vec<Arc<dyn Shell>>, NoShell> {
        let posix: Arc<dyn Shell> = self.posix_shell();
        match self.node.os {
            Some(Os::Linux) => return Ok(vec![posix]),
            Some(Os::Windows) => return Ok(vec![Arc::new(PowerShell)]),
            None => {}
        }
        let question = Script { text: QUESTION.to_owned(), input: None };
        let output = self.execute(&question, limit, OUTPUT_BYTES).await.map_err(NoShell::Session)?;
        match shell::answer(&String::from_utf8_lossy(&output.stdout)) {
            Some(Answer::PosixOrPowerShell) => Ok(vec![posix, Arc::new(PowerShell)]),
            Some(Answer::PowerShell) => Ok(vec![Arc::new(PowerShell)]),
            None => Err(NoShell::Words(shell::words(&output, QUESTION))),
        }
    }

    fn posix_shell(&self) -> Arc<PosixShell> {
        let sudo_password = self.client.sudo_password().cloned();
        Arc::new(PosixShell { sudo: self.node.sudo, sudo_password })
    }

    /// The shell in which the folder was made.
    fn prepared_shell(&self) -> Arc<dyn Shell> {
        self.shell.clone().unwrap_or_else(|| self.posix_shell())
    }

    /// Makes the folder with the scripts of `shell`. If the node's shell is another one, its words are returned, unless the
    /// script has run after all.
    async fn prepare_in(
        &mut self,
        shell: Arc<dyn Shell>,
        request: &Preparation<'_>,
        record: &mut FolderRecord<'_>,
    ) -> Result<Result<Prepared, Option<String>>, Failure> {
        let script = shell.prepare(request);
        record.begin().await;
        self.shell = Some(Arc::clone(&shell));
        let result = self.execute(&script, request.limit, OUTPUT_BYTES).await;
        // If the script cannot have run, or says that it did not try any folder, there is nothing to clean up. Otherwise that
        // is unknown.
        let may_have_made = match &result {
            Ok(output) => shell.may_have_made(output),
            Err(error) => !matches!(error, SessionError::NoSession(_) | SessionError::Refused(_)),
        };
        if !may_have_made {
            record.not_made();
        }
        let output = result.map_err(|error| Failure::step("preparing", &error))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let Some(platform) = stdout.lines().find_map(|line| shell.platform(line)) else {
            return Ok(Err((!has_run(&output)).then(|| shell::words(&output, &script.text))));
        };
        self.facts.platform = platform.ok();
        let clock = stdout.lines().find_map(|line| line.strip_prefix("assay-clock "));
        let clock = clock.and_then(|seconds| UnixTime::from_seconds(seconds.parse().ok()?));
        self.facts.clock_skew = clock.map(|clock| clock.seconds().saturating_sub(clock::now().seconds()));
        let platform = match platform {
            Ok(platform) if request.platforms.contains(&platform) => platform,
            other => {
                let name = other.map_or_else(|words| clean::line(words, 80), |platform| platform.to_string());
                return Err(Failure::unsupported(&name, request.platforms));
            }
        };
        match stdout.lines().find_map(|line| shell.folder(line, request.name)) {
            Some(folder) => Ok(Ok(Prepared { folder: folder.to_owned(), platform })),
            None if shell.is_stopped_by_sudo(&stdout) => {
                Err(self.stopped_by_sudo(&output, request.limit).await)
            }
            None => Err(no_folder(&self.node, &output, &stdout, &*shell)),
        }
    }

    /// Why sudo did not run the script. If it wants a password for this script, it may still run other commands: it is asked
    /// for its list.
    async fn stopped_by_sudo(&mut self, output: &Output, limit: Duration) -> Failure {
        let mut list = None;
        if self.node.sudo == Sudo::Yes && shell::wants_password(output) {
            let question = Script { text: shell::SUDO_LIST.to_owned(), input: None };
            // Without an answer the hint is the one for a password.
            list = self.execute(&question, limit, OUTPUT_BYTES).await.ok();
        }
        shell::by_sudo(&self.node, output, list.as_ref())
    }
}

fn no_folder(node: &Node, output: &Output, stdout: &str, shell: &dyn Shell) -> Failure {
    let places: Vec<String> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("assay-place "))
        .map(|place| clean::line(place, 200))
        .collect();
    if output.exit == Exit::Code(shell::NO_PLACE) {
        let message = format!("no place for the agent: {}", places.join(", "));
        let noexec = |place: &String| place.ends_with(" noexec");
        let forbidden = |place: &String| noexec(place) || place.ends_with(" not-executable");
        return if places.is_empty() || !places.iter().all(forbidden) {
            let hint = "make room in one of these folders, or let the login write there";
            Failure::new(Outcome::UploadFailed, message, hint)
        } else if places.iter().all(noexec) {
            Failure::new(Outcome::AgentFailed, message, "mount one of these file systems without noexec")
        } else {
            Failure::new(Outcome::AgentFailed, message, &shell.forbidden_hint(stdout))
        };
    }
    if node.sudo != Sudo::No && output.exit == Exit::Code(shell::NO_PROGRAMS) {
        return shell::by_noexec(node, output);
    }
    let message = format!("making the folder: {}", output.complaint());
    Failure::new(Outcome::UploadFailed, message, "see the node's own log")
}

/// What a clean-up says. A folder counts as gone only if the node says so.
fn cleaned_up(output: &Output) -> CleanedUp {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let named = |prefix: &str| {
        let found = stdout.lines().find_map(|line| line.strip_prefix(prefix));
        found.map(clean::name)
    };
    if output.exit == Exit::Code(0) && stdout.lines().any(|line| line == "assay-clean") {
        return CleanedUp::Clean { removed: named("assay-removed ") };
    }
    let complaint = output.complaint();
    let message = match output.exit {
        Exit::Code(shell::FOLDER_LEFT) => format!("the folder could not be removed: {complaint}"),
        Exit::Code(shell::VISIT_RUNS) => {
            let folders: Vec<&str> =
                stdout.lines().filter_map(|line| line.strip_prefix("assay-visited ")).collect();
            format!(
                "a visit runs in {} and is left alone; name its run with --out to end it",
                folders.join(", ")
            )
        }
        Exit::Code(shell::PROCESS_LEFT) => format!("a process in the folder could not be ended: {complaint}"),
        _ => format!("the node did not say that the folder is gone: {complaint}"),
    };
    CleanedUp::Left { folder: named("assay-left "), message: clean::block(&message, clean::MESSAGE) }
}

/// What follows the line `mark`.
fn after_mark(mut stdout: Vec<u8>, mark: &str) -> Option<Vec<u8>> {
    let line = format!("{mark}\n").into_bytes();
    let at = stdout.windows(line.len()).position(|window| window == line)?;
    stdout.drain(..at + line.len());
    Some(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_begins_after_its_mark() {
        let after = |text: &str| after_mark(text.as_bytes().to_vec(), "m-1");
        assert_eq!(after("m-1\n{}").as_deref(), Some(&b"{}"[..]));
        assert_eq!(after("Welcome!\nm-1\n{}\nm-1\n").as_deref(), Some(&b"{}\nm-1\n"[..]));
        assert_eq!(after("{}"), None);
        assert_eq!(after(""), None);
    }
}
