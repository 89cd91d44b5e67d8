//! What a program costs from its start to its end: wall time, CPU time, and the peak of its memory.
//!
//! The system tells a process these of the children that it has waited for, of all of them together; so a copy of this
//! program is started for each measurement, which is small and has one child.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// The argument that makes this program a measuring copy.
pub(crate) const CHILD: &str = "--measure";

/// The cost of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
    /// The most memory that was resident, in bytes.
    pub(crate) peak: u64,
}

/// Runs a program with its output thrown away; it must exit with 0.
///
/// # Panics
/// Where it does not, or cannot be started.
pub(crate) fn run(command: &Command) -> Cost {
    let own = std::env::current_exe().expect("the path of this program");
    let mut copy = Command::new(own);
    copy.arg(CHILD).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            copy.env(name, value);
        }
    }
    let output = copy.output().expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [wall, cpu, peak] = numbers[..] else {
        panic!("{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr))
    };
    Cost { wall: Duration::from_micros(wall), cpu: Duration::from_micros(cpu), peak }
}

/// The cheapest of several runs: whatever disturbs a run makes it dearer.
pub(crate) fn best(runs: usize, command: &Command) -> Cost {
    let costs = (0..runs).map(|_| run(command));
    costs.min_by_key(|cost| cost.cpu).expect("one run at least")
}

/// The measuring copy: runs what the arguments say and prints microseconds, microseconds and bytes.
pub(crate) fn child(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let program = arguments.next().expect("a program");
    let begun = Instant::now();
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
    let wall = begun.elapsed();
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        println!("{status:?}");
        return ExitCode::FAILURE;
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system tells");
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    // Linux counts in KiB
    println!("{} {cpu} {}", wall.as_micros(), usage.max_rss() * 1024);
    ExitCode::SUCCESS
}

/// The CPU time that this process has used.
pub(crate) fn own_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the system tells");
    Duration::from_micros((micros(usage.user_time()) + micros(usage.system_time())).unsigned_abs())
}

fn micros(time: nix::sys::time::TimeVal) -> i64 {
    time.tv_sec() * 1_000_000 + time.tv_usec()
}
