//! Reads the site file: TOML with the site's `name`, `[defaults]`, `[groups.NAME]` and one `[[node]]` for each node. An error names the
//! line, and an unknown key is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{SITE_FILE_BYTES, SiteFileError, SiteFileProblem};
use super::node::{Hop, Node, Sudo};
use super::platform::Os;
use super::values::{self, OneOrMore};
use crate::suggestion;
use crate::text::line_of;

/// Every node of a site file, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The name of the site, if it has one.
    pub name: Option<String>,
    /// The nodes; at least one, each name once.
    pub nodes: Vec<Node>,
}

impl Site {
    /// Reads a site file's text.
    ///
    /// # Errors
    /// [`SiteFileError`] with the line, if the text is not a site file.
    pub(crate) fn parse(text: &str) -> Result<Self, SiteFileError> {
        parse(text)
    }

    /// The node of that name.
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

fn parse(text: &str) -> Result<Site, SiteFileError> {
    if text.len() > SITE_FILE_BYTES {
        return Err(SiteFileError { line: 1, problem: SiteFileProblem::TooLarge });
    }
    let written: Written = toml::from_str(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        let other = text.lines().nth(line.saturating_sub(1)).and_then(other_brackets);
        let toml = || SiteFileProblem::Toml(suggestion::of_toml(&error));
        SiteFileError { line, problem: other.map_or_else(toml, SiteFileProblem::Brackets) }
    })?;
    for (name, group) in &written.groups {
        let wrong = |span: std::ops::Range<usize>, problem| {
            Err(SiteFileError { line: line_of(text, span.start), problem })
        };
        if !values::is_name(name) {
            return wrong(group.span(), SiteFileProblem::Name(name.clone()));
        }
        if let Some(inner) = &group.get_ref().group {
            return wrong(inner.span(), SiteFileProblem::GroupInGroup);
        }
    }
    let reader = Reader { text, defaults: written.defaults, groups: written.groups };
    let name = reader.optional(written.name, |name| values::plain("name", name))?;
    let mut nodes = Vec::new();
    let mut lines = BTreeMap::new();
    for node in written.node {
        let line = line_of(text, node.span().start);
        let node = reader.node(node)?;
        if let Some(first) = lines.insert(node.name.to_lowercase(), line) {
            let problem = SiteFileProblem::Duplicate { name: node.name, first };
            return Err(SiteFileError { line, problem });
        }
        nodes.push((line, node));
    }
    let by_name = nodes.iter().map(|(_, node)| (node.name.as_str(), node)).collect();
    for (line, node) in &nodes {
        check_jumps(&by_name, node).map_err(|problem| SiteFileError { line: *line, problem })?;
    }
    let mut nodes: Vec<Node> = nodes.into_iter().map(|(_, node)| node).collect();
    if nodes.is_empty() {
        return Err(SiteFileError { line: 1, problem: SiteFileProblem::NoNode });
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Site { name, nodes })
}

/// What the head of a table should be: `node` is the one array of tables.
fn other_brackets(line: &str) -> Option<String> {
    let name = line.split('#').next()?.trim().trim_matches(|c| matches!(c, '[' | ']')).trim();
    let is_array = line.trim_start().starts_with("[[");
    let should = name == "node";
    let known = should || name == "defaults" || name.starts_with("groups.");
    let right = if should { format!("[[{name}]], one for each node") } else { format!("[{name}]") };
    (known && line.trim_start().starts_with('[') && is_array != should).then_some(right)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<Spanned<String>>,
    #[serde(default)]
    defaults: Fields,
    #[serde(default)]
    groups: BTreeMap<String, Spanned<Fields>>,
    #[serde(default)]
    node: Vec<Spanned<Fields>>,
}

/// A node's keys. A `name` under `[defaults]` leads to duplicate names, unless there is only one node.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: Option<Spanned<String>>,
    address: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
    os: Option<Spanned<WrittenOs>>,
    roles: Option<Spanned<Vec<String>>>,
    group: Option<Spanned<String>>,
    host_key: Option<Spanned<String>>,
    jump: Option<Spanned<String>>,
    store: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    identity: Option<Spanned<String>>,
    certificate: Option<Spanned<String>>,
    known_hosts: Option<Spanned<OneOrMore>>,
    sudo: Option<Spanned<Sudo>>,
}

