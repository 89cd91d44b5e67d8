//! Records which folder was begun on which node, and whether it is gone. Each line is on disk before the step that it announces, so
//! that `assay cleanup` can finish after a crash.

use std::collections::BTreeMap;
#[cfg(feature = "kubernetes")]
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use assay_verifier::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::clock;

/// The journal's name in a run's folder.
pub(crate) const FILE_NAME: &str = "journal.jsonl";

/// A journal that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    file: Arc<Mutex<Option<File>>>,
    problem: Arc<Mutex<Option<io::Error>>>,
}

/// What became of a folder on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It may be there from now on.
    Started,
    /// It is there.
    Made,
    /// The node says that it is gone.
    Removed,
    /// It may still be there.
    Left,
}

/// What the journal says of the one folder of a visit.
#[derive(Debug)]
pub(crate) struct FolderRecord<'a> {
    journal: &'a Journal,
    node: &'a str,
    name: &'a str,
    is_begun: bool,
    /// The attempts that may have made the folder.
    attempts: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    time: UnixTime,
    node: String,
    folder: String,
    state: State,
}

impl Journal {
    /// Opens the journal in a run's folder. Lines of earlier runs stay, except one that a crash cut off.
    ///
    /// # Errors
    /// [`io::Error`]
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(folder.join(FILE_NAME))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
        }
        Ok(Self { file: Arc::new(Mutex::new(Some(file))), problem: Arc::default() })
    }

    /// A journal that is not written, for nodes that are this machine.
    pub(crate) fn none() -> Self {
        Self { file: Arc::default(), problem: Arc::default() }
    }

    /// Records a step, and returns once it is on disk.
    pub(crate) async fn record(&self, node: &str, folder: &str, state: State) {
        let journal = self.clone();
        let line = Line { time: clock::now(), node: node.to_owned(), folder: folder.to_owned(), state };
        // Waiting for the disk would hold up the other nodes.
        let written = tokio::task::spawn_blocking(move || journal.write(&line)).await;
        if let Err(error) = written.map_err(io::Error::other).and_then(|written| written) {
            self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// The first line that could not be written.
    pub(crate) fn problem(&self) -> Option<io::Error> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut() else {
            return Ok(());
        };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_data()
    }
}

impl<'a> FolderRecord<'a> {
    /// The record of the folder `name`, which nothing has been done about yet.
    pub(crate) fn new(journal: &'a Journal, node: &'a str, name: &'a str) -> Self {
        Self { journal, node, name, is_begun: false, attempts: 0 }
    }

    /// The folder's name.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// From here on the folder may exist, even if the node does not answer. Returns when the journal says so.
    pub(crate) async fn begin(&mut self) {
        self.journal.record(self.node, self.name, State::Started).await;
        self.is_begun = true;
        self.attempts += 1;
    }

    /// The attempt that was begun last has certainly not made the folder.
    pub(crate) fn not_made(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    /// The folder is at `path`.
    pub(crate) async fn made(&self, path: &str) {
        self.journal.record(self.node, path, State::Made).await;
    }

    /// Whether the folder may exist.
    pub(crate) fn may_exist(&self) -> bool {
        self.attempts > 0
    }

    /// The visit is over. `is_gone` is whether its folder is known to be gone.
    pub(crate) async fn end(&self, is_gone: bool) {
        if self.is_begun {
            let state = if is_gone { State::Removed } else { State::Left };
            self.journal.record(self.node, self.name, state).await;
        }
    }
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// A line is not one of a journal.
    #[error("line {line} is not one of a journal")]
    Line {
        /// The line, counted from 1.
        line: usize,
    },
}

/// The folders that are not known to be gone, by node: names such as `assay-…`, without the place.
///
/// # Errors
/// [`JournalError`]. A last line without its end was being written when the run crashed, and announces nothing.
pub(crate) fn left(folder: &Path) -> Result<BTreeMap<String, Vec<String>>, JournalError> {
    let last: BTreeMap<_, _> =
        lines(folder)?.into_iter().map(|(node, name, state)| ((node, name), state)).collect();
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((node, name), state) in last {
        if state != State::Removed {
            left.entry(node).or_default().push(name);
        }
    }
    Ok(left)
}

/// Every line: the node, the folder's name and its state.
fn lines(folder: &Path) -> Result<Vec<(String, String, State)>, JournalError> {
    let text = std::fs::read_to_string(folder.join(FILE_NAME))?;
    let mut lines = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let wrong = || JournalError::Line { line: number + 1 };
        let line: Line = serde_json::from_str(line).map_err(|_| wrong())?;
        let name = line.folder.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        if !is_folder_name(&name) {
            return Err(wrong());
        }
        lines.push((line.node, name, line.state));
    }
    Ok(lines)
}

/// The ids of all runs that the journal is about.
///
/// # Errors
/// [`JournalError`]
#[cfg(feature = "kubernetes")]
pub(crate) fn runs(folder: &Path) -> Result<BTreeSet<String>, JournalError> {
    let lines = lines(folder)?;
    let run = |(_, name, _): &(String, String, State)| {
        let (run, _) = name.strip_prefix("assay-")?.rsplit_once('-')?;
        Some(run.to_owned())
    };
    Ok(lines.iter().filter_map(run).collect())
}

/// Whether it is a name that visits use. It becomes part of a command.
fn is_folder_name(name: &str) -> bool {
    name.strip_prefix("assay-").is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 100 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_begun_and_not_removed_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        for (node, name, state) in [
            ("a", "assay-1", State::Started),
            ("b", "assay-2", State::Started),
            ("a", "/run/assay-1", State::Made),
            ("c", "assay-3", State::Started),
            ("a", "assay-1", State::Removed),
            ("b", "/var/tmp/assay-2", State::Made),
            ("c", "assay-3", State::Left),
            ("c", "assay-4", State::Started),
            ("c", "assay-4", State::Removed),
        ] {
            journal.record(node, name, state).await;
        }
        assert!(journal.problem().is_none());
        let left = left(folder.path()).unwrap();
        let want = [("b", "assay-2"), ("c", "assay-3")];
        assert_eq!(left, want.map(|(node, name)| (node.to_owned(), vec![name.to_owned()])).into());
    }

    #[test]
    fn a_torn_last_line_announces_nothing_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let line = |name: &str| {
            format!(
                "{{\"time\":\"2026-01-31T12:00:00Z\",\"node\":\"a\",\"folder\":\"{name}\",\"state\":\"started\"}}\n"
            )
        };
        let read = |text: &str| {
            std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
            left(folder.path())
        };
        let torn = line("assay-2");
        let whole = read(&format!("{}{}", line("assay-1"), torn.get(..30).unwrap())).unwrap();
        assert_eq!(whole, [("a".to_owned(), vec!["assay-1".to_owned()])].into());
        for name in ["assay-", "assay-$(id)", "etc", "assay-1 2", "/etc/assay-*"] {
            assert!(matches!(read(&line(name)), Err(JournalError::Line { line: 1 })), "{name}");
        }
    }
}
