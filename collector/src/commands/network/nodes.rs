//! `assay nodes`: writes a site file from the nodes of a cluster, and shows their host keys for a person to accept.
//!
//! A host key is written only if a person has accepted its fingerprint, on the terminal or in a list.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use assay_report::ExitCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::task::JoinSet;

use super::error::NodesError;
use crate::clean;
use crate::commands::error::CommandError;
use crate::commands::runtime::block_on;
use crate::errors::with_sources;
use crate::nodes::host_key_list;
use crate::nodes::kubernetes::{self, ClusterNode, NODE_LIST_BYTES};
use crate::nodes::write::{Defaults, site_file};
use crate::nodes::{Node, Site, Sudo};
use crate::report::text::count;
use crate::transport::ConnectError;
use crate::transport::ssh::host_keys::Verdict;
use crate::transport::ssh::targets::{self, Purpose};
use crate::transport::ssh::{Connector, ShownKey};
use crate::{cli, config, console, text};

/// What is known of nodes before their site file is written.
struct Drawn {
    found: Vec<ClusterNode>,
    defaults: Defaults,
    site: Site,
    /// Where the site file is or will be.
    path: PathBuf,
}

/// Runs `assay nodes`.
///
/// # Errors
/// [`CommandError`]
pub fn nodes(options: &cli::Nodes) -> Result<ExitCode, CommandError> {
    // An existing file may have been corrected by hand. It is found before anybody is asked anything.
    if let Some(path) = options.out.as_ref().filter(|path| path.exists()) {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "it exists already; move it away first");
        return Err(NodesError::Unwritable { path: path.clone(), source }.into());
    }
    let drawn = match &options.site {
        Some(path) => {
            let site = config::site(path)?;
            Drawn { found: Vec::new(), defaults: Defaults::default(), site, path: path.clone() }
        }
        None => draw(options)?,
    };
    let mut exit = ExitCode::Passed;
    let mut pins = BTreeMap::new();
    if options.scan_host_keys {
        let accepted = accept(options, &drawn)?;
        if !accepted.complete {
            exit = ExitCode::Incomplete;
        }
        match &options.known_hosts {
            Some(path) => add_known_hosts(path, &drawn.site, &accepted.keys)?,
            None => pins = accepted.keys.into_iter().map(|(name, key)| (name, key.fingerprint)).collect(),
        }
    }
    if options.site.is_some() {
        for (name, pin) in &pins {
            console::print(&format!("# {name}\nhost_key = \"{pin}\"\n"));
        }
        return Ok(exit);
    }
    let text = site_file(&drawn.found, &drawn.defaults, &pins);
    match &options.out {
        None => console::print(&text),
        Some(path) => {
            let written =
                std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|source| NodesError::Unwritable { path: path.clone(), source })?;
            console::say(&format!("# {}: {}", path.display(), count(drawn.found.len(), "node")));
        }
    }
    Ok(exit)
}

/// Reads the cluster's nodes, and makes the site file of them.
fn draw(options: &cli::Nodes) -> Result<Drawn, CommandError> {
    let (from, bytes) = match &options.from {
        None => ("kubectl get nodes".to_owned(), run_kubectl(options)?),
        Some(path) if path == Path::new("-") => {
            ("standard input".to_owned(), read_bounded(path, io::stdin())?)
        }
        Some(path) => {
            let file = std::fs::File::open(path);
            let file = file.map_err(|source| NodesError::Unreadable { path: path.clone(), source })?;
            (path.display().to_string(), read_bounded(path, file)?)
        }
    };
    let found = kubernetes::read(&bytes).map_err(|source| NodesError::List { from, source })?;
    let known_hosts =
        options.known_hosts.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let defaults = Defaults {
        port: options.port,
        user: options.user.clone(),
        windows_user: options.windows_user.clone(),
        identity: options.identity.clone(),
        known_hosts: known_hosts.map(|path| path.display().to_string()),
        jump: options.jump.clone(),
        sudo: match options.sudo.as_str() {
            "yes" => Sudo::Yes,
            "password" => Sudo::Password,
            _ => Sudo::No,
        },
    };
    let text = site_file(&found, &defaults, &BTreeMap::new());
    let site = Site::parse(&text).map_err(NodesError::Options)?;
    let path = options.out.clone().unwrap_or_else(|| PathBuf::from("site.toml"));
    Ok(Drawn { found, defaults, site, path })
}

/// Runs kubectl and returns its output. It keeps the terminal, because it may ask a person to log in.
fn run_kubectl(options: &cli::Nodes) -> Result<Vec<u8>, NodesError> {
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["get", "nodes", "-o", "json", "--request-timeout=60s"]);
    for (option, value) in [
        ("--kubeconfig", options.kubeconfig.as_ref().map(|path| path.as_os_str())),
        ("--context", options.context.as_ref().map(AsRef::as_ref)),
    ] {
        if let Some(value) = value {
            kubectl.arg(option).arg(value);
        }
    }
    let mut child = kubectl.stdout(Stdio::piped()).spawn().map_err(NodesError::NoKubectl)?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // The reader finds out if it is too much.
        let read = stdout.take(NODE_LIST_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(NodesError::NoKubectl)?;
    }
    let status = child.wait().map_err(NodesError::NoKubectl)?;
    if status.success() || bytes.len() > NODE_LIST_BYTES {
        Ok(bytes)
    } else {
        Err(NodesError::Kubectl(status))
    }
}

fn read_bounded(path: &Path, file: impl io::Read) -> Result<Vec<u8>, NodesError> {
    let mut bytes = Vec::new();
    let read = file.take(NODE_LIST_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|source| NodesError::Unreadable { path: path.to_owned(), source })
}

