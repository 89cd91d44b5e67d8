//! Writes the scripts for Windows nodes, and reads what they print. Pure.
//!
//! Each is a script for Windows PowerShell 5.1, which every supported Windows has, as `-EncodedCommand`: Base64 needs no
//! quoting, so the command is the same whether sshd's default shell is cmd.exe or PowerShell. A command line of cmd.exe
//! has at most 8,191 characters, so the scripts are short. Input is Base64 in lines, because PowerShell reads text.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::script::{
    ANY_FOLDER, CANNOT_RUN, FOLDER_LEFT, MADE, NO_PLACE, NOT_UNPACKED, OTHER_BYTES, PROCESS_LEFT, Script,
    Shell, VISIT_RUNS,
};
use crate::nodes::{Architecture, Os, Platform};
use crate::transport::host::{Folders, Preparation, Upload};
use crate::transport::input::Input;

/// Windows PowerShell, which cmd.exe can start.
#[derive(Debug)]
pub(crate) struct PowerShell;

impl Shell for PowerShell {
    fn prepare(&self, request: &Preparation<'_>) -> Script {
        Script { text: prepare(request.name), input: None }
    }

    fn upload(&self, upload: &Upload<'_>) -> io::Result<Script> {
        let text = unpack(upload.folder, upload.sums_sha256);
        Ok(Script { text, input: Some(in_lines(upload.archive)?) })
    }

    fn run(&self, folder: &str, mark: &str, arguments: &[String], limit: Duration) -> Script {
        Script { text: run(folder, mark, arguments, limit), input: None }
    }

    fn clean_up(&self, folders: &Folders) -> Script {
        Script { text: clean_up(folders), input: None }
    }

    fn platform<'a>(&self, line: &'a str) -> Option<Result<Platform, &'a str>> {
        let architecture = line.strip_prefix("assay-node ")?;
        Some(from_windows(architecture).ok_or(architecture))
    }

    fn folder<'a>(&self, line: &'a str, name: &str) -> Option<&'a str> {
        folder(line, name)
    }

    fn forbidden_hint(&self, _stdout: &str) -> String {
        "check whether AppLocker, App Control or a virus scanner forbids it".to_owned()
    }
}

