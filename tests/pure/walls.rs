//! Holds the walls between the parts: what each may know of the others and of the machine. Files do not import each
//! other in circles.

use std::fs;
use std::path::Path;

use crate::imports::Sources;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What makes up the programs.
pub(crate) const CRATES: [&str; 5] =
    ["shared/verifier", "shared/report", "shared/judge", "agent", "collector"];

/// What speaks to a network, by the beginnings of names.
const NETWORK: [&str; 10] = [
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocketAddrs",
    "std::os::unix::net",
    "tokio::net",
    "tonic",
    "containerd_client",
    "reqwest",
    "russh",
    "kube::",
];

fn sources(member: &str) -> Sources {
    Sources::read(&Path::new(ROOT).join(member).join("src"))
}

/// The names of that crate that begin so, outside of these folders.
fn named(member: &str, starts: &[&str], except: &[&str]) -> Vec<String> {
    let sources = sources(member);
    let names = sources.outside().filter(|(file, name)| {
        let at = |start: &str| name == start || name.starts_with(start);
        starts.iter().any(|start| at(start)) && !except.iter().any(|folder| file.starts_with(folder))
    });
    names.map(|(file, name)| format!("{member}/src/{file}: {name}")).collect()
}

#[test]
fn no_circle_has_more_than_two_files_or_files_of_two_folders() {
    let mut found = String::new();
    for member in CRATES {
        for circle in sources(member).circles() {
            if circle.files.len() > 2 || !circle.is_of_one_folder() {
                found += &format!("{member}/src, {} files:\n{}", circle.files.len(), circle.imports);
            }
        }
    }
    assert!(found.is_empty(), "files import each other in a circle:\n{found}");
}

#[test]
fn the_verifier_and_the_report_know_of_no_machine() {
    for member in ["shared/verifier", "shared/report"] {
        let library = fs::read_to_string(Path::new(ROOT).join(member).join("src/lib.rs")).unwrap();
        assert!(library.contains("#![no_std]"), "{member} is not no_std");
        assert_eq!(named(member, &["std::"], &[]), [""; 0]);
    }
}

#[test]
fn only_the_rooms_for_it_speak_to_a_network() {
    assert_eq!(named("shared/judge", &NETWORK, &[]), [""; 0]);
    assert_eq!(named("agent", &NETWORK, &["containerd/"]), [""; 0]);
    assert_eq!(named("collector", &NETWORK, &["transport/", "registry/"]), [""; 0]);
    // The search finds the names in the rooms that do speak to a network.
    assert!(!named("agent", &NETWORK, &[]).is_empty());
    assert!(!named("collector", &NETWORK, &[]).is_empty());
}

#[test]
fn the_collector_does_not_depend_on_the_agent() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("collector/Cargo.toml")).unwrap();
    assert!(manifest.contains("assay-judge.workspace"));
    assert!(!manifest.contains("assay-agent"));
}
