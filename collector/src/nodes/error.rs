//! What is wrong with a site file.

/// Bytes of a site file: some 100,000 nodes.
pub(super) const SITE_FILE_BYTES: usize = 32 << 20;

/// The site file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SiteFileError {
    /// Where, counted from 1.
    pub line: usize,
    /// What.
    pub problem: SiteFileProblem,
}

/// What is wrong with a site file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteFileProblem {
    /// It is not TOML, a key is unknown or given twice, or a value has the wrong type.
    #[error("{0}")]
    Toml(String),
    /// It is larger than a site file is read.
    #[error("the file is larger than {SITE_FILE_BYTES} bytes")]
    TooLarge,
    /// It does not contain a node.
    #[error("there is no [[node]]")]
    NoNode,
    /// A node lacks a key that has no default.
    #[error("node without {0:?}, which every node needs")]
    Missing(&'static str),
    /// The name cannot be a file name.
    #[error(
        "name {0:?}: use letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 128"
    )]
    Name(String),
    /// Two nodes have one name; letter case does not tell them apart.
    #[error("name {name:?} is taken by the node on line {first}")]
    Duplicate {
        /// The name.
        name: String,
        /// The line of the first.
        first: usize,
    },
    /// The address is neither a host name nor an IP address.
    #[error("address {0:?} is neither a host name nor an IP address")]
    Address(String),
    /// The address is more than that: a login or a port, which have keys of their own, or brackets.
    #[error("address {given:?} is more than a host name or an IP address: write {instead}")]
    MoreThanAddress {
        /// What it is.
        given: String,
        /// The keys that say the same.
        instead: String,
    },
    /// A table has the brackets of an array, or the other way round.
    #[error("write {0}")]
    Brackets(String),
    /// The port is 0.
    #[error("0 is not a valid port")]
    Port,
    /// The login has characters that no login has.
    #[error("user {0:?} is not a login name")]
    User(String),
    /// The fingerprint is malformed.
    #[error("host_key {0:?} is not a fingerprint such as ssh-keygen -l prints: SHA256: and 43 characters")]
    HostKey(String),
    /// The jump host is malformed.
    #[error("jump {0:?}: node names, user@host or user@host:port, separated by commas; or none")]
    Jump(String),
    /// The jump host is not a node.
    #[error("jump {0:?} is not the name of a node; write user@host:port for a host that is not a node")]
    JumpUnknown(String),
    /// Jump hosts lead back to the node.
    #[error("jump {0:?} leads back to this node")]
    JumpLoop(String),
    /// The group does not exist.
    #[error("group {0:?} is not in the file; add [groups.{0}]")]
    GroupUnknown(String),
    /// A group is in a group.
    #[error("a group cannot be in another")]
    GroupInGroup,
    /// A text is empty, or has control characters.
    #[error("{key} is empty or has control characters")]
    Text {
        /// The key.
        key: &'static str,
    },
}
