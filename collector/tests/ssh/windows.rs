//! A Windows node as far as one can be had: sshd hands each command to wine's `cmd.exe`, as OpenSSH on Windows hands it to
//! cmd, and cmd calls a `powershell.exe` that `powershell.py` stands in for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assay_report::{CleanUpResult, Outcome};
use serde_json::Value;

use crate::node::{Node, Site, Unusual, need, stand_in};

/// What sshd does with a command there: cmd gets it as one line. wine does not wait for programs of Linux and does not know
/// how they ended, hence the pipe, which is open as long as one runs, and the file.
const SHELL: &str = r#"#!/bin/sh
export HOME=/mnt WINEPREFIX=/mnt/windows WINEDEBUG=-all
rm -f /mnt/exit
printf 'What AutoRun prints'
@WINE@ cmd /c "$SSH_ORIGINAL_COMMAND" | cat
read -r code </mnt/exit || code=0
exit "$code"
"#;

fn wine() -> PathBuf {
    let wine = Path::new("/usr/lib/wine/wine64");
    assert!(wine.is_file(), "wine64 is not installed: apt-get install -y --no-install-recommends wine64");
    wine.to_owned()
}

/// A node whose shell is wine's cmd.
fn windows() -> Node {
    let wine = wine();
    let node = Node::unusual(&Unusual { config: "ForceCommand /mnt/shell", ..Unusual::default() });
    let prefix = node.path("windows");
    let made = Command::new(&wine)
        .args(["cmd", "/c", "exit"])
        .env("WINEPREFIX", &prefix)
        .env("HOME", node.path(""))
        .env("WINEDEBUG", "-all")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let program = prefix.join("drive_c/windows/system32/WindowsPowerShell/v1.0/powershell.exe");
    fs::remove_file(&program).unwrap();
    // Python finds its files by its own path, so a script calls it there.
    write(&program, "#!/bin/sh\npython3 /mnt/powershell.py \"$@\"\necho $? >/mnt/exit\n");
    write(&node.path("powershell.py"), include_str!("powershell.py"));
    write(&node.path("shell"), &SHELL.replace("@WINE@", wine.to_str().unwrap()));
    fs::create_dir(node.path("ProgramData")).unwrap();
    // The checkout may be at a path where the node has other folders.
    fs::copy(stand_in(), node.path("agent")).unwrap();
    node
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A program with the header of one for Windows on amd64; nobody runs it.
fn agent(site: &Site) -> String {
    let mut head = b"MZ".to_vec();
    head.resize(0x3c, 0);
    head.extend(128_u32.to_le_bytes());
    head.resize(128, 0);
    head.extend(b"PE\0\0\x64\x86");
    // More than a line of Base64 has, and nothing that compresses away.
    head.extend((0..300_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()));
    fs::write(site.path("assay-agent.exe"), head).unwrap();
    site.path("assay-agent.exe").display().to_string()
}

#[test]
fn commands_input_and_report_pass_through_cmd() {
    let node = windows();
    for (os, behaviour, exit) in [("os = \"windows\"\n", "good", 0), ("", "good", 0), ("", "failed", 1)] {
        let _ = fs::remove_file(node.path("calls.jsonl"));
        let site = Site::new(&node.known_line(), &[node.entry("node", behaviour) + os]);
        let mut command = site.collector("run");
        command.arg("--trust").arg(site.path("trust")).arg("--bundle").arg(site.path("bundle.tar"));
        command.args(["--retries", "0", "--agent", &agent(&site), "--at", "2026-11-22T10:00:00Z"]);
        let ran = site.read(&command.output().unwrap());
        ran.expect(Outcome::Verified, CleanUpResult::Removed, exit);
        let row = ran.row();
        assert_eq!(row.os.as_deref(), Some("windows"));
        assert!(row.clean_up.folder.as_ref().unwrap().starts_with(r"C:\ProgramData\assay-"));
        assert_eq!(fs::read_dir(node.path("ProgramData")).unwrap().count(), 0);
        // Prepared, uploaded, run, cleaned up: four calls, each with its script whole.
        let calls = fs::read_to_string(node.path("calls.jsonl")).unwrap();
        assert_eq!(calls.lines().count(), 4, "{calls}");
        let given: Vec<String> =
            serde_json::from_slice(&fs::read(node.path("arguments.json")).unwrap()).unwrap();
        let run_id = format!("--run-id={}", ran.report.run.id);
        let store = format!("--store=layout:{behaviour}");
        let nonce = format!("--nonce={}", row.asked.as_ref().and_then(|asked| asked.nonce.clone()).unwrap());
        let want = [
            "verify",
            &store,
            "--trust=trust",
            "--signatures=bundles/bundle.tar",
            "--at=2026-11-22T10:00:00Z",
            "--content=full",
            &nonce,
            "--nice",
            &run_id,
            "--output=report.json",
        ];
        assert_eq!(given, want);
        let names: Vec<_> = ran.report.inputs.placed[0].files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["assay-agent.exe", "trust/trustpolicy.json", "bundles/bundle.tar", "SHA256SUMS"]);
    }
}

#[test]
fn arguments_that_mean_something_to_cmd_and_powershell_arrive_as_they_are() {
    let node = windows();
    let store = r#"layout:a b\ "c" %PATH% ^&|<>() 'd' $(e) `f` ä \"#;
    let toml = store.replace('\\', "\\\\").replace('"', "\\\"");
    let entry = node.entry("node", "good").replace("layout:good", &toml) + "os = \"windows\"\n";
    let site = Site::new(&node.known_line(), &[entry]);
    let mut command = site.collector("run");
    command.arg("--trust").arg(site.path("trust")).args(["--retries", "0", "--agent", &agent(&site)]);
    site.read(&command.output().unwrap()).expect(Outcome::Verified, CleanUpResult::Removed, 0);
    let given: Value = serde_json::from_slice(&fs::read(node.path("arguments.json")).unwrap()).unwrap();
    assert_eq!(given[1], format!("--store={store}"));
}

#[test]
fn cleanup_finds_what_a_crash_left() {
    let node = windows();
    let name = "assay-20261122T101500Z-0123456789abcdef-0123456789abcdef";
    for folder in [name, "assay-notes"] {
        fs::create_dir(node.path("ProgramData").join(folder)).unwrap();
    }
    let site = Site::new(&node.known_line(), &[node.entry("node", "good")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("cleanup").arg("--site").arg(site.path("site.toml")).env("HOME", site.folder.path());
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert!(!node.path("ProgramData").join(name).exists());
    assert!(node.path("ProgramData/assay-notes").exists(), "only the names that visits give are ours");
    need("python3", "python3");
}
