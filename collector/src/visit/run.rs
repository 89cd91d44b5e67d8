//! Running the agent on the node, and taking its report from its standard output.

use assay_report::{Asked, ExitCode, Outcome};
use assay_verifier::limits;

use super::deploy::{Deployed, said};
use super::gather::has_judged;
use super::{Dialect, Failure, Plan, Step, posix, powershell};
use crate::nodes::Node;
use crate::transport::{Command, Exit, Session};

/// What the agent left.
pub(super) struct Ran {
    pub(super) report: Vec<u8>,
    pub(super) exit: u32,
}

pub(super) async fn run(
    session: &mut impl Session,
    node: &Node,
    plan: &Plan,
    deployed: &Deployed<'_>,
    asked: &Asked,
) -> Result<Ran, Failure> {
    let arguments = arguments(node, plan, deployed.dialect, asked);
    // Some shells print at login; the report begins after a line that they cannot know.
    let mark = format!("assay-report-{}", crate::random::hex(8));
    let limit = plan.limits.run;
    let command = match deployed.dialect {
        Dialect::Posix => posix::run(node.sudo, &deployed.folder, &mark, &arguments, limit),
        Dialect::PowerShell => powershell::run(&deployed.folder, &mark, &arguments, limit),
        Dialect::Steps => {
            let (folder, mark) = (deployed.folder.clone(), mark.clone());
            Step::Run { folder, mark, arguments, limit }.text()
        }
    };
    let input = match deployed.dialect {
        Dialect::Posix => posix::fed(session.sudo_password(), None),
        Dialect::PowerShell | Dialect::Steps => None,
    };
    let began = std::time::Instant::now();
    let output = session
        .run(Command {
            text: &command,
            input: input.as_ref(),
            limit: limit + plan.limits.gather,
            output_limit: limits::REPORT_BYTES,
        })
        .await
        .map_err(|error| Failure::step("running the agent", &error))?;

    let complaint = said(&output);
    let failed = |message| {
        let hint = "the message is the agent's own or the system's; see the node's log for more";
        Failure::new(Outcome::AgentFailed, message, hint)
    };
    match output.exit {
        Exit::Code(code) if has_judged(code) => match after_mark(output.stdout, &mark) {
            Some(report) if !report.is_empty() => Ok(Ran { report, exit: code }),
            _ => Err(failed(format!("the agent gave no report: {complaint}"))),
        },
        // 124 is what timeout says; where it had to kill, it says 137 as for any other kill.
        Exit::Code(124 | 137) if began.elapsed() >= limit => Err(Failure::new(
            Outcome::TimedOut,
            format!("the agent did not finish within {} s", limit.as_secs()),
            "give it more time with --time-limit, or see what keeps the node busy",
        )),
        Exit::Code(code @ 129..=192) => {
            Err(failed(format!("the agent was killed by signal {}: {complaint}", code - 128)))
        }
        Exit::Code(code) if code == u32::from(ExitCode::Usage.number()) => Err(Failure::new(
            Outcome::AgentFailed,
            format!("the agent took its command line or its inputs for wrong: {complaint}"),
            "the message is the agent's own; where --agent names one that is older than this assay, leave --agent out",
        )),
        _ => Err(failed(format!("the agent judged nothing: {complaint}"))),
    }
}

fn arguments(node: &Node, plan: &Plan, dialect: Dialect, asked: &Asked) -> Vec<String> {
    let mut arguments = vec!["verify".to_owned()];
    if let Some(store) = &node.store {
        arguments.push(format!("--store={store}"));
    }
    arguments.push("--trust=trust".to_owned());
    arguments.extend(plan.payload.bundle_paths().map(|path| format!("--signatures={path}")));
    let Asked { nonce, accept, content, images, namespaces, evidence, at } = asked;
    arguments.extend(at.map(|at| format!("--at={at}")));
    arguments.push(format!("--content={}", content.as_str()));
    arguments.extend(accept.iter().map(|via| format!("--accept={}", via.as_str())));
    arguments.extend(images.iter().map(|image| format!("--image={image}")));
    arguments.extend(namespaces.iter().map(|namespace| format!("--namespace={namespace}")));
    arguments.extend(evidence.then(|| "--evidence".to_owned()));
    arguments.extend(nonce.iter().map(|nonce| format!("--nonce={nonce}")));
    // the node's own work goes first
    arguments.push("--nice".to_owned());
    arguments.push(format!("--run-id={}", plan.run_id));
    arguments.push(match dialect {
        Dialect::Posix | Dialect::Steps => "--output=-".to_owned(),
        Dialect::PowerShell => "--output=report.json".to_owned(),
    });
    arguments
}

/// What follows the line `mark`.
fn after_mark(mut stdout: Vec<u8>, mark: &str) -> Option<Vec<u8>> {
    let line = format!("{mark}\n").into_bytes();
    let at = stdout.windows(line.len()).position(|window| window == line)?;
    stdout.drain(..at + line.len());
    Some(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_begins_after_its_mark() {
        let after = |text: &str| after_mark(text.as_bytes().to_vec(), "m-1");
        assert_eq!(after("m-1\n{}").as_deref(), Some(&b"{}"[..]));
        assert_eq!(after("Welcome!\nm-1\n{}\nm-1\n").as_deref(), Some(&b"{}\nm-1\n"[..]));
        assert_eq!(after("{}"), None);
        assert_eq!(after(""), None);
    }
}
