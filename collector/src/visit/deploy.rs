//! Deploying: find out what the node is, make a folder there, upload into it, and check what arrived.

use assay_report::Outcome;
use assay_verifier::time::UnixTime;

use super::dialect::{Dialect, NoDialect, dialects};
use super::payload::{Shipment, in_lines};
use super::platform::Platform;
use super::{Failure, Plan, Prepare, Step, Traces, posix, powershell, refusal, steps};
use crate::clean;
use crate::clock;
use crate::journal::{Journal, State};
use crate::nodes::{Node, Sudo};
use crate::transport::{Command, Exit, Output, Session, SessionError};

/// What stands on the node.
pub(super) struct Deployed<'a> {
    pub(super) dialect: Dialect,
    pub(super) platform: Platform,
    pub(super) folder: String,
    pub(super) shipment: &'a Shipment,
}

/// Bytes that a command of ours prints; it is some lines.
pub(super) const OUTPUT_BYTES: usize = 64 << 10;

pub(super) async fn deploy<'a>(
    session: &mut impl Session,
    node: &Node,
    plan: &'a Plan,
    journal: &Journal,
    name: &str,
    traces: &mut Traces,
) -> Result<Deployed<'a>, Failure> {
    let dialects = match dialects(session, node.os, plan.limits.step).await {
        Ok(dialects) => dialects,
        Err(NoDialect::Session(error)) => return Err(Failure::step("asking for the shell", &error)),
        Err(NoDialect::Words(words)) => return Err(refusal::by_shell(node, &words)),
    };
    let (mut found, mut words) = (None, None);
    for dialect in dialects {
        match prepare(session, node, plan, journal, name, *dialect, traces).await? {
            Ok(made) => {
                found = Some(made);
                break;
            }
            Err(said) => words = words.or(said),
        }
    }
    let Some((dialect, platform, folder)) = found else {
        return Err(refusal::by_shell(node, &words.unwrap_or_default()));
    };
    traces.folder = Some(folder.clone());
    journal.record(&node.name, &folder, State::Made).await;
    // The platform is one of those that were asked for, which are those there are shipments for.
    let shipment = plan.payload.shipment(platform).ok_or_else(|| unsupported(&platform.to_string(), plan))?;
    upload(session, node, plan, dialect, &folder, shipment).await?;
    traces.uploaded = Some(shipment.sums_sha256.clone());
    Ok(Deployed { dialect, platform, folder, shipment })
}

/// Makes the folder. Where the shell does not speak the dialect it has words, unless it is one that speaks another as well.
async fn prepare(
    session: &mut impl Session,
    node: &Node,
    plan: &Plan,
    journal: &Journal,
    name: &str,
    dialect: Dialect,
    traces: &mut Traces,
) -> Result<Result<(Dialect, Platform, String), Option<String>>, Failure> {
    let platforms: Vec<Platform> = plan.payload.platforms().collect();
    let sizes = platforms.iter().filter_map(|platform| plan.payload.shipment(*platform));
    // What is unpacked, and on Windows the archive beside it, with some air.
    let needed = sizes.map(|shipment| shipment.archive.size()).max().unwrap_or(0) + (1 << 20);
    let request = Prepare { sudo: node.sudo, name, needed, platforms: &platforms };
    let (command, input) = match dialect {
        Dialect::Posix => (posix::prepare(&request), posix::fed(session.sudo_password(), None)),
        Dialect::PowerShell => (powershell::prepare(&request), None),
        Dialect::Steps => (Step::Prepare { name: name.to_owned() }.text(), None),
    };
    // From here on something may be there, even if no answer comes.
    journal.record(&node.name, name, State::Started).await;
    traces.recorded = true;
    let touched = std::mem::replace(&mut traces.touched, true);
    traces.dialect = Some(dialect);
    let result = session
        .run(Command {
            text: &command,
            input: input.as_ref(),
            limit: plan.limits.step,
            output_limit: OUTPUT_BYTES,
        })
        .await;
    // Where the script cannot have run, or says that it came to no folder, there is nothing to clean up. All else is unknown.
    let may_have_made = match &result {
        Ok(output) => match dialect {
            Dialect::Posix => posix::may_have_made(output),
            Dialect::PowerShell | Dialect::Steps => refusal::has_run(output),
        },
        Err(error) => !matches!(error, SessionError::NoSession(_) | SessionError::Refused(_)),
    };
    traces.touched = touched || may_have_made;
    let output = result.map_err(|error| Failure::step("preparing", &error))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let read = |line| match dialect {
        Dialect::Posix => posix::platform(line),
        Dialect::PowerShell | Dialect::Steps => powershell::platform(line),
    };
    let Some(platform) = stdout.lines().find_map(read) else {
        return Ok(Err((!refusal::has_run(&output)).then(|| refusal::words(&output, &command))));
    };
    traces.platform = platform.ok();
    let clock = stdout.lines().find_map(|line| line.strip_prefix("assay-clock "));
    let clock = clock.and_then(|seconds| UnixTime::from_seconds(seconds.parse().ok()?));
    traces.clock_skew = clock.map(|clock| clock.seconds().saturating_sub(clock::now().seconds()));
    let platform = match platform {
        Ok(platform) if plan.payload.shipment(platform).is_some() => platform,
        other => {
            let said = other.map_or_else(|said| clean::line(said, 80), |platform| platform.to_string());
            return Err(unsupported(&said, plan));
        }
    };
    let folder = |line| match dialect {
        Dialect::Posix => posix::folder(line, name),
        Dialect::PowerShell => powershell::folder(line, name),
        Dialect::Steps => steps::folder(line, name),
    };
    match stdout.lines().find_map(folder) {
        Some(folder) => Ok(Ok((dialect, platform, folder.to_owned()))),
        None if node.sudo != Sudo::No && dialect == Dialect::Posix && !posix::begins(&stdout) => {
            Err(sudo_refused(session, node, plan, &output).await)
        }
        None => Err(no_folder(node, &output, &stdout)),
    }
}

