//! Judges what real tools leave: each copies a signed image and an unsigned one from a registry its own way.
//!
//! A copy is used as a store, with the signatures in a bundle of ours, and as a bundle for a store of ours, if the tool
//! has carried the signature. What is not an OCI layout is refused. What a tool writes anew has another digest, so that
//! no signature names it.

use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::layout::Layout;
use assay_tests::containerd::Containerd;
use assay_tests::packages::{go_program, program};
use assay_tests::program::{finish, verdict};
use assay_tests::published::{AT, GOOD, Published, reference, verify};
use assay_tests::registry::{Registry, oras};
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, Digest, Manifest, media_type};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A tool's way to copy `{image}` to `{out}`, or to an archive of that name, and what comes of it. `{shared}` stands for one
/// layout of both images, `{tag}` for a name that the signed image alone has.
struct Way {
    /// Its commands, one a line.
    commands: &'static str,
    /// The exit code and the verdict on the signed image and on the unsigned one, the copies being the store.
    store: [&'static str; 2],
    /// The exit code of `assay bundle list` on the first, its images, and the signatures of each.
    list: &'static str,
    /// The exit code with the first as the bundle.
    bundle: i32,
}

const PASSED: [&str; 2] = ["0 passed", "1 failed/no-signature"];
/// The tool made the manifest anew.
const ANEW: [&str; 2] = ["1 failed/no-signature", "1 failed/no-signature"];
/// It cannot be read as a store.
const REFUSED: [&str; 2] = ["3 ", "3 "];
/// Both images in one store.
const BOTH: [&str; 2] = ["1 failed/no-signature passed", "1 failed/no-signature passed"];

/// A way of a tool that does not carry signatures.
const fn way(commands: &'static str, store: [&'static str; 2], list: &'static str) -> Way {
    Way { commands, store, list, bundle: 1 }
}

const fn refused(commands: &'static str) -> Way {
    Way { commands, store: REFUSED, list: "2", bundle: 2 }
}

