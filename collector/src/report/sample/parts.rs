//! Makes what containers of samples wrote and how they lead to a root certificate.

use assay_report::*;
use assay_verifier::oci::Digest;

/// What a container of a shop has that its image does not.
pub(super) fn dropped() -> Drift {
    let finding = |class, path: &str, kind, before: Option<&str>, after: Option<&str>| DriftFinding {
        class,
        path: path.into(),
        kind,
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        size: after.map(|_| 34_512),
        sha256: after.map(|_| digest(path)),
    };
    Drift {
        result: DriftResult::Drifted,
        code: Some("writable-layer-differs".into()),
        why: None,
        running: Some(true),
        added: 1,
        changed: 1,
        deleted: 1,
        findings: vec![
            finding(
                FileClass::Program,
                "usr/local/bin/miner",
                DriftKind::Added,
                None,
                Some("file of 34512 bytes, mode 0755, owner 0:0"),
            ),
            finding(
                FileClass::Other,
                "etc/ledger.conf",
                DriftKind::Changed,
                Some("812 bytes"),
                Some("34512 bytes"),
            ),
            finding(
                FileClass::Other,
                "etc/motd",
                DriftKind::Deleted,
                Some("file of 12 bytes, mode 0644, owner 0:0"),
                None,
            ),
        ],
        mounts: vec![CoveringMount {
            class: FileClass::Library,
            destination: "/usr/lib/libssl.so.3".into(),
            source: Some("/opt/patched/libssl.so.3".into()),
            mount_type: Some("bind".into()),
            hides: "usr/lib/libssl.so.3".into(),
        }],
        ..Drift::not_run("", String::new())
    }
}

/// Drift in which every text is `text`.
pub(super) fn drift(text: &str) -> Drift {
    let owned = || Some(text.to_owned());
    Drift {
        result: DriftResult::Drifted,
        code: owned(),
        running: Some(true),
        added: 1,
        findings: vec![DriftFinding {
            class: FileClass::Program,
            path: text.to_owned(),
            kind: DriftKind::Added,
            before: owned(),
            after: owned(),
            size: Some(1),
            sha256: Some(digest("dropped")),
        }],
        mounts: vec![CoveringMount {
            class: FileClass::Library,
            destination: text.to_owned(),
            source: owned(),
            mount_type: owned(),
            hides: text.to_owned(),
        }],
        ..Drift::not_run(text, text.to_owned())
    }
}

/// A chain of custody in which every text is `text`.
pub(super) fn custody(text: &str, state: LinkState) -> Custody {
    let link = |step| CustodyLink { step, subject: text.to_owned(), state, evidence: text.to_owned() };
    Custody::new(CustodyStep::ALL.into_iter().map(link).collect())
}

/// `image` with chains of custody that are broken where its reason says.
pub(super) fn with_custody(mut image: Image) -> Image {
    use CustodyStep::{Container, Index, Layers, Manifest, Root, Signature, Snapshot};
    let broken = match image.reason {
        None => None,
        Some(Reason::InUseUnlisted) => Some(Container),
        Some(Reason::RootfsMismatch | Reason::Unreadable | Reason::Limit) => Some(Snapshot),
        Some(Reason::ContentMismatch) => Some(Layers),
        Some(Reason::WrongDigest) => Some(Index),
        Some(Reason::Authenticity) => Some(Root),
        Some(_) => Some(Signature),
    };
    let worst = if image.status == Status::Failed { LinkState::Broken } else { LinkState::Unproven };
    let state = |step| match broken {
        _ if image.status == Status::Skipped && step != Container => LinkState::Unproven,
        Some(broken) if broken == step => worst,
        Some(Signature) if step == Root => LinkState::Unproven,
        _ => LinkState::Proven,
    };
    let digest = |name: &str| digest(&format!("{name} of {}", image.digest)).to_string();
    let proven = |step| match step {
        Container => ("d3b07384d113".to_owned(), "it names the image, whose record has its digest"),
        Snapshot => (
            "overlayfs/d3b07384d113".to_owned(),
            "it stands on 3 snapshots, whose 412 files are those of the layers",
        ),
        Layers => (
            format!("3 layers, chain id {}", digest("chain")),
            "each has the digest that the manifest names and the diff_id that its config names",
        ),
        Manifest => (
            digest("manifest"),
            "the manifest for linux/amd64 matches this digest, and so does its config, which names the layers",
        ),
        Index => (image.digest.to_string(), "the index matches this digest and lists the manifest"),
        Signature => (digest("signature"), "it is of the index, by CN=Example Publisher; found in site.tar"),
        Root => (
            "CN=Example Publisher Root CA,O=Example Publisher,C=US".to_owned(),
            "the trust store ca:publisher has the certificate, to which the signer's chain leads",
        ),
    };
    let link = |step| {
        let (subject, evidence) = proven(step);
        let found = image.message.as_deref().unwrap_or("it was not looked at");
        let evidence = if state(step) == LinkState::Proven { evidence } else { found };
        CustodyLink { step, subject, state: state(step), evidence: evidence.to_owned() }
    };
    let custody = Custody::new(CustodyStep::ALL.into_iter().map(link).collect());
    image.in_use.iter_mut().for_each(|container| container.custody = Some(custody.clone()));
    image
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}
