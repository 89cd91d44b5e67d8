//! Every README: the commands in it are commands, and its tables of tests are those that there are.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Each room with a page.
const PAGES: [&str; 7] = [
    "README.md",
    "agent/README.md",
    "collector/README.md",
    "fixtures/README.md",
    "fixtures/conformance/README.md",
    "shared/README.md",
    "tests/README.md",
];

/// What the root page has beside `assay`'s commands, and what runs it: steps of `tests/run`. `tests/ssh/readme.rs` runs `assay`'s.
const STEPS: [(&str, &str); 4] = [
    ("cargo demo", "demo"),
    ("tests/run", "all of them"),
    ("cargo release-artifacts", "release"),
    ("cargo agent", "release, and the tests of the agent as a guest"),
];

#[test]
fn every_command_is_understood() {
    let mut found = 0;
    for page in PAGES {
        for command in commands(&page_text(page)) {
            // a digest is cut short on a page
            let words = words(&command.replace('…', &"0".repeat(64)));
            let definition = match words[0].as_str() {
                "assay" => assay::cli::command(),
                "assay-agent" => assay_agent::command(),
                _ => continue,
            };
            // demo and the like take no arguments, so that help does not come in as an error here
            if let Err(error) = definition.try_get_matches_from(&words) {
                panic!("{page}: {command}\n{error}");
            }
            found += 1;
        }
    }
    assert!(found > 20, "found {found} commands");
}

#[test]
fn every_command_of_the_root_page_is_run() {
    let mut found = 0;
    for command in commands(&page_text("README.md")) {
        let known = command.starts_with("assay ") || STEPS.iter().any(|(step, _)| command == *step);
        assert!(known, "no test runs {command}");
        found += 1;
    }
    assert!(found > 10, "found {found} commands");
}

#[test]
fn the_root_page_is_short() {
    let bytes = page_text("README.md").len();
    assert!(
        bytes <= 10_240,
        "README.md has {bytes} bytes: move what only some readers need to the page of its room"
    );
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut found = 0;
    for page in PAGES {
        let folder = Path::new(ROOT).join(page);
        let folder = folder.parent().unwrap();
        for link in page_text(page).split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                assert!(folder.join(link).exists(), "{page}: {link} is not there");
                found += 1;
            }
        }
    }
    assert!(found > 50, "found {found} links");
}

/// `tests/README.md` has each file of tests with its first line; `ASSAY_REGENERATE=1` writes the table anew.
#[test]
fn the_page_of_tests_lists_them() {
    let mut table = String::from("| file | what it shows |\n|---|---|\n");
    for file in test_files() {
        let text = fs::read_to_string(Path::new(ROOT).join(&file)).unwrap();
        let opening: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        assert!(!opening.is_empty(), "{file} does not open with what it shows");
        table += &format!("| [{file}]({}) | {} |\n", link(&file), opening.join(" ").replace('|', "\\|"));
    }
    let page = Path::new(ROOT).join("tests/README.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, after) = text.split_once("<!-- files -->\n").expect("the table's beginning");
    let (_, after) = after.split_once("<!-- end of files -->").expect("the table's end");
    let wanted = format!("{before}<!-- files -->\n{table}<!-- end of files -->{after}");
    if std::env::var_os("ASSAY_REGENERATE").is_some() {
        fs::write(&page, &wanted).unwrap();
    }
    assert_eq!(fs::read_to_string(&page).unwrap(), wanted, "ASSAY_REGENERATE=1 writes it anew");
}

/// Files of tests that stand apart from the code, sorted.
fn test_files() -> Vec<String> {
    let folders = [
        "tests/pure",
        "tests/containerd",
        "tests/kubernetes",
        "tests/registry",
        "tests/ssh",
        "tests/vm",
        "tests/windows",
        "agent/tests",
        "collector/tests",
        "collector/tests/ssh",
        "shared/verifier/tests",
        "shared/verifier/tests/evidence",
        "shared/report/tests",
    ];
    let mut files = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = || fs::read_to_string(&path).unwrap();
            if name.ends_with(".rs")
                && ["#[test]", "on_each_release!"].iter().any(|mark| text().contains(mark))
            {
                files.push(format!("{folder}/{name}"));
            }
        }
    }
    files.sort();
    assert!(files.len() > 50, "found {} files", files.len());
    files
}

/// A link from `tests/README.md`.
fn link(file: &str) -> String {
    file.strip_prefix("tests/").map_or_else(|| format!("../{file}"), str::to_owned)
}

fn page_text(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The shell commands of a page: lines of indented blocks and of blocks fenced as `sh`, without comments and redirections.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut fence: Option<bool> = None;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(kind == "sh") };
            continue;
        }
        let command = match fence {
            Some(true) => line,
            Some(false) => continue,
            None => match line.strip_prefix("    ") {
                Some(command) => command,
                None => continue,
            },
        };
        let command = command.split(" #").next().unwrap_or_default();
        let command = command.split(" > ").next().unwrap_or_default().trim();
        let known = ["assay ", "assay-agent ", "cargo ", "tests/run"];
        if known.iter().any(|start| command.starts_with(start)) {
            commands.push(command.to_owned());
        }
    }
    commands
}

/// A command's words, as a shell takes them apart that has single quotes and no other.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
