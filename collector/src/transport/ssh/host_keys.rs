//! Knows the keys of hosts, from `known_hosts` files as OpenSSH reads them (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Pure.
//!
//! Names may be plain, `[host]:port`, hashed, with wildcards and negated; lines may be marked `@cert-authority` or
//! `@revoked`. As in OpenSSH a malformed line is ignored, with one exception: a marked line that is malformed is an error,
//! because a revocation must not be overlooked.

use std::collections::{BTreeSet, HashMap};
use std::panic::resume_unwind;
use std::thread;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A `known_hosts` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownHosts {
    lines: Vec<Line>,
    /// The lines about each name that was looked for beforehand, in order.
    found: HashMap<String, Vec<usize>>,
}

/// The file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnownHostsError {
    /// A marked line has no host names and key, or an unknown mark.
    #[error("line {line} is marked and cannot be read; correct or remove it")]
    MarkedLine {
        /// The line, counted from 1.
        line: usize,
    },
}

/// What is known of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The name that was looked for: the address, as `[address]:port` unless the port is 22.
    pub name: String,
    /// The address alone, which host certificates name.
    pub address: String,
    keys: Vec<Vec<u8>>,
    authorities: Vec<Vec<u8>>,
    revoked: Vec<Vec<u8>>,
    pin: Option<String>,
}

/// What is known of the key that a host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is known.
    Known,
    /// No key is known for the host.
    Unknown,
    /// Other keys are known for the host.
    Changed,
    /// It is revoked.
    Revoked,
}