impl Fields {
    /// These keys, and for those that are absent the others'.
    fn or(self, others: &Self) -> Self {
        macro_rules! or {
            ($($key:ident),*) => { Self { $($key: self.$key.or_else(|| others.$key.clone())),* } };
        }
        or!(
            name,
            address,
            port,
            os,
            roles,
            group,
            host_key,
            jump,
            store,
            user,
            identity,
            certificate,
            known_hosts,
            sudo
        )
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenOs {
    Linux,
    Windows,
}

struct Reader<'a> {
    text: &'a str,
    defaults: Fields,
    groups: BTreeMap<String, Spanned<Fields>>,
}

impl Reader<'_> {
    fn node(&self, written: Spanned<Fields>) -> Result<Node, SiteFileError> {
        let line = line_of(self.text, written.span().start);
        let missing = |key| SiteFileError { line, problem: SiteFileProblem::Missing(key) };
        let written = written.into_inner();
        let group = written.group.clone().or_else(|| self.defaults.group.clone());
        let group = group.map(|group| self.checked(group, |name| self.group(name))).transpose()?;
        let written = match group {
            Some(group) => written.or(group),
            None => written,
        };
        let written = written.or(&self.defaults);

        let path = |key| move |path| values::plain(key, path).map(PathBuf::from);
        let os = written.os.map(|os| match os.into_inner() {
            WrittenOs::Linux => Os::Linux,
            WrittenOs::Windows => Os::Windows,
        });
        let roles = self.optional(written.roles, |roles| {
            roles.into_iter().map(|role| values::plain("roles", role)).collect::<Result<Vec<_>, _>>()
        })?;
        let known_hosts = self.optional(written.known_hosts, |files| {
            files.0.into_iter().map(path("known_hosts")).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Node {
            name: self.checked(written.name.ok_or_else(|| missing("name"))?, values::name)?,
            address: self.checked(written.address.ok_or_else(|| missing("address"))?, values::host)?,
            port: self.optional(written.port, values::port)?,
            os,
            roles: roles.unwrap_or_default(),
            group: written.group.map(Spanned::into_inner),
            host_key: self.optional(written.host_key, values::fingerprint)?,
            jump: self.optional(written.jump, values::jump)?,
            store: self.optional(written.store, |store| values::plain("store", store))?,
            user: self.optional(written.user, values::user)?,
            identity: self.optional(written.identity, path("identity"))?,
            certificate: self.optional(written.certificate, path("certificate"))?,
            known_hosts: known_hosts.unwrap_or_default(),
            sudo: written.sudo.map(Spanned::into_inner).unwrap_or_default(),
        })
    }

    fn group(&self, name: String) -> Result<&Fields, SiteFileProblem> {
        match self.groups.get(&name) {
            Some(group) => Ok(group.get_ref()),
            None => Err(SiteFileProblem::GroupUnknown(name)),
        }
    }

    fn checked<T, U>(
        &self,
        value: Spanned<T>,
        check: impl FnOnce(T) -> Result<U, SiteFileProblem>,
    ) -> Result<U, SiteFileError> {
        let line = line_of(self.text, value.span().start);
        check(value.into_inner()).map_err(|problem| SiteFileError { line, problem })
    }

    fn optional<T, U>(
        &self,
        value: Option<Spanned<T>>,
        check: impl FnOnce(T) -> Result<U, SiteFileProblem>,
    ) -> Result<Option<U>, SiteFileError> {
        value.map(|value| self.checked(value, check)).transpose()
    }
}

/// Checks a node's jump hosts: each exists, and none of them leads back to the node.
fn check_jumps(nodes: &BTreeMap<&str, &Node>, node: &Node) -> Result<(), SiteFileProblem> {
    let mut way = vec![node.name.as_str()];
    follow(nodes, node, &mut way)
}

/// `way` is what was followed up to here. A hop's own jump hosts count as well, the first hop's being the ones in use.
fn follow<'a>(
    nodes: &BTreeMap<&str, &'a Node>,
    node: &'a Node,
    way: &mut Vec<&'a str>,
) -> Result<(), SiteFileProblem> {
    for hop in node.jump.iter().flatten() {
        let Hop::Node(name) = hop else { continue };
        let Some(next) = nodes.get(name.as_str()) else {
            return Err(SiteFileProblem::JumpUnknown(name.clone()));
        };
        if way.contains(&name.as_str()) {
            return Err(SiteFileProblem::JumpLoop(name.clone()));
        }
        way.push(&next.name);
        follow(nodes, next, way)?;
        way.pop();
    }
    Ok(())
}

