//! Judges the demo's recorded site, node by node, with the real agent: the verdicts are the expected ones, and no
//! others.

use std::collections::BTreeMap;

use assay_tests::demo_site::DemoSite;
use assay_tests::program;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

#[test]
fn every_verdict_is_the_expected_one() {
    let site = DemoSite::unpack();
    let expected = site.expected();
    assert_eq!(expected.len(), 3, "nodes");
    for (node, images) in &expected {
        let done = program::run(
            AGENT,
            [
                "verify",
                "--store",
                &format!("layout:{}", site.path(&format!("nodes/{node}/store")).display()),
                "--trust",
                &site.path("trust").display().to_string(),
                "--signatures",
                &site.path("bundle").display().to_string(),
                "--at",
                &site.at(),
            ],
        )
        .expect_code(1);
        let mut found = BTreeMap::new();
        for image in &done.report().images {
            for reference in &image.references {
                found.insert(reference.clone(), program::verdict(image));
            }
        }
        assert_eq!(&found, images, "{node}");
    }
}