const WAYS: &[Way] = &[
    way("skopeo copy {skopeo} docker://{image} oci:{out}", PASSED, "0: 0"),
    way("skopeo copy {skopeo} docker://{image} oci:{out}:v1", PASSED, "0: 0"),
    way("skopeo copy {skopeo} docker://{image} oci-archive:{out}.tar", PASSED, "0: 0"),
    way("skopeo copy {skopeo} docker://{image} oci-archive:{out}.tar:v1", PASSED, "0: 0"),
    refused("skopeo copy {skopeo} docker://{image} dir:{out}"),
    refused("skopeo copy {skopeo} docker://{image} docker-archive:{out}.tar:{image}"),
    way("crane pull --insecure --format=oci {image} {out}", PASSED, "0: 0"),
    way("crane pull --insecure --format=oci --annotate-ref {image} {out}", PASSED, "0: 0"),
    refused("crane pull --insecure --format=tarball {image} {out}.tar"),
    refused("crane pull --insecure --format=legacy {image} {out}.tar"),
    way("crane-old pull --insecure --format=oci {image} {out}", PASSED, "0: 0"),
    way("crane-old pull --insecure --format=oci --annotate-ref {image} {out}", PASSED, "0: 0"),
    refused("crane-old pull --insecure --format=tarball {image} {out}.tar"),
    refused("crane-old pull --insecure --format=legacy {image} {out}.tar"),
    way("oras cp --from-plain-http {image} --to-oci-layout {out}:v1", PASSED, "0: 0"),
    way("oras cp --from-plain-http {image} --to-oci-layout {out}", PASSED, "0: 0"),
    Way {
        commands: "oras cp -r --from-plain-http {image} --to-oci-layout {out}:v1",
        store: PASSED,
        list: "0: 1",
        bundle: 0,
    },
    Way {
        commands: "oras cp -r --from-plain-http {image} --to-oci-layout {out}",
        store: PASSED,
        list: "0: 1",
        bundle: 0,
    },
    Way {
        commands: "oras backup --plain-http --include-referrers --output {out}.tar {image}",
        store: PASSED,
        list: "0: 1",
        bundle: 0,
    },
    way("regctl {regctl} image export {image} {out}.tar", PASSED, "0: 0"),
    way("regctl {regctl} image copy {image} ocidir://{out}:v1", PASSED, "0: 0"),
    way("regctl {regctl} image copy {image} ocidir://{out}", PASSED, "0: 0"),
    Way {
        commands: "regctl {regctl} image copy --referrers --digest-tags {image} ocidir://{out}:v1",
        store: PASSED,
        list: "0: 1",
        bundle: 0,
    },
    way(
        "podman {storage} pull --tls-verify=false {image}\npodman {storage} save --format oci-archive -o {out}.tar {image}",
        ANEW,
        "0: 0",
    ),
    way(
        "podman {storage} pull --tls-verify=false {image}\npodman {storage} save --format oci-dir -o {out} {image}",
        ANEW,
        "0: 0",
    ),
    refused(
        "podman {storage} pull --tls-verify=false {image}\npodman {storage} save --format docker-archive -o {out}.tar {image}",
    ),
    refused(
        "podman {storage} pull --tls-verify=false {image}\npodman {storage} save --format docker-dir -o {out} {image}",
    ),
    way(
        "buildah {storage} pull --tls-verify=false {image}\nbuildah {storage} push {image} oci:{out}:v1",
        ANEW,
        "0: 0",
    ),
    way(
        "buildah {storage} pull --tls-verify=false {image}\nbuildah {storage} push {image} oci-archive:{out}.tar",
        ANEW,
        "0: 0",
    ),
    way(
        "skopeo copy {skopeo} docker://{image} oci:{out}:v1\numoci tag --image {out}:v1 v2\numoci gc --layout {out}",
        PASSED,
        "0: 0,0",
    ),
    way("ctr images pull --plain-http {image}\nctr images export {out}.tar {image}", PASSED, "0: 0"),
    way("skopeo copy {skopeo} docker://{image} oci:{shared}{tag}", BOTH, "0: 0,0"),
    way("skopeo copy {skopeo} docker://{image} oci:{shared}:{name}", BOTH, "0: 0,0"),
    way("crane pull --insecure --format=oci {image} {shared}", BOTH, "0: 0,0"),
    way("crane-old pull --insecure --format=oci {image} {shared}", BOTH, "0: 0,0"),
    Way {
        commands: "oras cp -r --from-plain-http {image} --to-oci-layout {shared}{tag}",
        store: BOTH,
        list: "0: 0,1",
        bundle: 0,
    },
    Way {
        commands: "regctl {regctl} image copy --referrers --digest-tags {image} ocidir://{shared}:{name}",
        store: BOTH,
        list: "0: 0,1",
        bundle: 0,
    },
    way(
        "buildah {storage} pull --tls-verify=false {image}\nbuildah {storage} push {image} oci:{shared}:{name}",
        ["1 failed/no-signature failed/no-signature"; 2],
        "0: 0,0",
    ),
];

/// Ways to copy what cosign has signed as well: its signature, `{companion}`, is not an image, whatever it is called.
const COSIGNED: &[Way] = &[
    way(
        "skopeo copy {skopeo} docker://{image} oci:{out}:v1\nskopeo copy {skopeo} docker://{companion} oci:{out}:{signature}",
        PASSED,
        "0: 0",
    ),
    way(
        "skopeo copy {skopeo} docker://{image} oci:{out}\nskopeo copy {skopeo} docker://{companion} oci:{out}",
        PASSED,
        "0: 0",
    ),
    way("crane pull --insecure --format=oci {image} {companion} {out}", PASSED, "0: 0"),
    way("crane pull --insecure --format=oci --annotate-ref {image} {companion} {out}", PASSED, "0: 0"),
    way("crane-old pull --insecure --format=oci {image} {companion} {out}", PASSED, "0: 0"),
    Way {
        commands: "regctl {regctl} image copy --referrers --digest-tags {image} ocidir://{out}:v1",
        store: PASSED,
        list: "0: 1",
        bundle: 0,
    },
    way("cosign save {cosign} --dir {out} {image}", PASSED, "0: 0"),
];

