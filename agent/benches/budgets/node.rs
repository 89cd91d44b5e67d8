//! A node of many signed images: COSE, RSA-3072, chains of three certificates, a timestamp, CRLs. The agent over all of them,
//! beside `notation verify` over some of the same layout, one call an image as a script would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use assay_fixtures::archive::{self, Files};
use assay_fixtures::certificate::{Credential, Extension, Name, Profile, pem};
use assay_fixtures::envelope::{Format, Signing};
use assay_fixtures::image::{Image, linux};
use assay_fixtures::keys::Key;
use assay_fixtures::layout::Layout;
use assay_fixtures::revocation_list::{KEY_COMPROMISE, RevocationList, reason};
use assay_fixtures::timestamp::Stamp;
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use serde_json::json;

use crate::measure::{self, Cost};
use crate::table::{Table, mebibytes};

const ROOT_CRL: &str = "http://crl.example.test/root.crl";
const CA_CRL: &str = "http://crl.example.test/ca.crl";
const CREATED: &str = "2024-06-01T00:00:00Z";

/// How many images notation is asked about; a node's worth would take minutes.
const SAMPLE: usize = 20;

/// And where a single call takes seconds.
const SMALL_SAMPLE: usize = 5;

pub(crate) fn measure(agent: &Path, work: &Path, table: &mut Table) {
    let counts = std::env::var("BUDGET_IMAGES").unwrap_or_else(|_| "10,100,1000,10000".to_owned());
    let counts: Vec<usize> =
        counts.split(',').map(|count| count.parse().expect("BUDGET_IMAGES are numbers")).collect();
    let notation = notation();
    let site = Site::new();
    let mut costs: Vec<(usize, Cost)> = Vec::new();
    for &count in &counts {
        let folder = work.join(format!("node-{count}"));
        let targets = site.write(&folder, count);
        let mut command = Command::new(agent);
        command.arg("verify").arg("--store").arg(format!("layout:{}", folder.join("layout").display()));
        command.arg("--trust").arg(folder.join("config/notation")).args(["--content", "metadata"]);
        let runs = if count > 1_000 { 2 } else { 5 };
        let cost = measure::best(runs, &command);
        costs.push((count, cost));
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        table.plain(&format!("{count} images, CPU time an image"), each(cost.cpu), "us");
        table.plain(&format!("{count} images, by the clock"), cost.wall.as_secs_f64() * 1e3, "ms");
        let peak = mebibytes(cost.peak);
        if count == 1_000 {
            table.at_most(&format!("{count} images, peak memory"), peak, 32.0, "MiB");
        } else {
            table.plain(&format!("{count} images, peak memory"), peak, "MiB");
        }
        match &notation {
            None => {
                table.not_run(&format!("{count} images, against notation"), "no notation; NOTATION names it");
            }
            Some(notation) => against(notation, &folder, &targets, cost, table),
        }
    }
    let of = |count: usize| costs.iter().find(|(of, _)| *of == count).map(|(_, cost)| cost.cpu.as_secs_f64());
    if let (Some(few), Some(many)) = (of(100), of(10_000)) {
        table.plain("10,000 images against 100, CPU time an image", many / few / 100.0, "x");
        // 1 is linear, 2 quadratic
        let exponent = (many / few).log(100.0);
        table.at_most("growth from 100 to 10,000 images, exponent", exponent, 1.1, "");
    }
}

/// Asks notation about some of the images, and compares its time an image with the agent's.
fn against(notation: &Path, folder: &Path, targets: &[Digest], cost: Cost, table: &mut Table) {
    let wanted = if targets.len() > 1_000 { SMALL_SAMPLE } else { SAMPLE };
    let sample: Vec<&Digest> = targets.iter().step_by(targets.len().div_ceil(wanted)).collect();
    let mut sum = (Duration::ZERO, Duration::ZERO);
    for target in &sample {
        let mut command = Command::new(notation);
        command
            .arg("verify")
            .arg("--oci-layout")
            .arg(format!("{}@{target}", folder.join("layout").display()));
        command.args(["--scope", "registry.example.test/team/app"]).env("NOTATION_EXPERIMENTAL", "1");
        command.env("XDG_CONFIG_HOME", folder.join("config")).env("XDG_CACHE_HOME", folder.join("cache"));
        let cost = measure::run(&command);
        sum = (sum.0 + cost.wall, sum.1 + cost.cpu);
    }
    let each = |time: Duration, count: usize| time.as_secs_f64() * 1e3 / count as f64;
    let count = targets.len();
    table.plain(&format!("{count} images, notation by the clock, an image"), each(sum.0, sample.len()), "ms");
    let wall = each(sum.0, sample.len()) / each(cost.wall, count);
    let cpu = each(sum.1, sample.len()) / each(cost.cpu, count);
    if count == 1_000 {
        table.at_least(&format!("{count} images, faster than notation by the clock"), wall, 50.0, "x");
    } else {
        table.plain(&format!("{count} images, faster than notation by the clock"), wall, "x");
    }
    table.plain(&format!("{count} images, less CPU time than notation"), cpu, "x");
}

fn notation() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("NOTATION") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("notation")).find(|file| file.is_file())
}

