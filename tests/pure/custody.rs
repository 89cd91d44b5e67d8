//! Chains of custody beside verdicts: whatever comes of signatures, content and snapshots, an image passes exactly if the chain of
//! its container is proven, and fails exactly if a link of it is broken. What is wrong under another container is the one exception.

use std::collections::{BTreeMap, BTreeSet};

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux_here};
use assay_judge::bundle::Bundles;
use assay_judge::custody::Custodian;
use assay_judge::footing::{Footing, FootingManifest, LinkFact};
use assay_judge::judge::Judge;
use assay_judge::judgement::CheckedContent;
use assay_judge::signatures::Signatures;
use assay_judge::sources::Sources;
use assay_judge::store::layout::{Layout, Reading};
use assay_judge::{image, trust};
use assay_report::{
    ContainerUse, Content, CustodyStep, Image as ImageReport, LinkState, Mismatch, Reason, Rootfs,
    RootfsResult, Status, Via,
};
use assay_tests::published::{AT, GOOD, Published, reference};
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;

/// What hashing the content shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ContentShows {
    Nothing,
    Layer,
    Manifest,
    OtherBlob,
    Unreadable,
    Limit,
}

/// What comparing the snapshots shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SnapshotsShow {
    Nothing,
    Difference,
    Unreadable,
    /// A difference under another container of the image.
    DifferenceElsewhere,
    /// The container was not looked at.
    NoFooting,
}

const CONTENT: [ContentShows; 6] = {
    use ContentShows::*;
    [Nothing, Layer, Manifest, OtherBlob, Unreadable, Limit]
};

const SNAPSHOTS: [SnapshotsShow; 5] = {
    use SnapshotsShow::*;
    [Nothing, Difference, Unreadable, DifferenceElsewhere, NoFooting]
};

/// Images of every outcome: their names, their targets, and the manifests that containers would stand on.
fn publish(published: &mut Published) -> BTreeMap<&'static str, (Descriptor, Descriptor)> {
    let mut images = BTreeMap::new();
    for (name, signatures) in [
        ("team/good", &[GOOD][..]),
        ("team/unsigned", &[]),
        ("team/authority", &[Signature::OtherAuthority]),
        ("team/identity", &[Signature::OtherIdentity]),
        ("team/expired", &[Signature::Expired]),
        ("team/certificate", &[Signature::CertificateExpired]),
        ("team/tampered", &[Signature::Tampered]),
        ("team/another", &[Signature::OfAnotherImage]),
        ("team/several", &[Signature::Tampered, Signature::OtherAuthority, GOOD]),
    ] {
        let target = published.image(name, signatures);
        images.insert(name, (target.clone(), target));
    }
    for (name, signs_index, names_index) in
        [("team/index", true, true), ("team/parent", true, false), ("team/platform", false, true)]
    {
        let manifest = Image::of_text(linux_here(), "app", name).add_to(&mut published.images);
        let entry = Descriptor { platform: Some(linux_here()), ..manifest.clone() };
        let index = published.images.add_index(false, &[entry]);
        let signed = if signs_index { &index } else { &manifest };
        published.publish(&format!("{name}-signed"), signed, &[GOOD]);
        let target = if names_index { index } else { manifest.clone() };
        published.images.name(&target, &reference(name));
        images.insert(name, (target, manifest));
    }
    images
}

fn content(shows: ContentShows, manifest: &FootingManifest) -> CheckedContent {
    let altered = |digest: &Digest| {
        let one = Mismatch { digest: digest.clone(), media_type: "m".into(), found: "another".into() };
        CheckedContent {
            content: Content { mismatched: vec![one], ..Content::default() },
            ..CheckedContent::default()
        }
    };
    match shows {
        ContentShows::Nothing => CheckedContent::default(),
        ContentShows::Layer => altered(&manifest.layers[0]),
        ContentShows::Manifest => altered(&manifest.descriptor.digest),
        ContentShows::OtherBlob => altered(&Digest::sha256(b"of another platform")),
        ContentShows::Unreadable => {
            CheckedContent { unjudged: vec!["x".into()], ..CheckedContent::default() }
        }
        ContentShows::Limit => CheckedContent { limit: Some("x".into()), ..CheckedContent::default() },
    }
}

/// Every state of a link that this image's chain has.
fn states(report: &ImageReport) -> BTreeSet<LinkState> {
    let custody = report.in_use[0].custody.as_ref().unwrap();
    assert_eq!(custody.broken, custody.first_broken().map(|link| link.step));
    custody.links.iter().map(|link| link.state).collect()
}

