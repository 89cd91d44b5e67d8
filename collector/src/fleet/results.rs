//! Stores the result of each visit on disk as soon as it is known. So memory holds a node's report only while it is read, a crash
//! loses no result, and `--resume` continues from there.
//!
//! There is one file for each node, `visits/NAME.json` in the run's folder. This machine has written the files, so they are
//! trusted; a node's report was checked before it came here.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use assay_judge::replacement::Replacement;
use assay_report::{CleanUpResult, NodeRow, Outcome};
use assay_verifier::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::nodes::Node;
use crate::visit::unvisited_row;

/// The folder's name in a run's folder.
const FOLDER: &str = "visits";

/// The results of a run's visits.
#[derive(Clone, Debug)]
pub(crate) struct ResultStore {
    folder: PathBuf,
}

/// The result of a visit, with its run and its inputs.
#[derive(Serialize, Deserialize)]
struct Entry<Row> {
    run: RunId,
    /// The digest of everything that the verdicts depend on.
    inputs: String,
    row: Row,
}

/// The run that a result belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunId {
    /// Its id.
    pub id: String,
    /// When it began.
    pub started: UnixTime,
}

impl ResultStore {
    /// Opens the results in a run's folder. Those of earlier runs stay if `resume` is set, otherwise they are removed.
    ///
    /// # Errors
    /// [`io::Error`]
    pub(crate) fn open(folder: &Path, resume: bool) -> io::Result<Self> {
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if ending == Some("part") || (!resume && ending == Some("json")) {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder })
    }

    /// The results that an earlier run left in its folder. Nothing is created or removed.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.join(FOLDER) }
    }

    /// Stores the result of a visit.
    ///
    /// # Errors
    /// [`io::Error`]; then there is no result of this node.
    pub(crate) fn put(&self, run: &RunId, inputs: &str, row: &NodeRow) -> io::Result<()> {
        let mut file = Replacement::open(&self.path(&row.name))?;
        serde_json::to_writer(&mut file, &Entry { run: run.clone(), inputs: inputs.to_owned(), row })?;
        file.put()
    }

    /// The result of a node that need not be visited again: its report was accepted for the same inputs, in a visit that ended
    /// `within` these times, and nothing was left there.
    pub(crate) fn accepted(
        &self,
        node: &str,
        inputs: &str,
        within: &RangeInclusive<UnixTime>,
    ) -> Option<(RunId, NodeRow)> {
        let entry = self.read(node).ok()?;
        let clean = matches!(entry.row.clean_up.result, CleanUpResult::Removed | CleanUpResult::NotNeeded);
        let recent = entry.row.finished.is_some_and(|finished| within.contains(&finished));
        let accepted = entry.inputs == inputs && entry.row.accepted().is_some() && clean && recent;
        accepted.then_some((entry.run, entry.row))
    }

    /// The row of a node for the report. A result that cannot be read any more becomes a failure.
    pub(crate) fn row(&self, node: &Node) -> NodeRow {
        self.read(&node.name).map_or_else(|error| lost_result(node, &error), |entry| entry.row)
    }

    fn read(&self, node: &str) -> io::Result<Entry<NodeRow>> {
        let entry: Entry<NodeRow> = serde_json::from_reader(BufReader::new(File::open(self.path(node))?))?;
        let own = entry.row.name == node;
        if own { Ok(entry) } else { Err(io::Error::other("the file is of another node")) }
    }

    /// A site's node names are safe as file names.
    fn path(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.json"))
    }
}

/// The row of a node whose result could not be stored.
pub(super) fn lost_result(node: &Node, error: &io::Error) -> NodeRow {
    NodeRow {
        outcome: Outcome::Interrupted,
        message: Some(format!("the result of the visit could not be stored on this machine: {error}")),
        hint: Some("make room on this machine and run again with --resume".to_owned()),
        ..unvisited_row(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_was_accepted_for_the_same_inputs_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId { id: "run".into(), started: UnixTime::from_seconds(1).unwrap() };
        let kept = ResultStore::open(folder.path(), false).unwrap();
        let mut row = sample::site().nodes.remove(0);
        row.clean_up.result = CleanUpResult::Removed;
        let time = |seconds| UnixTime::from_seconds(seconds).unwrap();
        row.finished = Some(time(100));
        let any = time(0)..=time(1000);
        for (within, found) in
            [(time(100)..=time(100), true), (time(101)..=time(1000), false), (time(0)..=time(99), false)]
        {
            kept.put(&run, "a", &row).unwrap();
            assert_eq!(kept.accepted(&row.name, "a", &within).is_some(), found, "{within:?}");
        }
        kept.put(&run, "a", &row).unwrap();
        assert_eq!(kept.accepted(&row.name, "a", &any), Some((run.clone(), row.clone())));
        assert_eq!(kept.accepted(&row.name, "b", &any), None);
        assert_eq!(kept.accepted("other", "a", &any), None);

        let again = ResultStore::open(folder.path(), true).unwrap();
        assert_eq!(again.accepted(&row.name, "a", &any), Some((run.clone(), row.clone())));
        for spoil in [
            |row: &mut NodeRow| row.outcome = Outcome::BadReport,
            |row: &mut NodeRow| row.report = None,
            |row: &mut NodeRow| row.clean_up.result = CleanUpResult::Unknown,
        ] {
            let mut other = row.clone();
            spoil(&mut other);
            again.put(&run, "a", &other).unwrap();
            assert_eq!(again.accepted(&row.name, "a", &any), None);
        }
        assert_eq!(ResultStore::open(folder.path(), false).unwrap().accepted(&row.name, "a", &any), None);
        assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 0);
    }
}
