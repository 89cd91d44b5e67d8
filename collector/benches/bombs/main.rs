//! Small files that become large: what both programs take to refuse each, measured and never asserted.
//!
//!     cargo build --release -p assay-agent          the agent, which a benchmark of the collector does not build
//!     cargo bench -p assay --bench bombs            all of them; -- NAME for those whose name has it
//!     ASSAY=/path ASSAY_AGENT=/path                 other builds of both programs than the bench profile's
//!
//! The budget is 128 MiB of memory, and one second of CPU time for each MiB of the file that was begun.
#![expect(clippy::disallowed_methods, reason = "a benchmark runs programs and reads the clock")]

mod made;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use made::Kind;
use nix::sys::resource::{UsageWho, getrusage};

/// The argument that makes this program a measuring copy: the system tells a process the peak of all its children together.
const COPY: &str = "--measure";

const BUDGET_BYTES: f64 = (128_u64 << 20) as f64;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).filter(|argument| argument != "--bench").peekable();
    if arguments.next_if(|argument| argument == COPY).is_some() {
        return copy(arguments);
    }
    let wanted: Vec<String> = arguments.filter_map(|argument| argument.into_string().ok()).collect();
    let collector =
        std::env::var_os("ASSAY").map_or_else(|| env!("CARGO_BIN_EXE_assay").into(), PathBuf::from);
    let agent = std::env::var_os("ASSAY_AGENT")
        .map_or_else(|| collector.with_file_name("assay-agent"), PathBuf::from);
    assert!(agent.is_file(), "{}: build the agent first, or name one in ASSAY_AGENT", agent.display());
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("scratch folder");
    let at = |name: &str| scratch.path().join(name);
    // These are the trust directory of the demo and the key of a site.
    let site = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/demo/site.tar"))
        .expect("the demo's site");
    tar::Archive::new(site).unpack(scratch.path()).expect("the demo's site is a tar");
    let key = Command::new(&collector).args(["site-key", "create"]).arg(at("site.key")).status();
    assert!(key.is_ok_and(|status| status.success()), "a site key can be made");

    println!(
        "{:<26} {:<16} {:>5} {:>10} {:>9} {:>9} {:>8} {:>8}",
        "bomb", "read by", "exit", "bytes", "peak MiB", "s per MiB", "memory", "time"
    );
    println!("{:>97}", "of the budget");
    for (name, kind, bytes) in made::all() {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let path = at(name);
        std::fs::write(&path, bytes).expect("scratch folder");
        let run = |by: &str, program: &Path, arguments: &[&str], last: &[&Path]| {
            let mut command = Command::new(program);
            command.args(arguments).args(last);
            report(name, by, &path, &command);
        };
        let store = PathBuf::from(format!("layout:{}", path.display()));
        let (trust, out, key) = (at("trust"), at("out"), at("site.key.pub"));
        match kind {
            Kind::Layout => {
                run("agent inventory", &agent, &["inventory", "--store"], &[&store]);
                run(
                    "agent verify",
                    &agent,
                    &["verify", "--output", "-", "--trust"],
                    &[&trust, "--store".as_ref(), &store],
                );
                run("bundle list", &collector, &["bundle", "list"], &[&path]);
                run(
                    "bundle merge",
                    &collector,
                    &["bundle", "merge", "--out"],
                    &[&out.with_extension("tar"), &path],
                );
                run("bundle check", &collector, &["bundle", "check", "--trust"], &[&trust, &path]);
            }
            Kind::Evidence => {
                run("evidence check", &collector, &["evidence", "check", "--key"], &[&key, &path]);
            }
            Kind::Report => run("report", &collector, &["report", "--out"], &[&out, &path]),
        }
    }
    ExitCode::SUCCESS
}

/// Runs a command in a measuring copy, and prints what it took.
fn report(name: &str, by: &str, path: &Path, command: &Command) {
    let own = std::env::current_exe().expect("the path of this program");
    let output = Command::new(own).arg(COPY).arg(command.get_program()).args(command.get_args()).output();
    let output = output.expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let [code, micros, peak] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{name}: {text}")
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len()) as f64;
    let mebibytes = (bytes / f64::from(1 << 20)).max(1.0);
    let seconds = number(micros) / 1e6 / mebibytes;
    println!(
        "{name:<26} {by:<16} {code:>5} {bytes:>10} {:>9.1} {seconds:>9.2} {:>7.0}% {:>7.0}%",
        number(peak) / f64::from(1 << 20),
        number(peak) / BUDGET_BYTES * 100.0,
        seconds * 100.0
    );
}

/// The measuring copy: runs what the arguments say and prints its exit code, microseconds of CPU time and bytes.
fn copy(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let program = arguments.next().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().expect("the program starts");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system tells");
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let code = status.code().map_or_else(|| "died".to_owned(), |code| code.to_string());
    // Linux counts in KiB
    println!("{code} {} {}", micros(usage.user_time()) + micros(usage.system_time()), usage.max_rss() * 1024);
    ExitCode::SUCCESS
}
