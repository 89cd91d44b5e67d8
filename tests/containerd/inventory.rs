//! Runs `assay-agent inventory` on a node with pods: JSON that keeps its schema, and a table that people can read.

use std::collections::BTreeMap;
use std::path::Path;

use assay_report::{ContainerUse, Inventory};
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::program::{self, Finished};
use assay_tests::published::{Published, reference, sleeper};
use serde_json::Value;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    pods_containers_and_idle_images_are_listed,
}

fn pods_containers_and_idle_images_are_listed(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/idle", &[]);
    for (name, entrypoint) in
        [("pause", "/sleeper"), ("team/app", "/./sleeper"), ("team/removed", "/../sleeper")]
    {
        let image = assay_fixtures::image::Image { entrypoint: entrypoint.into(), ..sleeper() };
        let target = image.add_to(&mut published.images);
        published.publish(name, &target, &[]);
    }
    containerd.import(KUBERNETES, &published.images);
    let pod = ["io.kubernetes.pod.name=web-7d4", "io.kubernetes.pod.namespace=shop"];
    let sandbox = containerd.run_labelled(&reference("pause"), "sandbox", &pod);
    let app = containerd.run_labelled(
        &reference("team/app"),
        "app",
        &[&pod[..], &["io.kubernetes.container.name=app"]].concat(),
    );
    let bare = containerd.run(&reference("team/app"), "bare");
    // A container that has ended still belongs to its image.
    let _ = containerd.ctr(["task", "kill", "--signal", "SIGKILL", &bare]).expect_code(0);
    let unlisted = containerd.run(&reference("team/removed"), "unlisted");
    let _ = containerd.ctr(["images", "remove", "--sync", &reference("team/removed")]).expect_code(0);

    let text = inventory(&containerd.store(), &["--format", "json"]).text();
    let value: Value = serde_json::from_str(&text).unwrap();
    schema().validate(&value).unwrap();
    let found: Inventory = serde_json::from_value(value).unwrap();
    let users: BTreeMap<&str, Vec<ContainerUse>> =
        found.images.iter().map(|image| (image.references[0].as_str(), image.in_use.clone())).collect();
    let of_pod = |container: Option<&str>, id: &str| ContainerUse {
        pod: Some("web-7d4".into()),
        pod_namespace: Some("shop".into()),
        container: container.map(str::to_owned),
        id: id.to_owned(),
        ..ContainerUse::default()
    };
    let alone = ContainerUse { id: bare, ..ContainerUse::default() };
    let expected = BTreeMap::from([
        ("registry.example.test/pause:v1", vec![of_pod(None, &sandbox)]),
        ("registry.example.test/team/app:v1", vec![alone, of_pod(Some("app"), &app)]),
        ("registry.example.test/team/idle:v1", vec![]),
    ]);
    assert_eq!(users, expected);
    let unlisted_containers: Vec<&str> =
        found.coverage.unlisted_containers().map(|one| one.id.as_str()).collect();
    assert_eq!(unlisted_containers, [unlisted]);
    // The root on disk gives the same.
    let root = inventory(&containerd.root_store(), &["--format", "json"]).text();
    let same = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        value["store"].take();
        value["node"]["containerd"].take();
        value
    };
    assert_eq!(same(&root), same(&text));

    let table = inventory(&containerd.store(), &[]).text();
    println!("{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 120));
    for shown in ["registry.example.test/team/idle:v1", "shop/web-7d4  app", "shop/web-7d4  (sandbox)"] {
        assert!(table.contains(shown), "{shown}");
    }
    assert!(table.contains("3 images, 2 in use by 3 containers"));
}

fn inventory(store: &str, more: &[&str]) -> Finished {
    program::run(AGENT, ["inventory", "--store", store].iter().chain(more)).expect_code(0)
}

fn schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/report/schema/inventory.v1.json");
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}
