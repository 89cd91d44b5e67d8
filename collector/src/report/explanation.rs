//! Explains the codes of images, visits and nodes: what happened, why it matters, what to do.
//!
//! The finer codes of checks have their own table in [`assay_verifier::codes`].

use assay_report::{Image, Outcome, Reason};

/// The explanation of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// A heading.
    pub(crate) title: &'static str,
    /// What happened.
    pub(crate) what: &'static str,
    /// Why it matters.
    pub(crate) why: &'static str,
    /// What to do.
    pub(crate) todo: &'static str,
}

/// Every code of this module: reasons of images, outcomes of visits, problems of nodes.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Explanation)> {
    let problems = [
        ("no-images", EMPTY),
        ("same-machine", SAME_MACHINE),
        ("unreadable-store", COVERAGE),
        ("store-contradiction", CONTRADICTION),
        ("clean-up-failed", NOT_CLEANED),
        ("clean-up-unknown", CLEANING_UNKNOWN),
    ];
    let reasons = Reason::ALL.into_iter().map(|code| (code.as_str(), reason(code)));
    let outcomes = Outcome::ALL.into_iter().map(|code| (code.as_str(), outcome(code)));
    reasons.chain(outcomes).chain(problems)
}

/// The code and the explanation of why an image did not pass.
pub(super) fn image_reason(image: &Image) -> (&'static str, Explanation) {
    image.reason.map_or(("unexplained", UNEXPLAINED), |code| (code.as_str(), reason(code)))
}

/// Why an image did not pass.
pub(crate) fn reason(reason: Reason) -> Explanation {
    match reason {
        Reason::NoSignature => Explanation {
            title: "No signature",
            what: "Neither the store nor a bundle holds a signature of the image.",
            why: "Nothing says who made it. Anyone who can push to the registry or write to the node could have.",
            todo: "If its publisher signs it, add its signatures to the bundle and run again; if not, remove the image \
                   or have it signed. An image that was imported from an archive of docker save has a digest that no \
                   registry knows: pull it, or import an OCI archive of it.",
        },
        Reason::Policy => Explanation {
            title: "No trust policy applies",
            what: "The trust policy has no statement for the image's repository, or it is invalid.",
            why: "Without a statement it is not decided whom to trust for this repository.",
            todo: "Add the repository to the registry scopes of a statement in trustpolicy.json, or remove the image.",
        },
        Reason::Integrity => Explanation {
            title: "Signature broken",
            what: "The signature is malformed, was altered, or breaks a rule of the standard.",
            why: "A signature that was changed after signing proves nothing.",
            todo: "Fetch the signature again from its source; if it is still broken, have the image signed again.",
        },
        Reason::Authenticity => Explanation {
            title: "Signer not trusted",
            what: "The signature is intact, but its certificates do not lead to the trust store, or the signer is not \
                   one that the policy names.",
            why: "Anyone can sign with a certificate of their own.",
            todo: "Compare the signer with the one that you expect. If it is the right one, add its root to the trust \
                   store and its name to the trusted identities; otherwise remove the image.",
        },
        Reason::AuthenticTimestamp => Explanation {
            title: "Time of signing not proven",
            what: "The certificates were not valid at the time that counts, or the timestamp that would prove an \
                   earlier time is missing or wrong.",
            why: "After a certificate has expired, its key may be in other hands.",
            todo: "Have the image signed again, with a timestamp of an authority in the trust store.",
        },
        Reason::Expiry => Explanation {
            title: "Signature expired",
            what: "The signature names a time until which it is good, and that time has passed.",
            why: "Its publisher did not want the image to be used after that time.",
            todo: "Move to a newer image, or have this one signed again.",
        },
        Reason::Revocation => Explanation {
            title: "Certificate revoked, or its status unknown",
            what: "A certificate of the signer is revoked, or there is no current revocation list that says it is not.",
            why: "The key of a revoked certificate may be in other hands; without a list this is not known.",
            todo: "If it is revoked, remove the image. If its status is unknown, put the issuer's current CRL into the \
                   trust directory and run again.",
        },
        Reason::DescriptorMismatch => Explanation {
            title: "Signature of another image",
            what: "The signature is good, but what it signs is another image.",
            why: "A true signature was attached to an image that its signer never saw.",
            todo: "Find out who attached it, and treat the image as unsigned.",
        },
        Reason::ContentMismatch => Explanation {
            title: "Content changed",
            what: "Bytes on the node are not those that were signed.",
            why: "The image was damaged or tampered with after it was pulled.",
            todo: "Take the node out of service, keep its store as evidence, and pull the image again on a clean node.",
        },
        Reason::WrongDigest => Explanation {
            title: "Another image under this name",
            what: "The bundle says which digest belongs to this name, and the node has another one.",
            why: "The name was moved to an image that was not staged for this site.",
            todo: "Pull the staged digest on the node, or stage a new bundle.",
        },
        Reason::RootfsMismatch => Explanation {
            title: "Unpacked files changed",
            what: "The files that containers run from differ from the signed layers.",
            why: "What runs is not what was signed.",
            todo: "Take the node out of service, keep its snapshots as evidence, and unpack the image again.",
        },
        Reason::InUseUnlisted => Explanation {
            title: "Running, but not listed",
            what: "A container runs an image that the store no longer lists.",
            why: "What runs there cannot be verified.",
            todo: "Restart the workload from an image that is listed and verified, then run again.",
        },
        Reason::Unreadable => Explanation {
            title: "Could not be read",
            what: "Something that the verdict depends on could not be read.",
            why: "What is not read is not verified.",
            todo: "See the message. Repair the store or pull the image again, then run again.",
        },
        Reason::Limit => Explanation {
            title: "Beyond a limit",
            what: "Something is larger, deeper or more numerous than the verifier accepts.",
            why: "Real data is far below these limits. Data above them is usually made to exhaust the reader.",
            todo: "Find out where it comes from. The message names the limit.",
        },
    }
}