/// Options of cosign that hold for a registry without TLS.
const COSIGN: &str = "--allow-insecure-registry --allow-http-registry";

const IMAGES: [&str; 2] = ["signed", "unsigned"];

/// A registry with a signed image and an unsigned one, and what copies of them are verified by.
struct Site {
    published: Published,
    /// The images, in the order of their names.
    images: [Descriptor; 2],
    registry: Registry,
    containerd: Containerd,
}

impl Site {
    fn new() -> Self {
        let mut published = Published::new(AGENT);
        let images = [published.image(IMAGES[0], &[GOOD]), published.image(IMAGES[1], &[])];
        published.write();
        published.images.write(&published.path("store")).unwrap();
        let registry = Registry::debian("");
        let site = Self { published, images, registry, containerd: Containerd::start() };
        site.fill();
        site
    }

    /// Puts the images into the registry, and the signature, under the fallback tag, which is all that this registry knows.
    fn fill(&self) {
        let mut layout = Layout::new();
        for (image, name) in self.images.iter().zip(IMAGES) {
            layout.copy(&self.published.images, image, |_| true);
            layout.name(image, &format!("{name}:{name}"));
        }
        let bundle = &self.published.bundle;
        let is_signature = |digest: &Digest| {
            Manifest::parse(bundle.blob(digest)).is_ok_and(|manifest| manifest.subject.is_some())
        };
        let digest = bundle.digests().into_iter().find(is_signature).unwrap();
        let size = bundle.blob(&digest).len() as u64;
        let mut signature = Descriptor::new(media_type::OCI_MANIFEST, digest, size);
        signature.artifact_type = Some(notary::media_type::SIGNATURE.to_owned());
        layout.copy(bundle, &signature, |_| true);
        let listing = layout.add_index(false, &[signature]);
        let fallback = format!("sha256-{}", self.images[0].digest.hex());
        layout.name(&listing, &format!("signed:{fallback}"));
        let from = self.published.path("pushed");
        layout.write(&from).unwrap();
        for (repository, from_tag, tag) in
            [("signed", "signed", "v1"), ("unsigned", "unsigned", "v1"), ("signed", &fallback, &fallback)]
        {
            let mut skopeo = Command::new(program("skopeo", "skopeo"));
            skopeo.args(["copy", "--all", "--insecure-policy", "--dest-tls-verify=false"]);
            skopeo.arg(format!("oci:{}:{from_tag}", from.display()));
            skopeo.arg(format!("docker://{}/team/{repository}:{tag}", self.registry.host()));
            let _ = finish(&mut skopeo).expect_code(0);
        }
    }

    /// Signs both images with cosign, which puts its signatures under tags.
    fn cosign(&self, cosign: &Path) {
        let run = |arguments: &str| {
            let mut command = Command::new(cosign);
            command
                .args(arguments.split_whitespace())
                .env("COSIGN_PASSWORD", "")
                .env("HOME", self.published.path("home"));
            let _ = finish(command.current_dir(self.published.path("trust/.."))).expect_code(0);
        };
        run("generate-key-pair");
        for (image, name) in self.images.iter().zip(IMAGES) {
            let image = format!("{}/team/{name}@{}", self.registry.host(), image.digest);
            run(&format!("sign --yes --key cosign.key --tlog-upload=false {COSIGN} {image}"));
        }
    }

