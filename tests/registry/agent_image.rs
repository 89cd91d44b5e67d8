//! Pushes the agent's image with `assay kubernetes image` to real registries, and reads it back with other tools.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assay_tests::demo_site::DemoSite;
use assay_tests::packages::program;
use assay_tests::program::{Finished, finish};
use assay_tests::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A folder with two agents, as far as anyone looks at their headers, and the demo's trust directory.
struct Inputs {
    folder: TempDir,
    site: DemoSite,
}

impl Inputs {
    fn new() -> Self {
        let inputs = Self { folder: tempfile::tempdir().unwrap(), site: DemoSite::unpack() };
        for (name, machine) in [("amd64", 62_u16), ("arm64", 183)] {
            let mut head = b"\x7fELF\x02\x01\x01".to_vec();
            head.resize(18, 0);
            head.extend(machine.to_le_bytes());
            head.extend(name.bytes());
            fs::write(inputs.path(name), head).unwrap();
        }
        // larger than what is sent at once, also when it is compressed
        let mut state = 1_u64;
        let random = (0..12 << 20).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from(state >> 56).unwrap()
        });
        fs::write(inputs.path("large"), random.collect::<Vec<u8>>()).unwrap();
        inputs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, more: &[&str]) -> Finished {
        let mut command = Command::new(ASSAY);
        command.args(["kubernetes", "image", "--agent", "amd64", "--agent", "arm64", "--bundle", "large"]);
        command.arg("--trust").arg(self.site.path("trust")).args(more).current_dir(self.folder.path());
        command.env("DOCKER_CONFIG", self.folder.path()).env_remove("REGISTRY_AUTH_FILE");
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        finish(&mut command)
    }
}

/// What skopeo copies of an image, as a layout's index.
fn copied(reference: &str, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("skopeo", "skopeo"));
    command.args(["copy", "--all", "--preserve-digests", "--src-tls-verify=false"]).args(more);
    command.arg(format!("docker://{reference}")).arg(format!("oci:{}", folder.path().display()));
    let _ = finish(&mut command).expect_code(0);
    serde_json::from_slice(&fs::read(folder.path().join("index.json")).unwrap()).unwrap()
}

#[test]
fn an_image_is_pushed_under_its_digest_and_its_tag() {
    let inputs = Inputs::new();
    let registry = Registry::debian("");
    let name = format!("{}/tools/assay", registry.host());
    let push = ["--push", &format!("{name}:v1"), "--plain-http", &registry.host(), "--out", "assay.tar"];
    let pushed = inputs.image(&push).expect_code(0).text();
    let digest = pushed.trim_end().strip_prefix(&format!("{name}@")).unwrap().to_owned();
    // A second run makes the same image and the same file.
    let first = fs::read(inputs.path("assay.tar")).unwrap();
    assert_eq!(inputs.image(&push).expect_code(0).text(), pushed);
    assert!(first == fs::read(inputs.path("assay.tar")).unwrap());
    assert_eq!(inputs.image(&["--out", "other.tar"]).expect_code(0).text().trim_end(), digest);
    for reference in [format!("{name}:v1"), format!("{name}@{digest}")] {
        let index = copied(&reference, &[]);
        assert_eq!(index["manifests"][0]["digest"], *digest, "{index}");
    }
}

#[test]
fn a_registry_that_wants_a_login_gets_the_one_of_docker_login() {
    let inputs = Inputs::new();
    // user u, password p
    fs::write(inputs.path("htpasswd"), "u:$2b$04$SQO6glJTBNyQ34Wt7/aZO.HKBf/lUghpB2a9wsawMn1Bt688Ah5XS\n")
        .unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: x, path: {}}}}}\n", inputs.path("htpasswd").display());
    let registry = Registry::debian(&auth);
    let name = format!("{}/tools/assay:v1", registry.host());
    let push = ["--push", &name, "--plain-http", &registry.host()];
    let refused = inputs.image(&push).expect_code(2);
    assert!(refused.stdout.is_empty());
    let config = json!({ "auths": { registry.host(): { "auth": "dTpw" } } });
    fs::write(inputs.path("config.json"), config.to_string()).unwrap();
    let _ = inputs.image(&push).expect_code(0);
    let index = copied(&name, &["--src-creds", "u:p"]);
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1));
}

#[test]
fn names_that_cannot_be_pushed_to_are_refused() {
    let inputs = Inputs::new();
    let digest = format!("registry.example.test/assay@sha256:{}", "0".repeat(64));
    for name in ["assay", "assay:v1", "registry.example.test/Assay", &digest] {
        let refused = inputs.image(&["--push", name]).expect_code(2);
        assert!(refused.stdout.is_empty(), "{name}");
    }
    let _ = inputs.image(&[]).expect_code(2);
}