/// An image did not pass, and the report does not say why.
pub(crate) const UNEXPLAINED: Explanation = Explanation {
    title: "No reason given",
    what: "The node's report gives no reason for this verdict.",
    why: "A verdict without a reason cannot be acted on.",
    todo: "Use an agent and a collector of the same version, and run again.",
};

/// A node's agent found no image at all.
pub(crate) const EMPTY: Explanation = Explanation {
    title: "No images found",
    what: "The agent ran and found no image.",
    why: "An empty list proves nothing: it may come from the wrong store or namespace.",
    todo: "Check the node's store and namespaces, then run again.",
};

/// A part of a node's store could not be read.
pub(crate) const COVERAGE: Explanation = Explanation {
    title: "Not everything could be read",
    what: "The agent could not read a part of the store.",
    why: "What is not read is not verified.",
    todo: "See the message. Repair the store or the agent's access to it, then run again.",
};

/// A node's store contradicts itself.
pub(crate) const CONTRADICTION: Explanation = Explanation {
    title: "The store contradicts itself",
    what: "Containers, snapshots, image records and content of the store do not fit together.",
    why: "If two parts of a store cannot both be right, the images that were judged may not be the ones that run.",
    todo: "See the message; \"assay explain\" explains its code.",
};

/// Two rows are about one machine.
pub(crate) const SAME_MACHINE: Explanation = Explanation {
    title: "One machine in two rows",
    what: "Another row has the same machine id or host key.",
    why: "If the site file names one machine twice, another node may never be visited. If machines are copies of each other, \
          anyone with the host key of one can answer for the other.",
    todo: "Compare the addresses in the site file. If both are right, the machines were cloned: give each its own machine id \
           (systemd-machine-id-setup) and its own host keys (ssh-keygen -A). Several stores of one machine may share one \
           address.",
};

/// A node still has what the visit put on it.
pub(crate) const NOT_CLEANED: Explanation = Explanation {
    title: "Left behind on the node",
    what: "What the visit put on the node could not be removed.",
    why: "A run must leave nothing on a node.",
    todo: "Run \"assay cleanup\" when the node answers again, or remove the folder by hand.",
};

/// A node could not be asked whether the clean-up worked.
pub(crate) const CLEANING_UNKNOWN: Explanation = Explanation {
    title: "Clean-up not confirmed",
    what: "The node could not be asked whether what the visit put there is gone.",
    why: "A run must leave nothing on a node.",
    todo: "Run \"assay cleanup\" when the node answers again.",
};

