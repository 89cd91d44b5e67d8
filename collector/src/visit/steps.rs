//! The commands for this machine where it is Windows. Pure: values in, command text out, and back.
//!
//! What a visit's scripts for Windows do, an administrator may do; whoever tries the demo need not be one. So each step is
//! a value that the program carries out itself, in the folder for temporary files, and says in the scripts' own words.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One step of a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Say what this machine is, and make the folder.
    Prepare { name: String },
    /// Unpack what comes as input, and compare every file with its digest.
    Upload { folder: String, sums_sha256: String },
    /// Run the agent there; its report follows the line `mark`.
    Run { folder: String, mark: String, arguments: Vec<String>, limit: Duration },
    /// Remove the folder, and see whether it is gone.
    CleanUp { name: String },
}

impl Step {
    /// The step as a command.
    pub(crate) fn text(&self) -> String {
        // names, numbers and lists of them, which cannot fail to be written
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The step that a command is; none where it is another shell's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The folder of a line `assay-folder …`, where it is an absolute path that ends in `name`.
pub(super) fn folder<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let path = line.strip_prefix("assay-folder ")?;
    let ends = Path::new(path).file_name().is_some_and(|last| last == name);
    (Path::new(path).is_absolute() && ends).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_comes_back_as_it_was() {
        let step = Step::Run {
            folder: r#"C:\Users\Jürgen "J"\a b"#.to_owned(),
            mark: "m".to_owned(),
            arguments: vec!["--store=layout:C:\\%PATH%".to_owned()],
            limit: Duration::from_secs(900),
        };
        assert_eq!(Step::parse(&step.text()), Some(step));
        assert_eq!(Step::parse("exec sh -c ''"), None);
    }

    #[test]
    fn only_the_folder_of_that_name_is_taken() {
        let place = std::env::temp_dir();
        let line = |name: &str| format!("assay-folder {}", place.join(name).display());
        assert!(folder(&line("assay-1"), "assay-1").is_some());
        for other in [line("assay-2"), line("assay-1x"), "assay-folder assay-1".to_owned(), String::new()] {
            assert_eq!(folder(&other, "assay-1"), None, "{other}");
        }
    }
}
