//! `assay nodes`: what kubectl says in, a site file out. A real kubectl, before an API server that has the recorded nodes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use program::finish;

mod program;

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/kubectl").join(name)
}

fn nodes() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("nodes").stdin(Stdio::null()).env_remove("KUBECONFIG");
    command
}

fn site_of(output: &Output) -> toml::Table {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Name, address, group or system, roles of every node.
fn rows(site: &toml::Table) -> Vec<(String, String, String, usize)> {
    let text =
        |node: &toml::Table, key: &str| node.get(key).and_then(toml::Value::as_str).unwrap_or("").to_owned();
    let row = |node: &toml::Value| {
        let node = node.as_table().unwrap();
        let kind = text(node, "group") + &text(node, "os");
        (text(node, "name"), text(node, "address"), kind, node.get("roles").map_or(0, |_| 1))
    };
    site["node"].as_array().unwrap().iter().map(row).collect()
}

fn expected() -> Vec<(String, String, String, usize)> {
    [
        ("moc-l1wtd2htd2g", "100.72.248.135", "linux", 0),
        ("moc-lsbe393il9d", "100.72.248.133", "linux", 1),
        ("moc-lw0v0qu2hl8", "100.72.248.136", "linux", 0),
        ("moc-wgh4c7s1w2x", "100.72.248.137", "windows", 0),
    ]
    .map(|(name, address, kind, roles)| (name.to_owned(), address.to_owned(), kind.to_owned(), roles))
    .to_vec()
}

#[test]
fn saved_lists_of_both_forms_give_one_site() {
    let mut texts = Vec::new();
    for name in ["nodes.json", "nodes-wide.txt"] {
        let output = finish(nodes().arg("--from").arg(recorded(name)), 0);
        assert_eq!(rows(&site_of(&output)), expected());
        texts.push(output.stdout);
        let piped =
            nodes().args(["--from", "-"]).stdin(fs::File::open(recorded(name)).unwrap()).output().unwrap();
        assert_eq!(piped.stdout, texts[0]);
    }
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn options_become_defaults_and_windows_nodes_are_a_group() {
    let options = [
        "--user",
        "clouduser",
        "--windows-user",
        "administrator",
        "--identity",
        "~/.ssh/id_rsa",
        "--port",
        "2222",
        "--jump",
        "op@gate.example.test",
        "--sudo",
        "password",
    ];
    let site = site_of(&finish(nodes().arg("--from").arg(recorded("nodes.json")).args(options), 0));
    let defaults = site["defaults"].as_table().unwrap();
    for (key, value) in [
        ("user", "clouduser"),
        ("identity", "~/.ssh/id_rsa"),
        ("jump", "op@gate.example.test"),
        ("sudo", "password"),
    ] {
        assert_eq!(defaults[key].as_str(), Some(value));
    }
    assert_eq!(defaults["port"].as_integer(), Some(2222));
    let windows = site["groups"]["windows"].as_table().unwrap();
    assert_eq!((windows["user"].as_str(), windows["os"].as_str()), (Some("administrator"), Some("windows")));
    finish(nodes().arg("--from").arg(recorded("nodes.json")).args(["--jump", "no such host"]), 2);
    finish(nodes().arg("--from").arg(recorded("nodes.json")).args(["--sudo", "maybe"]), 2);
}

#[test]
fn a_site_file_that_is_there_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("site.toml");
    let mut command = nodes();
    command.arg("--from").arg(recorded("nodes.json")).arg("--out").arg(&out);
    finish(&mut command, 0);
    fs::write(&out, "mine").unwrap();
    finish(&mut command, 2);
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
}

#[test]
fn what_is_no_list_of_nodes_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("list");
    let json = fs::read_to_string(recorded("nodes.json")).unwrap();
    let wide = fs::read_to_string(recorded("nodes-wide.txt")).unwrap();
    for (text, line) in [
        (json.replacen("\"name\": \"moc-l1wtd2htd2g\"", "\"nom\": \"x\"", 1), "line 28"),
        (json.replace("\"address\": \"100.72.248.133\"", "\"address\": \"$(reboot)\""), "line 109"),
        (wide.replacen("100.72.248.137", "100.72.248,137", 1), "line 5"),
        (wide.replacen("moc-lsbe", "moc lsbe", 1), "line 3"),
        (String::new(), "line 1"),
    ] {
        fs::write(&from, &text).unwrap();
        let output = nodes().arg("--from").arg(&from).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.contains(line), "{stderr}");
    }
    finish(nodes().arg("--from").arg(folder.path().join("absent")), 2);
}

/// An API server that knows the recorded nodes.
struct ApiServer {
    folder: TempDir,
    kubeconfig: PathBuf,
}

impl ApiServer {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "dead",
            "clusters": [
                {"name": "site-one", "cluster": {"server": format!("http://{}", listener.local_addr().unwrap())}},
                {"name": "dead", "cluster": {"server": "http://127.0.0.1:1"}}
            ],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [
                {"name": "site-one", "context": {"cluster": "site-one", "user": "nobody"}},
                {"name": "dead", "context": {"cluster": "dead", "user": "nobody"}}
            ]
        });
        fs::write(&kubeconfig, config.to_string()).unwrap();
        // The thread ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || answer(&stream));
            }
        });
        Self { folder, kubeconfig }
    }

    fn kubectl(&self, format: &str) -> Output {
        let mut command = Command::new("kubectl");
        command
            .args(["get", "nodes", "--context", "site-one", "-o", format, "--kubeconfig"])
            .arg(&self.kubeconfig);
        command.env("HOME", self.folder.path());
        command
            .output()
            .expect("kubectl is not installed: apt-get install -y --no-install-recommends kubernetes-client")
    }
}

fn answer(mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    let read = |name| serde_json::from_slice::<Value>(&fs::read(recorded(name)).unwrap()).unwrap();
    let body = match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
        "/api/v1" => json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": ["get", "list"]}]}),
        "/api/v1/nodes" if request.contains("as=Table") => read("nodes-table.json"),
        "/api/v1/nodes" => json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": read("nodes.json")["items"]}),
        _ => {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
    }
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // kubectl may have hung up, and then needs no answer.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

#[test]
fn a_real_kubectl_is_run() {
    let server = ApiServer::start();
    let mut command = nodes();
    command.arg("--kubeconfig").arg(&server.kubeconfig).env("HOME", server.folder.path());
    finish(&mut command, 2); // The current context leads nowhere.
    let output = finish(command.args(["--context", "site-one"]), 0);
    assert_eq!(rows(&site_of(&output)), expected());
    finish(command.env("PATH", server.folder.path()), 2); // There is no kubectl.
}

#[test]
fn this_kubectl_prints_what_is_read() {
    let server = ApiServer::start();
    for format in ["json", "wide"] {
        let printed = server.kubectl(format);
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let from = server.folder.path().join(format);
        fs::write(&from, &printed.stdout).unwrap();
        assert_eq!(rows(&site_of(&finish(nodes().arg("--from").arg(&from), 0))), expected(), "{format}");
    }
}

#[test]
fn a_kubectl_that_fails_or_prints_nonsense_gives_no_site() {
    let folder = tempfile::tempdir().unwrap();
    for script in ["echo '{}'; exit 1", "echo nothing", "exit 0", "kill -9 $$"] {
        let path = folder.path().join("kubectl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let output = finish(nodes().env("PATH", folder.path()), 2);
        assert!(output.stdout.is_empty(), "{script}");
    }
}