/// A path of a site file: `~/` is the home folder, and a relative one starts at the site file's folder.
pub(crate) fn resolve(path: &Path, site_folder: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => site_folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::SshAddress;

    const PIN: &str = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDWcGTa2eEqgxbNHRs";

    #[test]
    fn reads_every_key_and_the_defaults() {
        let site = Site::parse(&format!(
            r#"
            name = "store 42"

            [defaults]
            user = "clouduser"
            identity = "~/.ssh/id_rsa"
            known_hosts = "known_hosts"
            sudo = true

            [groups.windows]
            os = "windows"
            user = "administrator"
            certificate = "admin-cert.pub"
            known_hosts = ["one", "two"]
            sudo = "password"

            [[node]]
            name = "worker-1"
            address = "100.72.248.133"
            port = 2222
            group = "windows"
            roles = ["worker"]
            host_key = "{PIN}"
            jump = "control"
            store = "containerd:/run/containerd/containerd.sock"
            user = "admin"

            [[node]]
            name = "control"
            address = "control.example.test"
            jump = "op@[fd00::1]:2200,op@gate-2"

            [[node]]
            name = "worker-2"
            address = "10.0.0.3"
            jump = "none"
            "#
        ))
        .unwrap();
        assert_eq!(site.name.as_deref(), Some("store 42"));
        let names: Vec<_> = site.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["control", "worker-1", "worker-2"]);
        let worker = site.node("worker-1").unwrap();
        assert_eq!(
            *worker,
            Node {
                name: "worker-1".into(),
                address: "100.72.248.133".into(),
                port: Some(2222),
                os: Some(Os::Windows),
                roles: vec!["worker".into()],
                group: Some("windows".into()),
                host_key: Some(PIN.into()),
                jump: Some(vec![Hop::Node("control".into())]),
                store: Some("containerd:/run/containerd/containerd.sock".into()),
                user: Some("admin".into()),
                identity: Some("~/.ssh/id_rsa".into()),
                certificate: Some("admin-cert.pub".into()),
                known_hosts: vec!["one".into(), "two".into()],
                sudo: Sudo::Password,
            }
        );
        let control = site.node("control").unwrap();
        assert_eq!((control.port(), control.sudo, control.user()), (22, Sudo::Yes, "clouduser"));
        assert_eq!(control.known_hosts, [PathBuf::from("known_hosts")]);
        let host = |address: &str, port| {
            Hop::Host(SshAddress { user: Some("op".into()), address: address.into(), port })
        };
        assert_eq!(control.jump, Some(vec![host("fd00::1", Some(2200)), host("gate-2", None)]));
        assert_eq!(site.node("worker-2").unwrap().jump, Some(Vec::new()));
    }

    #[test]
    fn an_address_with_more_in_it_is_taken_apart() {
        for (given, instead) in [
            ("h:2222", "address = \"h\", port = 2222"),
            ("10.0.0.1:22", "address = \"10.0.0.1\", port = 22"),
            ("[fd00::1]:2222", "address = \"fd00::1\", port = 2222"),
            ("[fd00::1]", "address = \"fd00::1\""),
            ("op@h", "address = \"h\", user = \"op\""),
            ("ssh://op@h:2222", "address = \"h\", port = 2222, user = \"op\""),
        ] {
            let error = Site::parse(&format!("[[node]]\nname = \"a\"\naddress = {given:?}")).unwrap_err();
            let (given, instead) = (given.to_owned(), instead.to_owned());
            assert_eq!(error.problem, SiteFileProblem::MoreThanAddress { given, instead });
        }
    }

    #[test]
    fn errors_name_the_line() {
        use SiteFileProblem as P;
        let node = |keys: &str| format!("[[node]]\nname = \"a\"\naddress = \"10.0.0.1\"\n{keys}\n");
        let cases = [
            ("", 1, P::NoNode),
            ("name = \"\"", 1, P::Text { key: "name" }),
            ("[[node]]\naddress = \"10.0.0.1\"", 1, P::Missing("name")),
            ("\n[[node]]\nname = \"a\"", 2, P::Missing("address")),
            ("[[node]]\nname = \"../a\"\naddress = \"b\"", 2, P::Name("../a".into())),
            ("[[node]]\nname = \"NUL.x\"\naddress = \"b\"", 2, P::Name("NUL.x".into())),
            ("[[node]]\nname = \"\"\naddress = \"b\"", 2, P::Name(String::new())),
            ("[[node]]\nname = \"a\"\naddress = \"-oProxy\"", 3, P::Address("-oProxy".into())),
            ("[[node]]\nname = \"a\"\naddress = \"a b\"", 3, P::Address("a b".into())),
            ("[node]\nname = \"a\"\naddress = \"a\"", 1, P::Brackets("[[node]], one for each node".into())),
            (&format!("{}[node]", node("")), 5, P::Brackets("[[node]], one for each node".into())),
            ("[ node ] # a\nname = \"a\"\n[node]\n", 3, P::Brackets("[[node]], one for each node".into())),
            (&format!("[[defaults]]\nport = 22\n{}", node("")), 1, P::Brackets("[defaults]".into())),
            (&format!("[[groups.a]]\nport = 22\n{}", node("")), 1, P::Brackets("[groups.a]".into())),
            (&node("port = 0"), 4, P::Port),
            (&node("host_key = \"SHA256:abc\""), 4, P::HostKey("SHA256:abc".into())),
            (&node("host_key = \"MD5:00\""), 4, P::HostKey("MD5:00".into())),
            (&node("jump = \"b\""), 1, P::JumpUnknown("b".into())),
            (&node("jump = \"a\""), 1, P::JumpLoop("a".into())),
            (&node("jump = \"u@h:0\""), 4, P::Jump("u@h:0".into())),
            (&node("jump = \"u@h:x\""), 4, P::Jump("u@h:x".into())),
            (&node("jump = \"u@h,\""), 4, P::Jump("u@h,".into())),
            (&node("jump = \"u@h,b\""), 1, P::JumpUnknown("b".into())),
            (&node("group = \"b\""), 4, P::GroupUnknown("b".into())),
            (&node("[groups.b]\ngroup = \"b\""), 5, P::GroupInGroup),
            (&node("[groups.\"b/c\"]\nport = 22"), 4, P::Name("b/c".into())),
            (&node("group = \"b\"\n[groups.b]\nport = 0"), 6, P::Port),
            (&node("known_hosts = [\"\"]"), 4, P::Text { key: "known_hosts" }),
            (&node("store = \"\""), 4, P::Text { key: "store" }),
            (&node("roles = [\"a\\u001b\"]"), 4, P::Text { key: "roles" }),
            (&node("user = \"\""), 4, P::User(String::new())),
            (
                &node("[[node]]\nname = \"A\"\naddress = \"10.0.0.2\""),
                4,
                P::Duplicate { name: "A".into(), first: 1 },
            ),
        ];
        for (text, line, problem) in cases {
            assert_eq!(Site::parse(text), Err(SiteFileError { line, problem }), "{text}");
        }
    }

    #[test]
    fn toml_errors_name_the_line_too() {
        let node = "[[node]]\nname = \"a\"\naddress = \"10.0.0.1\"\n";
        for (text, line) in [
            (format!("{node}adress = \"x\"\n"), 4),
            (format!("{node}port = 70000\n"), 4),
            (format!("{node}port = 22\nport = 23\n"), 5),
            (format!("{node}os = \"beos\"\n"), 4),
            (format!("{node}sudo = \"yes\"\n"), 4),
            (format!("{node}known_hosts = 1\n"), 4),
            (format!("{node}[groups.b]\ncolour = \"red\"\n"), 5),
            (format!("{node}[default]\nuser = \"x\"\n"), 4),
            (format!("{node}x = = 1\n"), 4),
        ] {
            let error = Site::parse(&text).unwrap_err();
            assert!(matches!(error.problem, SiteFileProblem::Toml(_)), "{text}: {error:?}");
            assert_eq!(error.line, line, "{text}");
        }
    }

    #[test]
    fn paths_start_at_home_or_at_the_site_file() {
        let (site, home) = (Path::new("/sites/one"), Some(Path::new("/home/op")));
        for (path, resolved) in [
            ("~/.ssh/id", "/home/op/.ssh/id"),
            ("known_hosts", "/sites/one/known_hosts"),
            ("/etc/key", "/etc/key"),
            ("~other/key", "/sites/one/~other/key"),
        ] {
            assert_eq!(resolve(Path::new(path), site, home), Path::new(resolved));
        }
    }
}