/// The site has no nodes.
pub(crate) const NO_NODES: Explanation = Explanation {
    title: "No nodes",
    what: "The site has no node.",
    why: "Nothing was verified.",
    todo: "Check the site file.",
};

/// What became of a visit.
pub(crate) fn outcome(outcome: Outcome) -> Explanation {
    let (title, what, todo) = match outcome {
        Outcome::Verified => ("Verified", "The agent ran and its report was accepted.", "Nothing."),
        Outcome::Unreachable => (
            "Unreachable",
            "The node could not be connected to, or the connection was lost.",
            "Check the address, the port, the jump host and whether the node is up.",
        ),
        Outcome::HostKeyMismatch => (
            "Other host key",
            "The node's host key is not the known one. Nothing was sent to the node.",
            "Find out why: the node may have been set up anew, or someone may be in between. Only then put the new key into \
             known_hosts or the site file.",
        ),
        Outcome::HostKeyUnknown => (
            "Host key unknown",
            "No host key is known for the node. Nothing was sent to the node.",
            "Compare the key's fingerprint with the node's own, then put it into known_hosts or the site file.",
        ),
        Outcome::AuthRefused => (
            "Login refused",
            "The node refused the login.",
            "Check the user, the key and the node's authorized_keys.",
        ),
        Outcome::SudoRefused => (
            "sudo refused",
            "The login works, but sudo did not run the visit's commands.",
            "Read sudo's message. Let the user run sh as root in sudoers, or log in as root.",
        ),
        Outcome::ShellRefused => (
            "Login runs no commands",
            "The login works, but its shell does not run commands: it answers with a message of its own, or not at all.",
            "Read the message: it may tell which login to use, or what to change for this one.",
        ),
        Outcome::TimedOut => (
            "Timed out",
            "A step took longer than its time limit.",
            "Check the node's load. Raise the time limit if its images are many or large.",
        ),
        Outcome::Unsupported => (
            "No agent for this platform",
            "There is no agent for the node's operating system and architecture.",
            "Put an agent for that platform beside the others.",
        ),
        Outcome::UploadFailed => (
            "Upload failed",
            "The agent, the trust directory or a bundle did not arrive complete.",
            "Check the node's free disk space and whether its folder for temporary files can be written.",
        ),
        Outcome::AgentFailed => (
            "Agent failed",
            "The agent could not be run, was killed, or judged nothing.",
            "See the message and run.log. Often containerd is down or its socket is elsewhere.",
        ),
        Outcome::BadReport => (
            "Report not accepted",
            "What came back is malformed, too large, or not of this run.",
            "Treat the node as suspect: only a changed agent, a changed node or a broken disk causes this.",
        ),
        Outcome::Interrupted => {
            ("Interrupted", "The run was stopped before the node was finished.", "Run again with --resume.")
        }
        Outcome::Forbidden => (
            "Not allowed in the cluster",
            "The API server does not allow the kubeconfig's user a step of the visit.",
            "Give the user the rights that the message names; collector/kubernetes/rights.yaml has the Role and the ClusterRole.",
        ),
        Outcome::NodeNotReady => (
            "Node not ready",
            "The cluster has no such node, or the node's kubelet does not say that the node is ready.",
            "Bring the node back, or remove it from the cluster. A pod cannot run there.",
        ),
        Outcome::PodRefused => (
            "Pod refused",
            "The API server or the node's kubelet does not accept the pod: an admission rule, a quota, or the namespace.",
            "Read the message. Make an exception for assay's namespace in the rule that it names, or raise the quota.",
        ),
        Outcome::ImageUnavailable => (
            "Image not there",
            "The node does not have the image of the agent and cannot pull it.",
            "Push the image to a registry that the nodes reach, or import it on the node, under the digest that was asked for.",
        ),
        Outcome::Evicted => (
            "Pod evicted",
            "The pod was evicted or deleted before the agent had ended.",
            "Run again with --resume. If it happens again, see why the node is short of memory or disk, or who drains it.",
        ),
    };
    Explanation { title, what, why: "Nothing on this node was verified.", todo }
}
