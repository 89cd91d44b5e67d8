//! The kinds of what can be wrong with a file of evidence, each with its explanation.

use assay_report::ExitCode;
use serde::Serialize;

use super::explanation::Explanation;

/// Something that is wrong with the evidence.
#[derive(Clone, Debug, Serialize)]
pub struct Discrepancy {
    /// Its kind.
    pub kind: DiscrepancyKind,
    /// The node that it is about, if it is about one.
    pub node: Option<String>,
    /// The image that it is about, if it is about one.
    pub image: Option<String>,
    /// What is wrong, for people.
    pub message: String,
}

impl Discrepancy {
    /// A discrepancy of the site as a whole.
    pub(crate) fn of_site(kind: DiscrepancyKind, message: String) -> Self {
        Self { kind, node: None, image: None, message }
    }
}

/// The kind of a [`Discrepancy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscrepancyKind {
    /// The file is not what a trusted key signed. Nothing more in it is checked.
    EvidenceAltered,
    /// The trust directory or the bundles are not those that the reports were made with.
    EvidenceInputs,
    /// A statement is missing, or does not say what the report says.
    EvidenceStatement,
    /// The raw inputs give another verdict than the report.
    EvidenceContradicted,
    /// The raw inputs are not all there.
    EvidenceUnsupported,
}

impl DiscrepancyKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::EvidenceAltered,
        Self::EvidenceInputs,
        Self::EvidenceStatement,
        Self::EvidenceContradicted,
        Self::EvidenceUnsupported,
    ];

    /// The code, as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EvidenceAltered => "evidence-altered",
            Self::EvidenceInputs => "evidence-inputs",
            Self::EvidenceStatement => "evidence-statement",
            Self::EvidenceContradicted => "evidence-contradicted",
            Self::EvidenceUnsupported => "evidence-unsupported",
        }
    }

    pub(crate) fn verdict(self) -> ExitCode {
        match self {
            Self::EvidenceUnsupported => ExitCode::Incomplete,
            _ => ExitCode::Failed,
        }
    }

    /// What happened, why it matters and what to do.
    pub(crate) fn explanation(self) -> Explanation {
        let (title, what, todo) = match self {
            Self::EvidenceAltered => (
                "Evidence altered",
                "The file is damaged, was changed after it was signed, or was signed with another key.",
                "Get the file again from where it was made, and the site's public key from the site.",
            ),
            Self::EvidenceInputs => (
                "Other inputs",
                "The trust directory or the bundles in the file cannot be used, or are not those that the reports were made with.",
                "Pack the run again with the trust directory and the bundles of the run.",
            ),
            Self::EvidenceStatement => (
                "Statement missing or wrong",
                "The statement about a node is missing, is not signed, or does not say what the node's report says.",
                "Pack the run again, and find out who changed it.",
            ),
            Self::EvidenceContradicted => (
                "Verdict contradicted",
                "The signatures, the policy and the revocation lists in the file give another verdict than the report.",
                "Do not accept the report. Find out who changed it, and run again.",
            ),
            Self::EvidenceUnsupported => (
                "Verdict not supported",
                "The signatures that a verdict rests on are not in the file; only the node's store has them.",
                "Run again with --evidence, so that the reports carry them, and pack that run.",
            ),
        };
        Explanation {
            title,
            what,
            why: "Evidence proves only what can be verified again without trusting the one who made it.",
            todo,
        }
    }
}
