//! A [`TrustCheck`] for people: whom each statement trusts, what expires when, what is not as it should be.

use assay_report::ExitCode;

use super::check::{Severity, TrustCheck};
use crate::clean;
use crate::report::terminal::{Look, table, wrap};
use crate::report::text as words;

/// The check as text.
pub(crate) fn check_text(check: &TrustCheck, look: Look) -> String {
    let mut out = String::new();
    let verdict = match check.verdict {
        ExitCode::Passed => "in order",
        ExitCode::Failed => "not usable as it is",
        ExitCode::Incomplete => "not complete",
        ExitCode::Usage => "not usable as it is: evidence of revocation cannot be used",
    };
    out.push_str(
        &look.paint(check.verdict, &format!("Trust directory: {verdict} at {}", words::time(check.at))),
    );
    out.push('\n');
    statements(&mut out, check, look);
    expiry(&mut out, check, look);
    for key in &check.keys {
        wrap(&mut out, 0, &format!("site key {} {}", key.id, key.kind), look);
    }
    for finding in &check.findings {
        let (mark, colour) = match finding.severity {
            Severity::Failed => ("failed", ExitCode::Failed),
            Severity::Incomplete => ("incomplete", ExitCode::Incomplete),
            Severity::Note => ("note", ExitCode::Passed),
        };
        out.push('\n');
        out.push_str(&look.paint(colour, mark));
        out.push('\n');
        wrap(&mut out, 2, &clean::message(&format!("{}: {}", finding.what, finding.why)), look);
        wrap(&mut out, 2, &format!("What to do: {}", finding.todo), look);
    }
    out
}

fn statements(out: &mut String, check: &TrustCheck, look: Look) {
    for statement in &check.policy.statements {
        let name = clean::name(&statement.name);
        out.push_str(&format!("\nStatement {name}, level {}\n", statement.level));
        let mut lines = vec![("images of", statement.scopes.join(", "))];
        if statement.level != "skip" {
            lines.push(("signed by", statement.identities.join(" or ")));
            lines.push(("under", statement.stores.join(", ")));
            lines.push(("timestamp", statement.timestamp.replace('-', " ")));
            lines.push(("enforced", statement.enforced.join(", ")));
        }
        let mut table = table(look);
        for (label, value) in lines {
            table.add_row([label.to_owned(), clean::message(&value)]);
        }
        out.push_str(&format!("{}\n", table.trim_fmt()));
    }
}

/// Certificates and CRLs in the order in which they end.
fn expiry(out: &mut String, check: &TrustCheck, look: Look) {
    let certificates = check.certificates.iter().map(|anchor| {
        let what = format!("{} {}", anchor.store, anchor.subject);
        (Some(anchor.not_after), anchor.state, "certificate", what)
    });
    let crls = check.crls.iter().map(|crl| {
        let kind = if crl.delta { "delta CRL" } else { "CRL" };
        (crl.next_update, crl.state, kind, format!("{} of {}", crl.file, crl.issuer))
    });
    let answers = check.ocsp_answers.iter().map(|answer| {
        let what = format!("{} about {} of {}", answer.file, answer.serial, answer.responder);
        (answer.next_update, answer.state, "OCSP answer", what)
    });
    let mut rows: Vec<_> = certificates.chain(crls).chain(answers).collect();
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(until, ..)| *until);
    let mut table = table(look);
    table.set_header(["UNTIL", "STATE", "KIND", "WHAT"]);
    for (until, state, kind, what) in rows {
        let until = until.map_or_else(|| "never said".to_owned(), words::day);
        table.add_row([until, state.as_str().to_owned(), kind.to_owned(), clean::name(&what)]);
    }
    out.push_str(&format!("\n{}\n", table.trim_fmt()));
}
