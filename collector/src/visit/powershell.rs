//! The commands for Windows nodes. Pure: values in, command text out.
//!
//! Each is a script for Windows PowerShell 5.1, which every supported Windows has, as `-EncodedCommand`: Base64 needs no
//! quoting, so the command is the same whether sshd's default shell is cmd.exe or PowerShell. A command line of cmd.exe
//! has 8,191 characters at most, hence the short scripts. Input is Base64 in lines, since PowerShell reads text.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Prepare;
use super::platform::Platform;
use super::posix::{
    CANNOT_RUN, FOLDER_LEFT, MADE, NO_PLACE, NOT_UNPACKED, OTHER_BYTES, PROCESS_LEFT, VISIT_RUNS,
};

/// One literal of PowerShell, whatever `text` holds: between single quotes only the quotes themselves mean anything, and
/// PowerShell takes the typographic ones for quotes too.
pub(super) fn quote(text: &str) -> String {
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

/// One argument as Windows programs take their command line apart (`CommandLineToArgvW`).
pub(super) fn quote_argument(text: &str) -> String {
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

/// Says what the node is and makes the folder, which only SYSTEM and administrators can enter from its first moment.
pub(super) fn prepare(prepare: &Prepare<'_>) -> String {
    let name = quote(prepare.name);
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

/// Writes what comes on standard input, unpacks it, compares every file with its digest, and sees whether the agent runs.
pub(super) fn upload(folder: &str, sums_sha256: &str) -> String {
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

/// Runs the agent in its folder under a time limit. It writes its report to a file, whose bytes follow the line `mark`:
/// PowerShell would re-encode what a program prints. The agent's `--nice` is this script's to carry out: the lowest priority class
/// passes on to what is started.
pub(super) fn run(folder: &str, mark: &str, arguments: &[String], limit: Duration) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| quote_argument(argument)).collect();
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

/// Ends every process in the folders of that name, removes them, and looks whether they are gone. A `name` with `?` in it is any
/// visit's: a folder with a process in it is left alone, and so is one that was changed within the hour, which is more than an
/// upload takes. Anyone may make folders beside ours: only those of administrators and of this login are ours.
///
/// A program's path is compared letter by letter: a culture's comparison passes over letters that cannot be seen. The system may
/// keep a program's file for a moment after its end: what could not be removed is tried again.
pub(super) fn clean_up(name: &str) -> String {
    let passed_over = if name.contains('?') {
        format!(
            r"if ((inside) -or $d.LastWriteTimeUtc -gt [DateTime]::UtcNow.AddHours(-1)) {{
'assay-visited ' + $f; if (-not $r) {{ $r = {VISIT_RUNS} }}; continue }}"
        )
    } else {
        String::new()
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

/// The folder of a line `assay-folder …`, where it has the exact form that [`prepare`] makes.
pub(super) fn folder<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let path = line.strip_prefix("assay-folder ")?;
    let place = path.strip_suffix(name)?.strip_suffix('\\')?;
    let mut parts = place.split('\\');
    let drive = parts.next()?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b' ');
    let lettered = matches!(drive.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic());
    let plain = parts.all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(safe));
    (lettered && plain).then_some(path)
}

/// What the line `assay-node …` says.
pub(super) fn platform(line: &str) -> Option<Result<Platform, &str>> {
    let architecture = line.strip_prefix("assay-node ")?;
    Some(Platform::from_windows(architecture).ok_or(architecture))
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
            prepare(&Prepare { sudo: crate::nodes::Sudo::No, name, needed: 1 << 30, platforms: &[] }),
            upload(&folder, &"0".repeat(64)),
            run(&folder, "assay-report-0123456789abcdef", &arguments, Duration::from_secs(900)),
            clean_up(name),
            clean_up(super::super::ANY_FOLDER),
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