/// Who signs and who stamps. The certificates are valid for decades: notation judges by the machine's clock.
struct Site {
    root: Credential,
    ca: Credential,
    signer: Credential,
    tsa_root: Credential,
    tsa: Credential,
}

impl Site {
    fn new() -> Self {
        let (from, to) = (time("2020-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
        let name = |role: &str| Name::new("Many Images", role);
        let root = Credential::self_signed(&Profile::ca(name("Root"), 1, from, to), &Key::named("rsa3072-a"));
        let ca = Profile::ca(name("CA"), 2, from, to).with(Extension::crl_distribution_points(&[ROOT_CRL]));
        let ca = root.issue(&ca, &Key::named("rsa3072-b"));
        let signer =
            Profile::signer(name("Signer"), 3, from, to).with(Extension::crl_distribution_points(&[CA_CRL]));
        let signer = ca.issue(&signer, &Key::named("rsa3072-c"));
        let tsa_root =
            Credential::self_signed(&Profile::ca(name("TSA Root"), 1, from, to), &Key::named("rsa4096-a"));
        let tsa_ca = tsa_root.issue(&Profile::ca(name("TSA CA"), 2, from, to), &Key::named("rsa3072-d"));
        let tsa = tsa_ca.issue(&Profile::timestamping(name("TSA"), 3, from, to), &Key::named("rsa2048-a"));
        Self { root, ca, signer, tsa_root, tsa }
    }

    /// Writes the layout of so many images, and what notation needs beside it, and gives the images' digests. What a run
    /// before this one has written whole is taken as it is.
    fn write(&self, folder: &Path, count: usize) -> Vec<Digest> {
        let list = folder.join("targets");
        if let Ok(text) = fs::read_to_string(&list) {
            return text.lines().filter_map(|line| line.parse().ok()).collect();
        }
        println!("signing {count} images");
        let mut layout = Layout::new();
        let targets: Vec<Descriptor> = (0..count)
            .map(|number| {
                let mut image = Image::of_text(linux("amd64"), "app", "many");
                // Another config makes another image. All of them share one layer.
                image.entrypoint = format!("/app{number}");
                let target = image.add_to(&mut layout);
                layout.name(&target, &format!("registry.example.test/team/app:v{number}"));
                target
            })
            .collect();
        for (target, envelope) in targets.iter().zip(self.envelopes(&targets)) {
            let signature = layout.add_signature(target, Format::Cose, envelope, &self.signer.chain, CREATED);
            layout.list(signature);
        }
        layout.write(&folder.join("layout")).expect("scratch folder");
        archive::write_files(&folder.join("config/notation"), &self.trust()).expect("scratch folder");
        let cache = folder.join("cache/notation/crl");
        fs::create_dir_all(&cache).expect("scratch folder");
        for (url, crl) in [(ROOT_CRL, crl(&self.root)), (CA_CRL, crl(&self.ca))] {
            let entry = json!({ "baseCRL": base64(&crl) }).to_string();
            fs::write(cache.join(Digest::sha256(url.as_bytes()).hex()), entry).expect("scratch folder");
        }
        let digests: Vec<Digest> = targets.into_iter().map(|target| target.digest).collect();
        let text: Vec<&str> = digests.iter().map(Digest::as_str).collect();
        fs::write(list, text.join("\n")).expect("scratch folder");
        digests
    }

    /// An envelope for each target, signed on all cores.
    fn envelopes(&self, targets: &[Descriptor]) -> Vec<Vec<u8>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let sign = |target: &Descriptor| {
            let mut signing = Signing::new(&self.signer, target, time(CREATED));
            signing.timestamp = Some(Stamp::new(&self.tsa, time("2024-06-01T00:00:10Z")));
            signing.cose()
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = targets
                .chunks(targets.len().div_ceil(cores))
                .map(|part| scope.spawn(move || part.iter().map(sign).collect::<Vec<_>>()))
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("signing does not fail")).collect()
        })
    }

    /// A trust directory, which is notation's configuration too.
    fn trust(&self) -> Files {
        let policy = json!({
            "version": "1.0",
            "trustPolicies": [{
                "name": "many",
                "registryScopes": ["*"],
                "signatureVerification": { "level": "strict" },
                "trustStores": ["ca:many", "tsa:many"],
                "trustedIdentities": [self.signer.subject.identity()],
            }],
        });
        Files::from([
            ("trustpolicy.json".into(), policy.to_string().into_bytes()),
            ("truststore/x509/ca/many/root.crt".into(), self.root.pem().into_bytes()),
            ("truststore/x509/tsa/many/root.crt".into(), self.tsa_root.pem().into_bytes()),
            ("crls/root.crl".into(), crl(&self.root)),
            ("crls/ca.crl".into(), crl(&self.ca)),
        ])
    }
}

/// A list of a hundred revoked certificates, none of them in use.
fn crl(issuer: &Credential) -> Vec<u8> {
    let (this, next) = (time("2024-02-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
    let since = time("2024-03-01T00:00:00Z");
    (1_000..1_100)
        .fold(RevocationList::new(5, this, next), |list, serial| {
            list.listing(serial, since, &[reason(KEY_COMPROMISE)])
        })
        .sign(issuer)
}

fn base64(bytes: &[u8]) -> String {
    pem("X509 CRL", bytes).lines().filter(|line| !line.starts_with('-')).collect()
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).expect("constant times are RFC 3339")
}