#[test]
fn chain_and_verdict_are_one() {
    let mut published = Published::new("no agent");
    let images = publish(&mut published);
    published.write();
    let layout = published.path("images");
    published.images.write(&layout).unwrap();
    let store = Layout::open(&layout, Reading::Everything).unwrap();

    let policy = published.path("trust").join("trustpolicy.json");
    let strict = std::fs::read_to_string(&policy).unwrap();
    let level = |level: &str| strict.replace("\"strict\"", &format!("\"{level}\""));
    let accepts = [BTreeSet::new(), BTreeSet::from(Via::ALL)];
    let (mut cases, mut seen) = (0, BTreeSet::new());
    let mut broken = BTreeSet::new();
    for policy_text in [strict.clone(), level("audit"), level("skip"), "{}".to_owned()] {
        std::fs::write(&policy, &policy_text).unwrap();
        let mut trust = trust::read(&published.path("trust")).unwrap();
        let bundles = Bundles::open(&[published.path("bundle")], &mut trust).unwrap();
        let sources = Sources::new(&store, &bundles);
        let signatures = Signatures::collect(sources);
        let custodian = Custodian { signatures: &signatures, trust: &trust, drift_fails: false };
        for accept in &accepts {
            let judge = Judge {
                trust: &trust,
                at: UnixTime::parse(AT).unwrap(),
                accept,
                lock: &bundles.lock,
                sources,
                signatures: &signatures,
            };
            for (name, (target, manifest)) in &images {
                for recorded in [true, false] {
                    for shows in CONTENT {
                        for snapshots in SNAPSHOTS {
                            let image = image::Image {
                                namespace: None,
                                target: match recorded {
                                    true => image::ImageTarget::Recorded(target.clone()),
                                    false => image::ImageTarget::Unrecorded(target.digest.clone()),
                                },
                                references: vec![reference(name)],
                                in_use: vec![ContainerUse { id: "id".into(), ..ContainerUse::default() }],
                            };
                            let judged = judge.judge_all(vec![image], 1).remove(0);
                            let is_skipped = policy_text.contains("\"skip\"")
                                && !policy_text.contains("\"strict\"")
                                && !policy_text.contains("\"audit\"");
                            // what is not judged is not hashed and not compared either
                            let is_looked_at = recorded && !is_skipped;
                            if !is_looked_at
                                && (shows, snapshots) != (ContentShows::Nothing, SnapshotsShow::NoFooting)
                            {
                                continue;
                            }
                            let of = FootingManifest {
                                descriptor: manifest.clone(),
                                config: Digest::sha256(b"config"),
                                layers: vec![Digest::sha256(b"layer")],
                            };
                            let examined = judged.with_content(content(shows, &of));
                            let state = match snapshots {
                                SnapshotsShow::Difference => LinkState::Broken,
                                SnapshotsShow::Unreadable => LinkState::Unproven,
                                _ => LinkState::Proven,
                            };
                            let differs = matches!(
                                snapshots,
                                SnapshotsShow::Difference | SnapshotsShow::DifferenceElsewhere
                            );
                            let is_unread =
                                matches!(snapshots, SnapshotsShow::Unreadable | SnapshotsShow::NoFooting);
                            let rootfs = Rootfs {
                                snapshots: 1,
                                differing: if differs { vec!["x".into()] } else { Vec::new() },
                                result: Some(RootfsResult::Passed),
                                why: is_unread.then(|| "x".into()),
                                ..Rootfs::default()
                            };
                            let mut examined = if is_looked_at {
                                examined.with_rootfs(rootfs, 0, is_unread, false)
                            } else {
                                examined
                            };
                            if snapshots != SnapshotsShow::NoFooting {
                                examined.footings.push(Footing {
                                    container: "id".into(),
                                    image: Some(reference(name)),
                                    snapshot: LinkFact::new("overlayfs/id", state, "x"),
                                    layers: LinkFact::new("1 layer", LinkState::Proven, "x"),
                                    manifest: Some(of),
                                });
                            }
                            let report = custodian.report(examined);
                            let about = format!("{name}, {shows:?}, {snapshots:?}, {recorded}: {report:#?}");
                            assert_eq!(report.custody_contradiction(), None, "{about}");
                            let states = states(&report);
                            let custody = report.in_use[0].custody.as_ref().unwrap();
                            let is_lax = custody.broken == Some(CustodyStep::Root)
                                && policy_text.contains("\"audit\"");
                            if snapshots != SnapshotsShow::DifferenceElsewhere && !is_lax {
                                let expected = if states.contains(&LinkState::Broken) {
                                    Status::Failed
                                } else if states.contains(&LinkState::Unproven) {
                                    Status::Inconclusive
                                } else {
                                    Status::Passed
                                };
                                let status = match report.status {
                                    Status::Skipped => Status::Inconclusive,
                                    status => status,
                                };
                                assert_eq!(status, expected, "{about}");
                            }
                            if report.status == Status::Passed {
                                assert!(custody.is_whole() || is_lax, "{about}");
                            }
                            cases += 1;
                            broken.insert(custody.broken);
                            seen.insert((report.status, report.reason.map(Reason::as_str)));
                        }
                    }
                }
            }
        }
    }
    assert!(cases > 1_000, "{cases}");
    assert!(seen.len() >= 12, "{seen:?}");
    let steps: BTreeSet<_> = CustodyStep::ALL.into_iter().map(Some).chain([None]).collect();
    assert_eq!(broken, steps);
}
