//! Finds the agents that are sent to nodes. Which platform an agent is for is read from the program's header, not from its name.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::embedded::{Damaged, EMBEDDED};
use crate::archive::{self, ArchiveError};
use crate::nodes::{Architecture, Os, Platform};
use crate::transport::Input;

/// Agents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ArchiveError),
    /// A file is not a supported program.
    #[error("{}: not a program for Linux or Windows on amd64 or arm64", path.display())]
    NotAnAgent {
        /// The file.
        path: PathBuf,
    },
    /// Two agents are for one platform.
    #[error("{} and {}: both are agents for {platform}", first.display(), second.display())]
    TwoAgents {
        /// The platform.
        platform: Platform,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// An agent within this program cannot be used.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// There is no agent.
    #[error("{}: it contains no agent; name one with --agent, or build one with cargo agent", path.display())]
    NoAgent {
        /// Where one was looked for.
        path: PathBuf,
    },
}

/// The usual names of agents in a folder. The first one of a platform is taken.
const AGENT_FILES: [&str; 6] = [
    "assay-agent-linux-amd64",
    "assay-agent-linux-arm64",
    "assay-agent-windows-amd64.exe",
    "assay-agent-windows-arm64.exe",
    "assay-agent",
    "assay-agent.exe",
];

/// Sorts agents by the platform that their own headers name.
///
/// # Errors
/// [`AgentError`] if a file is not a program, or two are for one platform.
pub(crate) fn agents(paths: &[PathBuf]) -> Result<BTreeMap<Platform, Input>, AgentError> {
    let mut found: BTreeMap<Platform, &PathBuf> = BTreeMap::new();
    let mut agents = BTreeMap::new();
    for path in paths {
        let platform = platform_of(path)?.ok_or_else(|| AgentError::NotAnAgent { path: path.clone() })?;
        if let Some(first) = found.insert(platform, path) {
            return Err(AgentError::TwoAgents { platform, first: first.clone(), second: path.clone() });
        }
        agents.insert(platform, archive::file(path)?);
    }
    Ok(agents)
}

/// The agents of a folder, by their usual names.
///
/// # Errors
/// [`AgentError`] if there is none.
pub(crate) fn agents_in(folder: &Path) -> Result<BTreeMap<Platform, Input>, AgentError> {
    let mut agents = BTreeMap::new();
    for name in AGENT_FILES {
        let path = folder.join(name);
        if path.is_file()
            && let Some(platform) = platform_of(&path)?
            && !agents.contains_key(&platform)
        {
            agents.insert(platform, archive::file(&path)?);
        }
    }
    if agents.is_empty() { Err(AgentError::NoAgent { path: folder.to_owned() }) } else { Ok(agents) }
}

/// The agents that are part of this program; empty if it was built without them.
///
/// # Errors
/// [`AgentError::Damaged`]
pub(crate) fn embedded_agents() -> Result<BTreeMap<Platform, Input>, AgentError> {
    let mut agents = BTreeMap::new();
    for agent in EMBEDDED {
        let program = agent.unpack()?;
        let platform = read_platform(&program).ok_or(Damaged { name: agent.name })?;
        let mut input = Input::default();
        input.bytes(program);
        agents.insert(platform, input);
    }
    Ok(agents)
}

/// The platform of a program, from its ELF or PE header; `None` if it has neither.
fn platform_of(path: &Path) -> Result<Option<Platform>, AgentError> {
    let unreadable = |source| ArchiveError::Unreadable { path: path.to_owned(), source };
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(4096).read_to_end(&mut head).map_err(unreadable)?;
    Ok(read_platform(&head))
}

fn read_platform(head: &[u8]) -> Option<Platform> {
    let half = |at: usize| Some(u16::from_le_bytes(*head.get(at..)?.first_chunk()?));
    // ELF, 64-bit, little-endian, for System V or Linux: "Tool Interface Standard, ELF", e_ident and e_machine.
    if head.starts_with(b"\x7fELF\x02\x01\x01") && matches!(head.get(7), Some(0 | 3)) {
        let architecture = match half(18)? {
            62 => Architecture::Amd64,
            183 => Architecture::Arm64,
            _ => return None,
        };
        return Some(Platform { os: Os::Linux, architecture });
    }
    // "PE Format", MS-DOS stub and COFF file header.
    if head.starts_with(b"MZ") {
        let at = usize::try_from(u32::from_le_bytes(*head.get(0x3c..)?.first_chunk()?)).ok()?;
        if head.get(at..at.checked_add(4)?)? != b"PE\0\0" {
            return None;
        }
        let architecture = match half(at.checked_add(4)?)? {
            0x8664 => Architecture::Amd64,
            0xaa64 => Architecture::Arm64,
            _ => return None,
        };
        return Some(Platform { os: Os::Windows, architecture });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, machine: u16) -> Vec<u8> {
        let mut head = b"\x7fELF".to_vec();
        head.extend([class, 1, 1, 0]);
        head.resize(18, 0);
        head.extend(machine.to_le_bytes());
        head
    }

    fn pe(machine: u16) -> Vec<u8> {
        let mut head = b"MZ".to_vec();
        head.resize(0x3c, 0);
        head.extend(128u32.to_le_bytes());
        head.resize(128, 0);
        head.extend(b"PE\0\0");
        head.extend(machine.to_le_bytes());
        head
    }

    #[test]
    fn a_programs_header_names_its_platform() {
        let name = |head: &[u8]| read_platform(head).map(|platform| platform.to_string());
        assert_eq!(name(&elf(2, 62)).as_deref(), Some("linux/amd64"));
        assert_eq!(name(&elf(2, 183)).as_deref(), Some("linux/arm64"));
        assert_eq!(name(&pe(0x8664)).as_deref(), Some("windows/amd64"));
        assert_eq!(name(&pe(0xaa64)).as_deref(), Some("windows/arm64"));
        for head in [elf(1, 3), elf(2, 243), pe(0x14c), b"#!/bin/sh".to_vec(), b"MZ".to_vec(), Vec::new()] {
            assert_eq!(name(&head), None);
        }
        let mut far = pe(0x8664);
        far.splice(0x3c..0x40, u32::MAX.to_le_bytes());
        assert_eq!(name(&far), None);
    }

    #[test]
    fn each_platform_has_one_agent() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, head: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, head).unwrap();
            path
        };
        assert!(matches!(agents_in(folder.path()), Err(AgentError::NoAgent { .. })));
        let plain = file("assay-agent", &elf(2, 62));
        let named = file("assay-agent-linux-amd64", &elf(2, 62));
        let windows = file("assay-agent-windows-amd64.exe", &pe(0x8664));
        file("assay-agent-linux-arm64", b"a note");
        let found: Vec<_> = agents_in(folder.path()).unwrap().into_values().collect();
        assert_eq!(found, [&named, &windows].map(|path| archive::file(path).unwrap()));
        assert_eq!(agents(&[windows, plain.clone()]).unwrap().len(), 2);
        assert!(matches!(agents(&[plain, named]), Err(AgentError::TwoAgents { .. })));
        let script = file("script", b"#!/bin/sh\n");
        assert!(matches!(agents(&[script]), Err(AgentError::NotAnAgent { .. })));
    }
}