impl KnownHosts {
    /// Adds a file's text.
    ///
    /// # Errors
    /// [`KnownHostsError`] if a marked line cannot be read.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), KnownHostsError> {
        self.found.clear();
        for (number, text) in text.split('\n').enumerate() {
            let text = text.trim_matches(|c| matches!(c, ' ' | '\t' | '\r'));
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match Line::parse(text) {
                Some(line) => self.lines.push(line),
                None if text.starts_with('@') => {
                    return Err(KnownHostsError::MarkedLine { line: number + 1 });
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What is known of a host. A `pin` replaces the keys and authorities of the file, but not its revocations.
    pub(crate) fn host(&self, address: &str, port: u16, pin: Option<&str>) -> Known {
        let [name, address] = names(address, port);
        let mut known = self.lookup(&name);
        if port != 22 {
            let plain = self.lookup(&address);
            // As in OpenSSH: if nothing is known with the port, what is known without it counts.
            if known.keys.is_empty() {
                known.keys = plain.keys;
            }
            known.authorities.extend(plain.authorities);
            known.revoked.extend(plain.revoked);
        }
        Known { name, address, pin: pin.map(str::to_owned), ..known }
    }

    /// What is known under a name that replaces a host's address and port (`HostKeyAlias`).
    pub(crate) fn alias(&self, name: &str, pin: Option<&str>) -> Known {
        let name = name.to_ascii_lowercase();
        Known { address: name.clone(), pin: pin.map(str::to_owned), name: name.clone(), ..self.lookup(&name) }
    }

    /// Looks for many names at once, so that later questions about one of them are fast. Each hashed name of the file has to be
    /// compared with each of them, which is done on all processors: there may be hundreds of nodes and tens of thousands of lines.
    pub(crate) fn look_for(&mut self, names: &BTreeSet<String>) {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = self.lines.len().div_ceil(threads).max(1);
        let found: Vec<Vec<(&String, usize)>> = thread::scope(|scope| {
            let search = |(part, lines): (usize, &'_ [Line])| -> Vec<(&String, usize)> {
                let lines = (part * share..).zip(lines);
                lines.flat_map(|(at, line)| line.hosts.matching(names).map(move |name| (name, at))).collect()
            };
            let parts: Vec<_> =
                self.lines.chunks(share).enumerate().map(|part| scope.spawn(move || search(part))).collect();
            parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        self.found = names.iter().map(|name| (name.clone(), Vec::new())).collect();
        for (name, at) in found.into_iter().flatten() {
            self.found.entry(name.clone()).or_default().push(at);
        }
    }

    fn lookup(&self, name: &str) -> Known {
        let mut known = Known::default();
        let lines: Vec<&Line> = match self.found.get(name) {
            Some(found) => found.iter().filter_map(|at| self.lines.get(*at)).collect(),
            None => self.lines.iter().filter(|line| line.hosts.matches(name)).collect(),
        };
        for line in lines {
            let list = match line.mark {
                Mark::None => &mut known.keys,
                Mark::CertAuthority => &mut known.authorities,
                Mark::Revoked => &mut known.revoked,
            };
            list.push(line.key.clone());
        }
        known
    }
}

impl Known {
    /// Judges the key that the host shows.
    pub(crate) fn judge(&self, key: &[u8]) -> Verdict {
        if self.is_revoked(key) {
            return Verdict::Revoked;
        }
        if let Some(pin) = &self.pin {
            return if fingerprint(key) == *pin { Verdict::Known } else { Verdict::Changed };
        }
        if self.keys.iter().any(|known| known == key) {
            Verdict::Known
        } else if self.keys.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Changed
        }
    }

    /// Whether the key of a host or an authority is revoked for this host.
    pub(crate) fn is_revoked(&self, key: &[u8]) -> bool {
        self.revoked.iter().any(|revoked| revoked == key)
    }

    /// Whether the key may sign this host's certificates. With a pin none may, because a pin names the host's own key.
    pub(crate) fn is_authority(&self, key: &[u8]) -> bool {
        self.pin.is_none() && self.authorities.iter().any(|authority| authority == key)
    }

    /// Whether any key of the host itself is known.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether certificates can be judged at all.
    pub(crate) fn has_authorities(&self) -> bool {
        self.pin.is_none() && !self.authorities.is_empty()
    }

    /// Whether a fingerprint is pinned.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// The types of the known keys, such as `ssh-ed25519`. They are offered first, so that the host shows a known key.
    pub(crate) fn key_types(&self) -> Vec<&str> {
        let mut types = Vec::new();
        for key in &self.keys {
            let shown = self.pin.as_ref().is_none_or(|pin| fingerprint(key) == *pin);
            if let Some(kind) = key_type(key).filter(|kind| shown && !types.contains(kind)) {
                types.push(kind);
            }
        }
        types
    }

    /// The fingerprints that the host may show, for people.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        match &self.pin {
            Some(pin) => vec![pin.clone()],
            None => {
                let shown = self.keys.iter().filter(|key| !self.is_revoked(key));
                shown.map(|key| fingerprint(key)).collect()
            }
        }
    }
}

/// The names that a host may be known by: with its port unless that is 22, and without.
pub(crate) fn names(address: &str, port: u16) -> [String; 2] {
    let address = address.to_ascii_lowercase();
    [if port == 22 { address.clone() } else { format!("[{address}]:{port}") }, address]
}

/// The fingerprint of a public key as `ssh-keygen -l` prints it, `SHA256:…`.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, key)))
}

/// Whether `name` matches a list of lower-case patterns with `*`, `?` and `!`. If a negated pattern matches, it does not.
fn matches_patterns(patterns: &str, name: &str) -> bool {
    let mut matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => matched |= matches_pattern(pattern.as_bytes(), name.as_bytes()),
        }
    }
    matched
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    mark: Mark,
    hosts: Hosts,
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    CertAuthority,
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// In lower case.
    Patterns(String),
    Hashed {
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split([' ', '\t']).filter(|field| !field.is_empty());
        let mut field = fields.next()?;
        let mark = match field {
            "@cert-authority" => Mark::CertAuthority,
            "@revoked" => Mark::Revoked,
            other if other.starts_with('@') => return None,
            _ => Mark::None,
        };
        if mark != Mark::None {
            field = fields.next()?;
        }
        let hosts = Hosts::parse(field)?;
        let named = fields.next()?;
        let key = STANDARD.decode(fields.next()?).ok()?;
        // The key repeats its type. If the two differ, the line is damaged.
        (key_type(&key)? == named).then_some(Self { mark, hosts, key })
    }
}

impl Hosts {
    fn parse(field: &str) -> Option<Self> {
        let Some(hashed) = field.strip_prefix('|') else {
            return Some(Self::Patterns(field.to_ascii_lowercase()));
        };
        let (salt, hash) = hashed.strip_prefix("1|")?.split_once('|')?;
        Some(Self::Hashed { salt: STANDARD.decode(salt).ok()?, hash: STANDARD.decode(hash).ok()? })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => matches_patterns(patterns, name),
            Self::Hashed { salt, hash } => is_hashed(&key_of(salt), hash, name),
        }
    }

    /// Those of `names` that match.
    fn matching<'n>(&self, names: &'n BTreeSet<String>) -> impl Iterator<Item = &'n String> {
        let key = match self {
            Self::Patterns(_) => None,
            Self::Hashed { salt, .. } => Some(key_of(salt)),
        };
        names.iter().filter(move |name| match (self, &key) {
            (Self::Hashed { hash, .. }, Some(key)) => is_hashed(key, hash, name),
            _ => self.matches(name),
        })
    }
}