/// Host keys that a person accepted, by node.
struct Accepted {
    keys: BTreeMap<String, ShownKey>,
    /// Whether the key of every node is accepted or was known already.
    complete: bool,
}

/// Gets all host keys, shows them, and asks which are accepted.
fn accept(options: &cli::Nodes, drawn: &Drawn) -> Result<Accepted, CommandError> {
    let list = match &options.accept_host_keys {
        None => None,
        Some(path) => {
            let text =
                text::read(path).map_err(|source| NodesError::Unreadable { path: path.clone(), source })?;
            let list = host_key_list::parse(&text);
            Some(list.map_err(|source| NodesError::Accepted { path: path.clone(), source })?)
        }
    };
    let mut site = drawn.site.clone();
    if let Some(path) = &options.known_hosts
        && !path.exists()
    {
        // It is created when a key is accepted.
        site.nodes.iter_mut().for_each(|node| node.known_hosts.clear());
    }
    let connector = targets::connector(
        &site,
        &drawn.path,
        &options.pace,
        &options.access,
        &site.nodes,
        Purpose::HostKeys,
    )?;
    let concurrency = usize::from(options.pace.concurrency);
    let mut shown =
        block_on(look_at_all(connector, site.nodes.iter().map(|node| node.name.clone()), concurrency))?;

    console::say(
        "# Each node shows this host key. Compare it with the one on the node's console (ssh-keygen -lf KEY.pub).",
    );
    let mut keys = BTreeMap::new();
    let mut complete = true;
    for node in &site.nodes {
        match shown.remove(&node.name) {
            Some(Ok(key)) => {
                console::say(&line(node, &key));
                if key.verdict != Verdict::Known {
                    keys.insert(node.name.clone(), key);
                }
            }
            Some(Err(error)) => {
                complete = false;
                console::say(&format!(
                    "# {}",
                    clean::message(&format!("{}: {}", node.name, with_sources(&error)))
                ));
            }
            None => complete = false,
        }
    }
    let wanted = keys.len();
    // A key that is revoked or differs from the known one is never accepted by a general yes.
    let sound = |key: &ShownKey| key.verdict == Verdict::Unknown;
    match list {
        Some(list) => keys
            .retain(|name, key| list.get(name) == Some(&key.fingerprint) && key.verdict != Verdict::Revoked),
        None if keys.values().any(sound) && ask_yes(keys.values().filter(|key| sound(key)).count()) => {
            keys.retain(|_, key| sound(key));
        }
        None => keys.clear(),
    }
    if keys.len() < wanted {
        complete = false;
        console::say(&format!(
            "# not accepted: {}; give a list of accepted keys with --accept-host-keys",
            count(wanted - keys.len(), "host key")
        ));
    }
    Ok(Accepted { keys, complete })
}

/// A node's key in one line, which [`host_key_list`] reads.
fn line(node: &Node, key: &ShownKey) -> String {
    let known = match key.verdict {
        Verdict::Known => "known",
        Verdict::Unknown => "not known yet",
        Verdict::Changed => "ANOTHER KEY THAN THE KNOWN ONE",
        Verdict::Revoked => "REVOKED",
    };
    let kind = crate::transport::ssh::host_keys::key_type(&key.key).unwrap_or("?");
    format!(
        "{} {} {} {} port {} ({known})",
        node.name,
        key.fingerprint,
        clean::line(kind, 64),
        node.address,
        node.port()
    )
}

async fn look_at_all(
    connector: Connector,
    names: impl Iterator<Item = String>,
    concurrency: usize,
) -> BTreeMap<String, Result<ShownKey, ConnectError>> {
    let connector = Arc::new(connector);
    let mut waiting = names;
    let mut running = JoinSet::new();
    let mut shown = BTreeMap::new();
    loop {
        while running.len() < concurrency
            && let Some(name) = waiting.next()
        {
            let connector = Arc::clone(&connector);
            running.spawn(async move {
                let key = connector.shown_key(&name).await;
                (name, key)
            });
        }
        match running.join_next().await {
            Some(Ok((name, key))) => drop(shown.insert(name, key)),
            // If the task broke off, the node has no key.
            Some(Err(_)) => {}
            None => return shown,
        }
    }
}

/// Asks whether the keys are accepted, if there is a terminal.
fn ask_yes(keys: usize) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    console::say(&format!("Not known yet: {}. Accept? Type yes:", count(keys, "host key")));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// Adds lines to a `known_hosts` file.
fn add_known_hosts(path: &Path, site: &Site, keys: &BTreeMap<String, ShownKey>) -> Result<(), NodesError> {
    if keys.is_empty() {
        return Ok(());
    }
    let unwritable = |source| NodesError::Unwritable { path: path.to_owned(), source };
    let before = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(unwritable(source)),
    };
    let mut text = String::new();
    if !before.is_empty() && !before.ends_with(b"\n") {
        text.push('\n');
    }
    for (name, key) in keys {
        let Some(node) = site.node(name) else { continue };
        let host = match node.port() {
            22 => node.address.to_ascii_lowercase(),
            port => format!("[{}]:{port}", node.address.to_ascii_lowercase()),
        };
        let kind = crate::transport::ssh::host_keys::key_type(&key.key).unwrap_or_default();
        text += &format!("{host} {kind} {}\n", STANDARD.encode(&key.key));
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(unwritable)?;
    console::say(&format!("# {}: {} added", path.display(), count(keys.len(), "host key")));
    Ok(())
}
