use alloc::vec;

use super::*;
use crate::{Action, DriftKind, FileClass, LinkState};
use crate::{ChainCertificate, CheckResult, Effect, ExitCode, NODE_REPORT_SCHEMA, Reason, TrustPolicyInput};
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

fn time() -> UnixTime {
    UnixTime::from_seconds(1).unwrap()
}

fn signature(number: usize, status: Status) -> Signature {
    let check = || Check::not_run(Action::Enforce);
    Signature {
        digest: Digest::sha256(&number.to_be_bytes()),
        source: "store".into(),
        envelope: None,
        policy: None,
        status,
        reason: None,
        signer: None,
        chain: vec![],
        signing_time: None,
        timestamp: None,
        user_metadata: BTreeMap::new(),
        checks: Checks {
            integrity: check(),
            authenticity: check(),
            authentic_timestamp: check(),
            expiry: check(),
            revocation: check(),
        },
        target: Target { result: CheckResult::NotRun, code: None, message: None },
        omitted: Omitted::default(),
    }
}

fn image(number: usize, status: Status) -> Image {
    Image {
        namespace: Namespace::new("k8s.io"),
        references: vec![format!("registry.example.test/app:{number}")],
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        size: 1,
        status,
        reason: (status != Status::Passed).then_some(Reason::NoSignature),
        ..Image::unjudged(Digest::sha256(&number.to_be_bytes()))
    }
}

fn report(images: Vec<Image>) -> NodeReport {
    NodeReport {
        schema: NODE_REPORT_SCHEMA.into(),
        run: Run { id: String::new(), started: time(), finished: time(), verified_at: time() },
        agent: Agent { version: String::new(), target: String::new(), sha256: None },
        node: Node {
            hostname: None,
            machine_id: None,
            os: "linux".into(),
            architecture: "amd64".into(),
            containerd: None,
        },
        asked: None,
        inputs: Inputs {
            store: String::new(),
            trust_policy: TrustPolicyInput { sha256: String::new() },
            trust_store: vec![],
            bundles: vec![],
            crls: vec![],
            unusable_evidence: vec![],
            warnings: vec![],
            omitted: Omitted::default(),
        },
        coverage: Coverage::default(),
        summary: Summary::count(images.iter().map(|image| image.status)),
        images,
        carried: vec![],
        omitted: Omitted::default(),
    }
}

fn size(report: &NodeReport) -> Size {
    Size::measure(report)
}

fn unreadable(number: usize) -> Unreadable {
    Unreadable { what: format!("{number:09}"), why: "damaged".into() }
}

#[test]
fn escapes_that_are_written_are_counted() {
    let plain = Size::measure(&"abcd").bytes;
    for text in ["####", "::::"] {
        assert_eq!(Size::measure(&text).bytes, plain.saturating_add(3 * 6));
    }
}

#[test]
fn lists_and_texts_are_cut_and_counted() {
    let most = limits::REPORT_ENTRIES;
    let letters = limits::REPORT_TEXT_LETTERS;
    let mut inside = report(vec![image(0, Status::Passed)]);
    inside.images[0].references = (0..most).map(|number| format!("{number:04}")).collect();
    inside.images[0].message = Some("m".repeat(letters));
    inside.coverage.unreadable = (0..most).map(unreadable).collect();
    let mut bounded = inside.clone();
    bounded.bound();
    assert!(bounded == inside);

    let mut outside = inside;
    outside.images[0].references.push("9999".into());
    outside.images[0].message = Some("m".repeat(letters + 1));
    outside.coverage.unreadable.push(unreadable(most));
    outside.bound();
    assert_eq!(outside.images[0].references, bounded.images[0].references);
    assert_eq!(outside.images[0].omitted.count(List::References), 1);
    assert_eq!(outside.coverage.omitted.count(List::Unreadable), 1);
    let message = outside.images[0].message.clone().unwrap();
    assert!(message.chars().count() <= letters && message.ends_with("more letters)"));
}