/// The file format prescribes HMAC-SHA1. It only hides names; no security depends on it.
fn key_of(salt: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt)
}

fn is_hashed(key: &hmac::Key, hash: &[u8], name: &str) -> bool {
    hmac::sign(key, name.as_bytes()).as_ref() == hash
}

/// The type at the head of a public key (RFC 4253, 6.6), if the rest is not empty.
pub(crate) fn key_type(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (name, rest) = rest.split_at_checked(length)?;
    (!name.is_empty() && !rest.is_empty()).then(|| std::str::from_utf8(name).ok())?
}

/// `*` matches any bytes, `?` any single byte. It goes back to the last `*` only, so that matching is always fast.
fn matches_pattern(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while let Some(byte) = name.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(want) if *want == b'?' || want == byte => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((star_at, star_from)) => {
                    star = Some((star_at, star_from + 1));
                    at = star_at + 1;
                    from = star_from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<KnownHosts, KnownHostsError> {
        let mut known = KnownHosts::default();
        known.add(text)?;
        Ok(known)
    }

    fn key(kind: &str, seed: u8) -> Vec<u8> {
        let mut key = (u32::try_from(kind.len()).unwrap()).to_be_bytes().to_vec();
        key.extend(kind.bytes());
        key.extend([0, 0, 0, 32]);
        key.extend([seed; 32]);
        key
    }

    fn ed25519(seed: u8) -> Vec<u8> {
        key("ssh-ed25519", seed)
    }

    fn entry(seed: u8) -> String {
        format!("ssh-ed25519 {} comment here", STANDARD.encode(ed25519(seed)))
    }

    fn judge(text: &str, address: &str, port: u16, seed: u8) -> Verdict {
        parse(text).unwrap().host(address, port, None).judge(&ed25519(seed))
    }

    #[test]
    fn names_match_as_openssh_matches_them() {
        use Verdict::{Changed, Known, Unknown};
        // (names, address, port, verdict on the line's own key)
        for (names, address, port, verdict) in [
            ("node1", "node1", 22, Known),
            ("node1", "NODE1", 22, Known),
            ("NODE1", "node1", 22, Known),
            ("node1", "node2", 22, Unknown),
            ("node1,node2", "node2", 22, Known),
            ("node*", "node17", 22, Known),
            ("node?", "node17", 22, Unknown),
            ("*.example.test,!bad.example.test", "good.example.test", 22, Known),
            ("*.example.test,!bad.example.test", "bad.example.test", 22, Unknown),
            ("!bad.example.test,*.example.test", "bad.example.test", 22, Unknown),
            ("[node1]:2222", "node1", 2222, Known),
            ("[node1]:2222", "node1", 22, Unknown),
            ("[node1]:2222", "node1", 2223, Unknown),
            ("node1", "node1", 2222, Known), // The name without the port counts if none with the port is known.
            ("*", "node1", 2222, Known),
            ("[fd00::1]:2222", "fd00::1", 2222, Known),
            ("fd00::1", "FD00::1", 22, Known),
        ] {
            assert_eq!(
                judge(&format!("{names} {}", entry(1)), address, port, 1),
                verdict,
                "{names} {address}"
            );
        }
        let both = format!("[node1]:2222 {}\nnode1 {}", entry(1), entry(2));
        assert_eq!(judge(&both, "node1", 2222, 2), Changed);
    }

    #[test]
    fn what_is_looked_for_beforehand_is_what_is_found_later() {
        let salt = [7; 20];
        let hash = STANDARD.encode(hmac::sign(&key_of(&salt), b"n1"));
        let hashed = format!("|1|{}|{hash}", STANDARD.encode(salt));
        let text: String = [&*hashed, "n1,n2", "N*,!n2", "@revoked n1", "[n2]:2222", "other"]
            .map(|hosts| {
                let (mark, hosts) = hosts.split_once(' ').unwrap_or(("", hosts));
                format!("{mark} {hosts} {}\n", entry(1)).trim_start().to_owned()
            })
            .concat();
        let one_by_one = parse(&text).unwrap();
        let mut at_once = one_by_one.clone();
        at_once.look_for(&["n1", "n2", "[n2]:2222", "absent"].map(str::to_owned).into());
        for (address, port) in
            [("n1", 22), ("N1", 22), ("n2", 22), ("n2", 2222), ("absent", 22), ("other", 22)]
        {
            let known = one_by_one.host(address, port, None);
            assert_eq!(at_once.host(address, port, None), known, "{address}");
            assert_eq!(known.keys.is_empty() && known.revoked.is_empty(), address == "absent");
        }
    }

    #[test]
    fn hashed_names_match() {
        let hash = |name: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[7; 20]);
            format!("|1|{}|{}", STANDARD.encode([7; 20]), STANDARD.encode(hmac::sign(&key, name.as_bytes())))
        };
        let text = format!("{} {}\n{} {}", hash("node1"), entry(1), hash("[node1]:2222"), entry(2));
        assert_eq!(judge(&text, "node1", 22, 1), Verdict::Known);
        assert_eq!(judge(&text, "Node1", 2222, 2), Verdict::Known);
        assert_eq!(judge(&text, "node1", 22, 2), Verdict::Changed);
        assert_eq!(judge(&text, "node2", 22, 1), Verdict::Unknown);
    }

    #[test]
    fn a_revoked_key_is_refused_wherever_else_it_is_listed() {
        let text = format!("node1 {}\n@revoked * {}", entry(1), entry(1));
        assert_eq!(judge(&text, "node1", 22, 1), Verdict::Revoked);
        assert_eq!(judge(&text, "node1", 2222, 1), Verdict::Revoked);
        let known = parse(&text).unwrap();
        let pin = fingerprint(&ed25519(1));
        assert_eq!(known.host("node1", 22, Some(&pin)).judge(&ed25519(1)), Verdict::Revoked);
        let other = format!("node1 {}\n@revoked node2 {}", entry(1), entry(1));
        assert_eq!(judge(&other, "node1", 22, 1), Verdict::Known);
    }

    #[test]
    fn a_marked_line_that_cannot_be_read_stops() {
        for (text, line) in [
            ("@revoked", 1),
            ("\n@revoked * ssh-ed25519", 2),
            ("@revoked * ssh-ed25519 !!!", 1),
            ("@revoked * ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAEB", 1),
            ("@Revoked * ssh-ed25519 AAAA", 1),
            ("#\n#\n  @cert-authority * ssh-ed25519 AAA=", 3),
        ] {
            assert_eq!(parse(text), Err(KnownHostsError::MarkedLine { line }), "{text}");
        }
    }

    #[test]
    fn other_lines_that_cannot_be_read_are_passed_over() {
        let text =
            format!("# node1\nnode1\nnode1 ssh-ed25519\nnode1 ssh-rsa !!\n\t node1\t {}\r\n", entry(1));
        assert_eq!(judge(&text, "node1", 22, 1), Verdict::Known);
    }

    #[test]
    fn old_and_new_keys_of_one_type_are_both_known() {
        let text = format!("node1 {}\nnode1 {}", entry(1), entry(2));
        assert_eq!(judge(&text, "node1", 22, 1), Verdict::Known);
        assert_eq!(judge(&text, "node1", 22, 2), Verdict::Known);
        assert_eq!(judge(&text, "node1", 22, 3), Verdict::Changed);
    }

    #[test]
    fn an_authority_is_not_a_key_and_a_pin_stands_in_place_of_both() {
        let text = format!("@cert-authority *.example.test {}", entry(1));
        let known = parse(&text).unwrap();
        let host = known.host("a.example.test", 22, None);
        assert!(host.has_authorities() && host.is_authority(&ed25519(1)) && !host.is_authority(&ed25519(2)));
        assert_eq!(host.judge(&ed25519(1)), Verdict::Unknown);
        assert!(!known.host("a.other.test", 22, None).has_authorities());

        let pin = fingerprint(&ed25519(3));
        let pinned = known.host("a.example.test", 22, Some(&pin));
        assert!(!pinned.has_authorities());
        assert_eq!(pinned.judge(&ed25519(3)), Verdict::Known);
        assert_eq!(pinned.judge(&ed25519(1)), Verdict::Changed);
    }

    #[test]
    fn known_types_come_first() {
        let rsa = STANDARD.encode(key("ssh-rsa", 1));
        let known = parse(&format!("node1 ssh-rsa {rsa}\nnode2 {}", entry(1))).unwrap();
        assert_eq!(known.host("node1", 22, None).key_types(), ["ssh-rsa"]);
        assert_eq!(known.host("node3", 22, None).key_types(), [""; 0]);
    }
}