    /// Copies one image, and gives where it is now; `None` if the tool is not there.
    fn copied(&self, way: &Way, number: usize, image: &str, digest: &Digest) -> Option<PathBuf> {
        let out = self.published.path(&format!("{number}-{image}"));
        let shared = self.published.path(&format!("{number}-shared"));
        let storage = self.published.path(&format!("storage-{number}-{image}"));
        let repository = format!("{}/team/{image}", self.registry.host());
        let signature = format!("sha256-{}.sig", digest.hex());
        for line in way.commands.lines() {
            let line = line
                .replace("{image}", &format!("{repository}:v1"))
                .replace("{companion}", &format!("{repository}:{signature}"))
                .replace("{signature}", &signature)
                .replace("{name}", image)
                .replace("{tag}", if image == IMAGES[0] { ":v1" } else { "" })
                .replace("{out}", out.to_str().unwrap())
                .replace("{shared}", shared.to_str().unwrap())
                .replace("{cosign}", COSIGN)
                .replace("{skopeo}", "--insecure-policy --src-tls-verify=false")
                .replace("{regctl}", &format!("--host reg={},tls=disabled", self.registry.host()))
                .replace(
                    "{storage}",
                    &format!("--root {0} --runroot {0}-run --storage-driver vfs", storage.display()),
                );
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            let found = match name {
                "ctr" => {
                    let _ = self.containerd.ctr(words).expect_code(0);
                    continue;
                }
                "crane" => go_program("CRANE", "crane-0.22"),
                "crane-old" => go_program("CRANE_OLD", "crane-0.21"),
                "regctl" => go_program("REGCTL", "regctl"),
                "oras" => oras(),
                "cosign" => cosign(),
                _ => Some(program(name, name)),
            };
            let mut command = Command::new(found?);
            command.args(words).env("HOME", self.published.path("home"));
            let done = finish(&mut command);
            assert_eq!(done.code, Some(0), "{line}: {}{}", done.text(), done.stderr);
        }
        [out.with_extension("tar"), out, shared].into_iter().find(|path| path.exists())
    }

    /// What is wrong with what comes of a way; `None` if the tool is not there.
    fn misfits(&self, number: usize, way: &Way) -> Option<String> {
        let copied = |at: usize| self.copied(way, number, IMAGES[at], &self.images[at].digest);
        let copies = [copied(0)?, copied(1)?];
        let judged = copies.each_ref().map(|copy| {
            let done = self.published.verify(&format!("layout:{}", copy.display()), &[]);
            let code = done.code.unwrap_or(-1);
            let mut verdicts: Vec<String> = done.report().images.iter().map(verdict).collect();
            verdicts.sort();
            format!("{code} {}", verdicts.join(" "))
        });
        let list = finish(Command::new(ASSAY).args(["bundle", "list", "--format", "json"]).arg(&copies[0]));
        let code = list.code.unwrap_or(-1);
        let listed = match serde_json::from_slice::<serde_json::Value>(&list.stdout) {
            Err(_) => code.to_string(),
            Ok(bundles) => {
                let images = bundles[0]["images"].as_array().unwrap().iter();
                let counts = images.map(|image| image["signatures"].as_array().unwrap().len().to_string());
                let mut counts: Vec<String> = counts.collect();
                counts.sort();
                format!("{code}: {}", counts.join(","))
            }
        };
        let store = format!("layout:{}", self.published.path("store").display());
        let name = reference(IMAGES[0]);
        let more = ["--at", AT, "--image", &name];
        let bundle = verify(Path::new(AGENT), &store, &self.published.path("trust"), &copies[0], &more).code;
        let found = (judged.each_ref().map(String::as_str), listed.as_str(), bundle);
        let expected = (way.store, way.list, Some(way.bundle));
        Some(if found == expected { String::new() } else { format!("{}\n  {found:?}\n", way.commands) })
    }
}

/// Version 2: the next one makes no tags.
fn cosign() -> Option<PathBuf> {
    go_program("COSIGN", "cosign-2")
}

fn judge(site: &Site, ways: &[Way], least: usize) {
    let misfits: Vec<String> =
        ways.iter().enumerate().filter_map(|(at, way)| site.misfits(at, way)).collect();
    assert!(misfits.len() >= least, "of {} ways only {} were tried", ways.len(), misfits.len());
    assert!(misfits.iter().all(String::is_empty), "otherwise than expected:\n{}", misfits.concat());
}

#[test]
fn what_real_tools_leave_is_judged_or_refused() {
    // those of Debian's tools
    judge(&Site::new(), WAYS, 15);
}

#[test]
fn what_cosign_adds_is_not_an_image() {
    let Some(cosign) = cosign() else { return };
    let site = Site::new();
    site.cosign(&cosign);
    judge(&site, COSIGNED, 3);
}