#[test]
fn drift_is_cut_and_counted() {
    let most = limits::DRIFT_FINDINGS;
    let finding = |number: usize| DriftFinding {
        class: FileClass::Other,
        path: format!("{number:04}"),
        kind: DriftKind::Added,
        before: None,
        after: None,
        size: None,
        sha256: None,
    };
    let mount = |number: usize| CoveringMount {
        class: FileClass::Other,
        destination: format!("/{number:04}"),
        source: None,
        mount_type: None,
        hides: String::new(),
    };
    let mut inside = Drift {
        findings: (0..most).map(finding).collect(),
        mounts: (0..most).map(mount).collect(),
        ..Drift::not_run("", String::new())
    };
    let whole = inside.clone();
    inside.bound(FULL);
    assert_eq!(inside, whole);
    inside.findings.push(finding(most));
    inside.mounts.push(mount(most));
    inside.bound(FULL);
    assert_eq!(inside, Drift { more: 1, more_mounts: 1, ..whole });
}

#[test]
fn what_a_verdict_rests_on_stays() {
    let rows = limits::REPORT_SIGNATURES;
    let mut signed = image(0, Status::Passed);
    signed.signatures = (0..rows).map(|number| signature(number, Status::Failed)).collect();
    let mut whole = signed.clone();
    whole.bound();
    assert_eq!(whole, signed);
    signed.signatures.push(signature(rows, Status::Passed));
    signed.bound();
    assert_eq!(signed.omitted.count(List::Signatures), 1);
    assert_eq!(signed.signatures.len(), rows);
    assert_eq!(signed.signatures.last().unwrap().status, Status::Passed);

    // a container and a contradiction that fail, behind thousands of notes
    let most = limits::REPORT_ENTRIES;
    let unlisted = |kind: &str, number: usize| Unlisted {
        namespace: None,
        kind: kind.into(),
        id: format!("{number:09}"),
        name: None,
    };
    let finding = |effect, number: usize| Contradiction {
        code: String::new(),
        effect,
        namespace: None,
        id: format!("{number:09}"),
        message: String::new(),
    };
    let notes = (0..most).map(|number| unlisted("manifest", number));
    let unlisted = notes.chain([unlisted("container", most)]).collect();
    let mut coverage = Coverage { unlisted, ..Coverage::default() };
    assert_eq!(coverage.verdict(), ExitCode::Failed);
    Bound::bound(&mut coverage, FULL);
    assert_eq!((coverage.unlisted.len(), coverage.verdict()), (most, ExitCode::Failed));
    let notes = (0..most).map(|number| finding(Effect::None, number));
    let findings = notes.chain([finding(Effect::Failed, most)]).collect();
    let cross_check = CrossCheck { findings, checked: vec![] };
    let mut coverage = Coverage { cross_check, ..Coverage::default() };
    Bound::bound(&mut coverage, SHORTER[5]);
    assert_eq!((coverage.cross_check.findings.len(), coverage.verdict()), (1, ExitCode::Failed));
    assert_eq!(coverage.omitted.count(List::Findings), most as u64);
}

#[test]
fn images_that_are_called_the_same_once_cleaned_are_one_row_the_worst() {
    let altered = Image { reason: Some(Reason::ContentMismatch), ..image(0, Status::Inconclusive) };
    let altered = Image { media_type: "m\\u{202e}".into(), ..altered };
    let mut rows =
        vec![image(0, Status::Passed), image(0, Status::Failed), image(0, Status::Passed), altered];
    rows[0].media_type = "m\u{202e}".into();
    rows[1].media_type = "m\\u{202e}".into();
    rows[2].media_type = "m\u{202d}".into();
    let mut report = report(rows);
    report.bound();
    let kept: Vec<_> = report.images.iter().map(|image| (&*image.media_type, image.status)).collect();
    assert_eq!(kept, [("m\\u{202e}", Status::Failed), ("m\\u{202d}", Status::Passed)]);
    assert_eq!(report.images[0].also, [Reason::ContentMismatch]);
    assert_eq!(report.omitted.count(List::Images), 2);
    assert_eq!((report.summary.passed, report.summary.failed), (1, 1));
}

