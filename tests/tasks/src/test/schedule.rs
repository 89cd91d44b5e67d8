//! Runs steps beside each other: each after those that it needs, and one at a time of those that share a lane.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::{Job, Place};

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    lane: Option<Lane>,
    after: Vec<&'static str>,
    run: Box<dyn Fn(&Job<'_>) -> Result + Send + Sync>,
}

/// What only one step at a time can have the use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Cargo's target folder, which cargo locks.
    Cargo,
    /// All processors: Go's builds use them.
    Go,
    /// wine's server and folders.
    Wine,
}

/// Why a step did not pass.
#[derive(Debug)]
pub(super) enum Problem {
    /// What was tested is not as it should be.
    Failed(String),
    /// The step may be missing, and this is missing for it.
    Missing(String),
}

pub(super) type Result = std::result::Result<(), Problem>;

/// How a step came out.
pub(super) struct Outcome {
    name: &'static str,
    pub(super) verdict: Verdict,
    seconds: u64,
    /// What tests that passed have not looked at.
    not_run: BTreeSet<String>,
}

pub(super) enum Verdict {
    Passed,
    Failed(String),
    NotRun(String),
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Step {
    pub(super) fn new(name: &'static str, run: impl Fn(&Job<'_>) -> Result + Send + Sync + 'static) -> Self {
        Self { name, lane: None, after: Vec::new(), run: Box::new(run) }
    }

    /// One at a time of those in this lane.
    pub(super) fn alone_in(self, lane: Lane) -> Self {
        Self { lane: Some(lane), ..self }
    }

    /// Not before these have ended, however they came out.
    pub(super) fn after(mut self, steps: &[&'static str]) -> Self {
        self.after.extend(steps);
        self
    }
}

impl Job<'_> {
    /// Runs a command to its end.
    pub(super) fn run(&self, command: &mut Command) -> Result {
        crate::run(command).map_err(Problem::Failed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, seconds, .. } = self;
        match &self.verdict {
            Verdict::Passed => writeln!(f, "ok       {name} ({seconds} s)")?,
            Verdict::Failed(_) => writeln!(f, "FAILED   {name} ({seconds} s)")?,
            Verdict::NotRun(why) => writeln!(f, "NOT RUN  {name}: {why}")?,
        }
        self.not_run.iter().try_for_each(|what| writeln!(f, "NOT RUN  in {name}: {what}"))
    }
}

struct State {
    waiting: Vec<Step>,
    lanes: BTreeSet<Lane>,
    ended: BTreeSet<&'static str>,
    outcomes: Vec<Outcome>,
}

impl State {
    /// The first step that can run now.
    fn next(&mut self) -> Option<Step> {
        let at = self.waiting.iter().position(|step| {
            step.lane.is_none_or(|lane| !self.lanes.contains(&lane))
                && step.after.iter().all(|name| self.ended.contains(name))
        })?;
        let step = self.waiting.remove(at);
        self.lanes.extend(step.lane);
        Some(step)
    }
}

/// Runs these steps, at most so many at once. The earlier in the list, the earlier one runs.
pub(super) fn carry_out(steps: Vec<Step>, place: &Place, workers: usize) -> Vec<Outcome> {
    let state =
        State { waiting: steps, lanes: BTreeSet::new(), ended: BTreeSet::new(), outcomes: Vec::new() };
    check_order(&state.waiting);
    let (state, changed) = (Mutex::new(state), Condvar::new());
    let work = || {
        let lock = || state.lock().expect("no step runs with the lock held");
        let mut now = lock();
        loop {
            if now.waiting.is_empty() {
                return;
            }
            let Some(step) = now.next() else {
                now = changed.wait(now).expect("no step runs with the lock held");
                continue;
            };
            drop(now);
            let outcome = run(&step, place);
            now = lock();
            if let Some(lane) = step.lane {
                now.lanes.remove(&lane);
            }
            now.ended.insert(step.name);
            now.outcomes.push(outcome);
            changed.notify_all();
        }
    };
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    state.into_inner().expect("every worker has ended").outcomes
}

/// Stops if a step waits for one that does not come before it in the list: it would wait for ever.
pub(super) fn check_order(steps: &[Step]) {
    let mut names = BTreeSet::new();
    for step in steps {
        for other in &step.after {
            assert!(names.contains(other), "{:?} waits for {other:?}, which is not before it", step.name);
        }
        assert!(names.insert(step.name), "two steps are called {:?}", step.name);
    }
}

/// Runs one step and prints what its programs wrote, under its name.
fn run(step: &Step, place: &Place) -> Outcome {
    let begun = Instant::now();
    let path = place.work.join("logs").join(format!("{}.log", step.name.replace(['/', ' '], "-")));
    println!("--- {} ---", step.name);
    let result = File::create(&path).map_err(Problem::from).and_then(|log| {
        let job = Job { place, log };
        let panicked = |_| Err(Problem::Failed("the step panicked".to_owned()));
        catch_unwind(AssertUnwindSafe(|| (step.run)(&job))).unwrap_or_else(panicked)
    });
    let text = fs::read(&path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    let verdict = match result {
        Ok(()) => Verdict::Passed,
        Err(Problem::Failed(why)) => Verdict::Failed(why),
        Err(Problem::Missing(why)) => Verdict::NotRun(format!("{why} ({})", path.display())),
    };
    let mut shown = format!("\n=== {} ===\n", step.name);
    match &verdict {
        Verdict::Passed => shown += &text,
        Verdict::Failed(why) => shown += &format!("{text}\nFAILED: {why}\n"),
        Verdict::NotRun(why) => shown += &format!("NOT RUN: {why}\n"),
    }
    // If this fails, nobody can be told.
    let _ = io::stdout().lock().write_all(shown.as_bytes());
    let not_run = text.lines().filter_map(|line| line.strip_prefix("NOT RUN: ")).map(str::to_owned).collect();
    Outcome { name: step.name, verdict, seconds: begun.elapsed().as_secs(), not_run }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn steps_wait_for_what_they_need_and_share_lanes() {
        let folder = std::env::temp_dir().join(format!("assay-schedule-{}", std::process::id()));
        fs::create_dir_all(folder.join("logs")).unwrap();
        let place = Place { root: folder.clone(), work: folder.clone(), variables: Mutex::default() };
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let alone = |name| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let run = move |_: &Job<'_>| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            };
            Step::new(name, run).alone_in(Lane::Cargo)
        };
        let say = |job: &Job<'_>| job.run(job.command("echo")?.arg("NOT RUN: the moon"));
        let steps = vec![
            alone("one"),
            alone("two"),
            Step::new("fails", |_| Err(Problem::Failed("it does".to_owned()))).after(&["one"]),
            Step::new("panics", |_| panic!("it does")),
            Step::new("last", say).after(&["two", "fails", "panics"]),
        ];
        let outcomes = carry_out(steps, &place, 4);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert_eq!(outcomes.len(), 5);
        let failed = outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)));
        assert_eq!(failed.map(|outcome| outcome.name).collect::<BTreeSet<_>>(), ["fails", "panics"].into());
        assert_eq!(outcomes[4].to_string(), "ok       last (0 s)\nNOT RUN  in last: the moon\n");
    }
}