/// One literal of PowerShell, whatever `text` contains: between single quotes only the quotes themselves are special, and
/// PowerShell takes the typographic ones for quotes too.
fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// One argument, quoted as Windows programs split their command line (`CommandLineToArgvW`).
fn quote_argument(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in text.chars() {
        if c == '"' {
            quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        quoted.push(c);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted.push('"');
    quoted
}

/// Says what the node is and makes the folder, which from its first moment only SYSTEM and administrators can enter.
fn prepare(name: &str) -> String {
    let name = quote(name);
    encoded(&format!(
        r"'assay-node ' + $env:PROCESSOR_ARCHITECTURE
'assay-clock ' + [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
$f = Join-Path $env:ProgramData {name}
if (Test-Path -LiteralPath $f) {{ exit {NO_PLACE} }}
$s = New-Object Security.AccessControl.DirectorySecurity
$s.SetSecurityDescriptorSddlForm('D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
[void][IO.Directory]::CreateDirectory($f, $s)
'assay-folder ' + $f
exit {MADE}"
    ))
}

/// Writes standard input to a file, unpacks it, compares every file with its digest, and checks that the agent runs.
fn unpack(folder: &str, sums_sha256: &str) -> String {
    encoded(&format!(
        r"Set-Location -LiteralPath {folder}
$o = [IO.File]::Create((Join-Path {folder} 'upload.tar'))
foreach ($l in $input) {{ if ($l) {{ $b = [Convert]::FromBase64String($l); $o.Write($b, 0, $b.Length) }} }}
$o.Close()
& (Join-Path $env:SystemRoot 'System32\tar.exe') -xf upload.tar
if ($LASTEXITCODE -ne 0) {{ exit {NOT_UNPACKED} }}
Remove-Item upload.tar
function h($p) {{ (Get-FileHash -Algorithm SHA256 -LiteralPath $p).Hash.ToLower() }}
if ((h 'SHA256SUMS') -ne '{sums_sha256}') {{ exit {OTHER_BYTES} }}
foreach ($l in [IO.File]::ReadAllLines((Join-Path {folder} 'SHA256SUMS'))) {{
if ((h $l.Substring(66)) -ne $l.Substring(0, 64)) {{ exit {OTHER_BYTES} }} }}
[void](& .\assay-agent.exe version)
if ($LASTEXITCODE -ne 0) {{ exit {CANNOT_RUN} }}
'assay-uploaded'",
        folder = quote(folder),
    ))
}

/// Runs the agent in its folder under a time limit. The agent writes its report to a file, whose bytes follow the line `mark`,
/// because PowerShell would re-encode what a program prints. This script carries out the agent's `--nice`: a program inherits the
/// lowest priority class from the one that starts it.
fn run(folder: &str, mark: &str, arguments: &[String], limit: Duration) -> String {
    let output = "--output=report.json".to_owned();
    let arguments: Vec<String> =
        arguments.iter().chain([&output]).map(|argument| quote_argument(argument)).collect();
    encoded(&format!(
        r"Set-Location -LiteralPath {folder}
try {{ (Get-Process -Id $PID).PriorityClass = 'Idle' }} catch {{ }}
$i = New-Object Diagnostics.ProcessStartInfo
$i.FileName = Join-Path {folder} 'assay-agent.exe'
$i.WorkingDirectory = {folder}
$i.Arguments = {arguments}
$i.UseShellExecute = $false
$i.RedirectStandardError = $true
$p = [Diagnostics.Process]::Start($i)
$e = $p.StandardError.ReadToEndAsync()
if (-not $p.WaitForExit({limit})) {{ $p.Kill(); exit 124 }}
[Console]::Error.Write($e.Result)
$o = [Console]::OpenStandardOutput()
$m = [Text.Encoding]::ASCII.GetBytes({mark} + [char]10)
$o.Write($m, 0, $m.Length)
if (Test-Path report.json) {{ $r = [IO.File]::OpenRead((Join-Path {folder} 'report.json')); $r.CopyTo($o); $r.Close() }}
$o.Flush()
exit $p.ExitCode",
        folder = quote(folder),
        mark = quote(mark),
        arguments = quote(&arguments.join(" ")),
        limit = limit.as_millis(),
    ))
}

/// Ends every process in the folders, removes them, and checks that they are gone. If the folders are those of any visit, one with
/// a process in it is left alone, and so is one that changed within the last hour, which is longer than an upload takes. Anyone
/// may make folders beside these, so only folders of administrators and of this login count.
///
/// A program's path is compared character by character, because a comparison by culture ignores invisible characters. Windows may
/// keep a program's file for a moment after the program ends, so a removal that fails is tried again.
fn clean_up(folders: &Folders) -> String {
    let (name, passed_over) = match folders {
        Folders::OfVisit(name) => (name.as_str(), String::new()),
        Folders::OfAnyVisit => (
            ANY_FOLDER,
            format!(
                r"if ((inside) -or $d.LastWriteTimeUtc -gt [DateTime]::UtcNow.AddHours(-1)) {{
'assay-visited ' + $f; if (-not $r) {{ $r = {VISIT_RUNS} }}; continue }}"
            ),
        ),
    };
    encoded(&format!(
        r#"$r = 0
$own = 'S-1-5-18', 'S-1-5-32-544', [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
function inside {{ Get-Process | Where-Object {{ $_.Path -and $_.Path.StartsWith($f + '\', 'OrdinalIgnoreCase') }} }}
foreach ($d in Get-ChildItem -LiteralPath $env:ProgramData -Directory -Force -Filter {name}) {{
$f = $d.FullName
if ($d.Attributes -band [IO.FileAttributes]::ReparsePoint) {{ continue }}
if ($own -notcontains $d.GetAccessControl('Owner').GetOwner([Security.Principal.SecurityIdentifier]).Value) {{ continue }}
{passed_over}
for ($n = 0; $n -lt 50; $n++) {{
$p = @(inside)
if (-not $p) {{ break }}
$p | Stop-Process -Force -ErrorAction SilentlyContinue
Start-Sleep -Milliseconds 100 }}
if ($p) {{ 'assay-left ' + $f; $r = {PROCESS_LEFT} }}
for ($n = 0; $n -lt 6 -and (Test-Path -LiteralPath $f); $n++) {{
if ($n) {{ Start-Sleep -Milliseconds 100 }}
Remove-Item -LiteralPath $f -Recurse -Force -ErrorAction SilentlyContinue }}
if (Test-Path -LiteralPath $f) {{ 'assay-left ' + $f; $r = {FOLDER_LEFT} }} else {{ 'assay-removed ' + $f }} }}
if ($r -eq 0) {{ 'assay-clean' }}
exit $r"#,
        name = quote(name),
    ))
}

/// The folder of a line `assay-folder …`, if it has the exact form that [`prepare`] makes.
fn folder<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let path = line.strip_prefix("assay-folder ")?;
    let place = path.strip_suffix(name)?.strip_suffix('\\')?;
    let mut parts = place.split('\\');
    let drive = parts.next()?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b' ');
    let lettered = matches!(drive.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic());
    let plain = parts.all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(safe));
    (lettered && plain).then_some(path)
}

/// The platform that `PROCESSOR_ARCHITECTURE` names.
fn from_windows(architecture: &str) -> Option<Platform> {
    let architecture = match architecture {
        "AMD64" => Architecture::Amd64,
        "ARM64" => Architecture::Arm64,
        _ => return None,
    };
    Some(Platform { os: Os::Windows, architecture })
}

/// Bytes of a line of input: whole groups of three.
const LINE: usize = 48 << 10;

/// An archive in lines of Base64.
fn in_lines(archive: &Input) -> io::Result<Input> {
    let mut all = Vec::new();
    archive.read(|bytes| all.extend_from_slice(bytes))?;
    let mut text = String::new();
    for chunk in all.chunks(LINE) {
        STANDARD.encode_string(chunk, &mut text);
        text.push_str("\r\n");
    }
    let mut input = Input::default();
    input.bytes(Arc::<[u8]>::from(text.into_bytes()));
    Ok(input)
}

fn encoded(script: &str) -> String {
    let script =
        format!("$ErrorActionPreference = 'Stop'\n$ProgressPreference = 'SilentlyContinue'\n''\n{script}");
    let utf16: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("powershell.exe -NoLogo -NoProfile -NonInteractive -EncodedCommand {}", STANDARD.encode(utf16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_be_left() {
        for (text, quoted) in [
            ("", "''"),
            ("it's", "'it''s'"),
            ("\u{2019};calc;\u{2018}", "'\u{2019}\u{2019};calc;\u{2018}\u{2018}'"),
            ("$(calc) `n", "'$(calc) `n'"),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn arguments_come_apart_as_they_were() {
        for (text, quoted) in [
            ("", r#""""#),
            (r"\\.\pipe\containerd", r#""\\.\pipe\containerd""#),
            (r"a b\", r#""a b\\""#),
            (r#"a"b"#, r#""a\"b""#),
            (r#"a\"b"#, r#""a\\\"b""#),
        ] {
            assert_eq!(quote_argument(text), quoted);
        }
    }

    fn commands() -> [String; 5] {
        let name = "assay-20261122T101500Z-0123456789abcdef-0123456789abcdef";
        let folder = format!(r"C:\ProgramData\{name}");
        let mut arguments: Vec<String> =
            (0..12).map(|number| format!("--signatures=bundles/{number}-a-rather-long-name.tar")).collect();
        arguments.push(r#"--store=containerd:\\.\pipe\it's "so" $(e) `f`"#.to_owned());
        [
            prepare(name),
            unpack(&folder, &"0".repeat(64)),
            run(&folder, "assay-report-0123456789abcdef", &arguments, Duration::from_secs(900)),
            clean_up(&Folders::OfVisit(name.to_owned())),
            clean_up(&Folders::OfAnyVisit),
        ]
    }

    #[test]
    fn commands_fit_a_command_line_of_cmd() {
        for command in commands() {
            assert!(command.len() < 8_000, "{}", command.len());
            let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '+' | '/' | '=');
            assert!(command.chars().all(safe));
        }
    }

    #[test]
    fn scripts_are_powershell() {
        let mut parser = tree_sitter::Parser::new();
        parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
        let mut read = |script: &str| !parser.parse(script, None).unwrap().root_node().has_error();
        assert!(read("'a' + $b") && !read("foreach ($a in ) { 'b'"), "the grammar tells one from the other");
        for command in commands() {
            let encoded = command.rsplit(' ').next().unwrap();
            let bytes = STANDARD.decode(encoded).unwrap();
            let units: Vec<u16> =
                bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            let script = String::from_utf16(&units).unwrap();
            assert!(read(&script), "{script}");
        }
    }

    #[test]
    fn only_the_exact_folder_is_taken() {
        let name = "assay-run-0123456789abcdef";
        let good = format!(r"C:\ProgramData\{name}");
        assert_eq!(folder(&format!("assay-folder {good}"), name), Some(good.as_str()));
        for path in [
            format!(r"\\host\share\{name}"),
            format!(r"C:\..\{name}"),
            format!(r"C:\a'b\{name}"),
            format!(r"C:\Program\\{name}"),
            format!("C:/ProgramData/{name}"),
            name.to_owned(),
        ] {
            assert_eq!(folder(&format!("assay-folder {path}"), name), None, "{path}");
        }
    }
}