#[test]
fn the_largest_carried_blobs_are_dropped() {
    let blob = |bytes: usize| {
        let data = vec![7; bytes];
        CarriedBlob { digest: Digest::sha256(&data), media_type: "m".into(), data }
    };
    let most = limits::CARRIED_BYTES;
    let mut carrying = report(vec![]);
    carrying.carried = vec![blob(most - 10), blob(10)];
    let before = carrying.clone();
    carrying.bound();
    assert_eq!(carrying, before);
    carrying.carried.push(blob(11));
    carrying.bound();
    assert_eq!(carrying.carried.iter().map(|blob| blob.data.len()).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(carrying.omitted.count(List::Carried), 1);
}

/// A hundred images of which one is monstrous, and what they carry.
fn with_a_monster() -> NodeReport {
    let mut images: Vec<Image> = (0..100).map(|number| image(number, Status::Passed)).collect();
    for (number, image) in images.iter_mut().enumerate() {
        let mut passing = signature(number, Status::Passed);
        let subject = String::from("CN=Signer,O=Acme");
        passing.chain = vec![ChainCertificate { subject, sha256: String::new(), not_after: time() }];
        image.signatures.push(passing);
    }
    let monster = &mut images[50];
    (monster.status, monster.reason) = (Status::Failed, Some(Reason::Limit));
    monster.references = (0..900).map(|number| format!("{number}{}", "x".repeat(900))).collect();
    monster.signatures = (0..200).map(|number| signature(number, Status::Failed)).collect();
    let mut report = report(images);
    let data = vec![7; 100];
    report.carried = vec![CarriedBlob { digest: Digest::sha256(&data), media_type: "m".into(), data }];
    report.coverage.unreadable = (0..20).map(unreadable).collect();
    report
}

#[test]
fn detail_goes_from_the_largest_parts_first() {
    let before = with_a_monster();
    let statuses = |report: &NodeReport| -> Vec<_> {
        report.images.iter().map(|image| (image.digest.clone(), image.status)).collect()
    };
    let room = |bytes| {
        let mut report = before.clone();
        report.fit_into(bytes, limits::REPORT_VALUES);
        assert!(size(&report).bytes <= bytes, "{bytes}");
        assert_eq!(report.verdict(), ExitCode::Failed);
        let mut again = report.clone();
        again.bound();
        again.fit_into(bytes, limits::REPORT_VALUES);
        assert!(again == report, "{bytes}");
        report
    };
    let whole = size(&before).bytes;
    assert!(room(whole + 3 * NAMES.bytes) == before);

    // One huge image loses only its own detail.
    let shorter = room(whole - 1);
    assert_eq!(statuses(&shorter), statuses(&before));
    assert!(shorter.images[50].omitted.count(List::References) > 0);
    assert_eq!(shorter.images[49], before.images[49]);
    assert_eq!(shorter.carried, before.carried);

    // Next go carried blobs, then the detail of all images. No row is lost.
    let bare = room(120_000);
    assert_eq!(statuses(&bare), statuses(&before));
    assert_eq!((bare.carried.len(), bare.omitted.count(List::Carried)), (0, 1));
    assert!(bare.images.iter().all(|image| image.omitted.count(List::Signatures) > 0));

    // at last rows, those that passed first; what fails is still there, and the report says that it is incomplete
    let last = room(30_000);
    assert!(last.images.len() > 10 && last.images.len() < 100);
    assert_eq!(last.summary.failed, 1);
    assert_eq!(last.omitted.count(List::Images), 100 - last.images.len() as u64);
    assert!(last.coverage.unreadable.iter().any(|one| one.what == "images"));
}

#[test]
fn values_are_bounded_as_bytes_are() {
    let before = with_a_monster();
    let mut report = before.clone();
    report.fit_into(limits::REPORT_BYTES, 5_000);
    assert!(size(&report).values <= 5_000 && report.images.len() == 100);
    assert_eq!(report.verdict(), before.verdict());
}

/// Of a thousand containers of one image, those that are worst stay, each with its chain, for as long as any has one.
#[test]
fn the_worst_of_many_containers_stay() {
    let link = |step, state| CustodyLink { step, subject: "s".repeat(100), state, evidence: "e".repeat(200) };
    let chain = |state| {
        let of = |step| if step == CustodyStep::Snapshot { state } else { LinkState::Proven };
        Custody::new(CustodyStep::ALL.into_iter().map(|step| link(step, of(step))).collect())
    };
    let container = |number: usize| ContainerUse {
        id: format!("{number:04}"),
        custody: Some(chain(match number {
            999 => LinkState::Broken,
            500..=509 => LinkState::Unproven,
            _ => LinkState::Proven,
        })),
        drift: (number == 998).then(|| Drift::not_run("writable-layer-unread", "why".into())),
        ..ContainerUse::default()
    };
    let mut whole = report(vec![image(0, Status::Failed)]);
    whole.images[0].in_use = (0..1_000).map(container).collect();
    whole.bound();
    assert_eq!(whole.images[0].in_use.len(), 1_000.min(limits::REPORT_ENTRIES));
    assert!(whole.images[0].in_use.iter().any(|one| one.id == "0999"));
    let mut seen = BTreeSet::new();
    for bytes in [400_000, 60_000, 30_000, 8_000] {
        let mut report = whole.clone();
        report.fit_into(bytes, limits::REPORT_VALUES);
        assert!(size(&report).bytes <= bytes);
        let image = &report.images[0];
        let ids = |is: &dyn Fn(&ContainerUse) -> bool| -> Vec<&str> {
            image.in_use.iter().filter(|one| is(one)).map(|one| one.id.as_str()).collect()
        };
        let with_chain = ids(&|one| one.custody.is_some());
        assert!(with_chain.contains(&"0999"), "{bytes}");
        let count = with_chain.len();
        assert!(count == 11 || image.in_use.len() == count, "{bytes}: {count}");
        if image.in_use.len() > 11 {
            assert!(ids(&|_| true).contains(&"0998"), "{bytes}");
        }
        seen.insert(image.in_use.len());
    }
    assert!(seen.len() > 2, "{seen:?}");
}

#[test]
fn values_are_counted_whatever_strings_hold() {
    for (text, values) in [
        ("1", 1),
        (r#""a,[{""#, 1),
        (r#""\",\\""#, 1),
        (r#"["\\",1]"#, 3),
        (r#"{"a":[1,2],"b":{"c":null}}"#, 6),
        ("[]", 2),
    ] {
        assert_eq!(Values::count(text.as_bytes()), values, "{text}");
    }
}

#[test]
fn inventories_are_bounded() {
    let row = |number: usize| InventoryImage {
        namespace: None,
        references: (0..limits::REPORT_ENTRIES + 1).map(|name| format!("{number}\u{202e}{name}")).collect(),
        digest: Digest::sha256(b""),
        media_type: String::new(),
        size: 0,
        platforms: vec![],
        content_size: 0,
        in_use: vec![],
        omitted: Omitted::default(),
    };
    let mut inventory = Inventory {
        schema: String::new(),
        node: report(vec![]).node,
        store: "\u{1b}".into(),
        coverage: Coverage::default(),
        images: vec![row(0), row(1)],
    };
    inventory.fit();
    assert_eq!(inventory.store, "\\u{1b}");
    assert_eq!(inventory.images[1].omitted.count(List::References), 1);
    assert_eq!(inventory.images[1].references[0], "1\\u{202e}0");
}
