//! Judges the conformance cases with the real agent and compares the verdicts with those of notation v1.3.2.
//!
//! Every case must agree: in status and, if the reference names the check that failed, in reason. Otherwise it is listed
//! in `fixtures/conformance/differences.json` with the answer and the reason. A listed case that no longer differs fails
//! too, and passing what the reference fails always fails.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use assay_tests::conformance::{Case, Cases, Differences, Kind};
use assay_tests::program;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// How many cases there are: a test that found none would otherwise pass.
const CASES: usize = 479;

#[test]
fn agrees_with_the_reference() {
    let unpacked = Cases::unpack();
    let cases = &unpacked.cases;
    assert_eq!(cases.len(), CASES);
    let mut differences = Differences::load().cases;

    let mut tally: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut complaints = Vec::new();
    for (case, (verdict, said)) in cases.iter().zip(judge_all(cases)) {
        let question = &case.question;
        let expect = &question.expect;
        let status = verdict.split('/').next().unwrap_or_default();
        let status_agrees = status == expect.status;
        // where the reference names no check, its answer says nothing about the reason
        let answer = if expect.failed_check.is_some() || !status_agrees { verdict.as_str() } else { status };
        let tally = tally.entry(&question.category).or_default();
        tally.cases += 1;
        tally.statuses += usize::from(status_agrees);
        tally.with_reason += usize::from(expect.failed_check.is_some());
        tally.reasons += usize::from(expect.failed_check.is_some() && answer == expect.answer());

        let listed = differences.remove(&question.id);
        let agrees = answer == expect.answer();
        let complaint = match listed {
            _ if expect.status == "failed" && matches!(status, "passed" | "skipped") => {
                "LAXER than the reference"
            }
            None if !agrees => "differs",
            Some(_) if agrees => "is listed as a difference, and agrees",
            Some(listed) if listed.reference != expect.answer() || listed.assay != answer => {
                "differs otherwise than listed"
            }
            _ => continue,
        };
        tally.complaints += 1;
        complaints.push(format!(
            "{}: {complaint}: reference {}, assay {verdict}\n    {}\n    {}\n    {said}",
            question.id,
            expect.answer(),
            question.title,
            expect.oracle
        ));
    }
    complaints.extend(differences.keys().map(|case| format!("{case}: is listed, and there is no such case")));

    let mut all = Tally::default();
    for (category, tally) in &tally {
        println!("{category:<18} {tally}");
        all.add(tally);
    }
    println!("{:<18} {all}", "all");
    println!(
        "conformance: {} of {} statuses agree, {} of {} reasons agree",
        all.statuses, all.cases, all.reasons, all.with_reason
    );
    assert!(complaints.is_empty(), "\n{}\n{} complaints", complaints.join("\n"), complaints.len());
}

/// The table "Stricter than notation" has a row for each decision, in order, and no other.
#[test]
fn the_page_lists_the_decisions() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/conformance/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Stricter than notation")).unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    let rules = Differences::load().rules;
    let stricter = rules.iter().filter(|rule| rule.kind == Kind::Stricter);
    let wanted: Vec<String> = stricter.map(|rule| format!("| {} | {} |", rule.what, rule.why)).collect();
    assert_eq!(rows, wanted);
    for other in rules.iter().filter(|rule| rule.kind != Kind::Stricter) {
        assert!(page.contains(&other.what) && page.contains(&other.why), "{}", other.id);
    }
}

/// Runs the agent on every case, as many at once as there are processors: the verdict, and what else the agent said.
fn judge_all(cases: &[Case]) -> Vec<(String, String)> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![None; cases.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { break };
                    let answer = judge(case);
                    answers.lock().unwrap()[at] = Some(answer);
                }
            });
        }
    });
    answers.into_inner().unwrap().into_iter().map(|answer| answer.expect("every case was judged")).collect()
}

fn judge(case: &Case) -> (String, String) {
    let done = program::run(
        AGENT,
        [
            "verify".as_ref(),
            "--store".as_ref(),
            format!("layout:{}", case.folder.join("layout").display()).as_ref(),
            "--trust".as_ref(),
            case.folder.join("trust").as_os_str(),
            "--image".as_ref(),
            case.question.image.as_ref(),
            "--content".as_ref(),
            "none".as_ref(),
            "--output".as_ref(),
            "-".as_ref(),
        ],
    );
    if done.stdout.is_empty() {
        return (format!("no report, exit {:?}", done.code), done.stderr);
    }
    let report = done.report();
    let [image] = &report.images[..] else {
        panic!("{}: {} images in the report", case.question.id, report.images.len());
    };
    let verdict = program::verdict(image);
    let code = match verdict.split('/').next() {
        Some("passed" | "skipped") => 0,
        Some("failed") => 1,
        _ => 3,
    };
    assert_eq!(done.code, Some(code), "{}: exit code of {verdict}", case.question.id);
    (verdict, image.message.clone().unwrap_or_default())
}

/// Cases counted.
#[derive(Default)]
struct Tally {
    cases: usize,
    statuses: usize,
    with_reason: usize,
    reasons: usize,
    complaints: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.statuses += other.statuses;
        self.with_reason += other.with_reason;
        self.reasons += other.reasons;
        self.complaints += other.complaints;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>3} of {:>3} statuses, {:>3} of {:>3} reasons, {:>2} complaints",
            self.statuses, self.cases, self.reasons, self.with_reason, self.complaints
        )
    }
}
