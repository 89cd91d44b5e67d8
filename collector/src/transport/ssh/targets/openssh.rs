//! Asks this machine's `ssh` what it would do for a host (`ssh -G`), because no crate reads its configuration correctly.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use tempfile::TempPath;

use super::error::TargetError;
use crate::nodes::SshAddress;
use crate::nodes::ssh_config::{self, SshConfig};

/// The `ssh` of this machine. If it is not installed or not wanted, its answers are empty.
pub(super) struct OpenSsh {
    /// The configuration that it reads.
    config: Option<TempPath>,
    /// Its answers, by the address, login and port that it was asked for.
    answers: BTreeMap<SshAddress, SshConfig>,
}

/// How many processes run at once; each takes some milliseconds.
const AT_ONCE: usize = 8;

impl OpenSsh {
    /// Finds out whether there is an `ssh` to ask.
    pub(super) fn new(home: Option<&Path>, wanted: bool) -> Result<Self, TargetError> {
        let none = Self { config: None, answers: BTreeMap::new() };
        let there = wanted
            && Command::new("ssh").arg("-V").stderr(Stdio::null()).stdin(Stdio::null()).status().is_ok();
        if !there {
            return Ok(none);
        }
        let mut files: Vec<PathBuf> = home.map(|home| home.join(".ssh/config")).into_iter().collect();
        files.push(if cfg!(windows) {
            PathBuf::from(r"C:\ProgramData\ssh\ssh_config")
        } else {
            PathBuf::from("/etc/ssh/ssh_config")
        });
        files.retain(|file| file.exists());
        if files.is_empty() {
            return Ok(none);
        }
        let config = write_config(&ssh_config::asking(&files))
            .map_err(|source| TargetError::Unreadable { path: std::env::temp_dir(), source })?;
        Ok(Self { config: Some(config), ..none })
    }

    /// Asks about many hosts at once.
    pub(super) fn ask_all(&mut self, questions: Vec<SshAddress>) -> Result<(), TargetError> {
        let Some(config) = &self.config else { return Ok(()) };
        let (waiting, answers) = (Mutex::new(questions.into_iter()), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    // Nothing panics while a lock is held, so its content is whole even if it is poisoned.
                    let next = || waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    while let Some(question) = next() {
                        let answer = ask(config, &question);
                        let mut answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        answers.push((question, answer));
                    }
                });
            }
        });
        let answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (question, answer) in answers {
            self.answers.insert(question, answer?);
        }
        Ok(())
    }

    /// What it would do for one host.
    pub(super) fn ask(&mut self, question: SshAddress) -> Result<SshConfig, TargetError> {
        if let Some(answer) = self.answers.get(&question) {
            return Ok(answer.clone());
        }
        let answer = match &self.config {
            Some(config) => ask(config, &question)?,
            None => SshConfig::default(),
        };
        self.answers.insert(question, answer.clone());
        Ok(answer)
    }
}

fn ask(config: &Path, question: &SshAddress) -> Result<SshConfig, TargetError> {
    let host = question.address.clone();
    let failed = |reason: String| TargetError::SshConfig { host: host.clone(), reason };
    let mut ssh = Command::new("ssh");
    ssh.arg("-G").arg("-F").arg(config).stdin(Stdio::null());
    if let Some(user) = &question.user {
        ssh.arg("-l").arg(user);
    }
    if let Some(port) = question.port {
        ssh.arg("-p").arg(port.to_string());
    }
    let output = ssh.arg("--").arg(&question.address).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said =
            said.lines().filter(|line| !line.starts_with("Pseudo-terminal")).collect::<Vec<_>>().join("; ");
        return Err(failed(crate::clean::block(&said, crate::clean::MESSAGE)));
    }
    ssh_config::read(&String::from_utf8_lossy(&output.stdout)).map_err(|problem| failed(problem.to_string()))
}

/// A file that removes itself. It contains only names of files.
fn write_config(text: &str) -> io::Result<TempPath> {
    let mut file = tempfile::Builder::new().prefix("assay-").suffix(".conf").tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file.into_temp_path())
}