/// Why sudo did not run the script. Where it runs other commands only, it wants a password for this one: it is asked for its list.
async fn sudo_refused(session: &mut impl Session, node: &Node, plan: &Plan, output: &Output) -> Failure {
    let mut list = None;
    if node.sudo == Sudo::Yes && refusal::wants_password(output) {
        let (text, limit) = (refusal::SUDO_LIST, plan.limits.step);
        let question = Command { text, input: None, limit, output_limit: OUTPUT_BYTES };
        // Without an answer the hint is the one for a password.
        list = session.run(question).await.ok();
    }
    refusal::by_sudo(node, output, list.as_ref())
}

fn unsupported(platform: &str, plan: &Plan) -> Failure {
    let have: Vec<String> = plan.payload.platforms().map(|platform| platform.to_string()).collect();
    Failure::new(
        Outcome::Unsupported,
        format!("the node is {platform}; there are agents for {}", have.join(", ")),
        "name an agent for it with --agent",
    )
}

fn no_folder(node: &Node, output: &Output, stdout: &str) -> Failure {
    let places: Vec<String> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("assay-place "))
        .map(|place| clean::line(place, 200))
        .collect();
    if output.exit == Exit::Code(posix::NO_PLACE) {
        let message = format!("no place for the agent: {}", places.join(", "));
        let noexec = |place: &String| place.ends_with(" noexec");
        let forbidden = |place: &String| noexec(place) || place.ends_with(" not-executable");
        return if places.is_empty() || !places.iter().all(forbidden) {
            Failure::new(
                Outcome::UploadFailed,
                message,
                "make room in one of these, or let the login write there",
            )
        } else if places.iter().all(noexec) {
            Failure::new(Outcome::AgentFailed, message, "mount one of these without noexec")
        } else {
            Failure::new(Outcome::AgentFailed, message, &forbidding(Dialect::Posix, stdout))
        };
    }
    if node.sudo != Sudo::No && output.exit == Exit::Code(posix::NO_PROGRAMS) {
        return refusal::by_noexec(node, output);
    }
    Failure::new(
        Outcome::UploadFailed,
        format!("making the folder: {}", said(output)),
        "see the node's own log",
    )
}

async fn upload(
    session: &mut impl Session,
    node: &Node,
    plan: &Plan,
    dialect: Dialect,
    folder: &str,
    shipment: &Shipment,
) -> Result<(), Failure> {
    let (command, input) = match dialect {
        Dialect::Posix => {
            let input = posix::fed(session.sudo_password(), Some(&shipment.archive));
            (posix::upload(node.sudo, folder, &shipment.sums_sha256), input)
        }
        Dialect::PowerShell => {
            let input = |error| Failure::step("uploading", &SessionError::Input(error));
            let lines = in_lines(&shipment.archive).map_err(input)?;
            (powershell::upload(folder, &shipment.sums_sha256), Some(lines))
        }
        Dialect::Steps => {
            let (folder, sums_sha256) = (folder.to_owned(), shipment.sums_sha256.clone());
            (Step::Upload { folder, sums_sha256 }.text(), Some(shipment.archive.clone()))
        }
    };
    let output = session
        .run(Command {
            text: &command,
            input: input.as_ref(),
            limit: plan.limits.upload,
            output_limit: OUTPUT_BYTES,
        })
        .await
        .map_err(|error| Failure::step("uploading", &error))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.exit == Exit::Code(0) && stdout.lines().any(|line| line == "assay-uploaded") {
        return Ok(());
    }
    let complaint = said(&output);
    Err(match output.exit {
        Exit::Code(posix::OTHER_BYTES) => Failure::new(
            Outcome::UploadFailed,
            format!("other bytes arrived than were sent: {complaint}"),
            "see whether the disk is full or failing, and that sha256sum is there",
        ),
        Exit::Code(posix::CANNOT_RUN) => Failure::new(
            Outcome::AgentFailed,
            format!("the agent does not run there: {complaint}"),
            &forbidding(dialect, &stdout),
        ),
        _ => Failure::new(
            Outcome::UploadFailed,
            format!("unpacking: {complaint}"),
            "make room on the node, and see that tar is there",
        ),
    })
}

/// What to do where a program may not run, by what the node says forbids things there.
fn forbidding(dialect: Dialect, stdout: &str) -> String {
    if dialect == Dialect::PowerShell {
        return "see whether AppLocker, App Control or a virus scanner forbids it".to_owned();
    }
    let named: Vec<String> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("assay-forbids "))
        .map(|what| clean::line(what, 200))
        .collect();
    if named.is_empty() {
        return "use the static release build; no security module is to be seen on the node".to_owned();
    }
    format!(
        "let it run there, or use the static release build; what may forbid it: {}; ausearch -m AVC -ts recent and journalctl -k tell",
        named.join("; ")
    )
}

/// What the node said about a failure, never empty.
pub(super) fn said(output: &Output) -> String {
    let complaint = output.complaint();
    match (&output.exit, complaint.is_empty()) {
        (_, false) => complaint,
        (Exit::Code(code), true) => format!("exit status {code}"),
        (Exit::Signal(signal), true) => format!("killed by signal {signal}"),
        (Exit::Unknown, true) => "no exit status".to_owned(),
    }
}
