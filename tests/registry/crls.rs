//! Shows whose CRLs `assay bundle create` fetches, and from where: whoever may push a signature writes the certificates
//! in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use assay_fixtures::archive;
use assay_fixtures::certificate::{Credential, Extension, Name, Profile};
use assay_fixtures::envelope::{Format, Signing};
use assay_fixtures::image::{Image, linux};
use assay_fixtures::keys::Key;
use assay_fixtures::layout::Layout;
use assay_fixtures::revocation_list::RevocationList;
use assay_fixtures::timestamp::Stamp;
use assay_report::bundle::{BundleManifest, Completeness, GapKind};
use assay_tests::http::{Answer, Server};
use assay_tests::program::{Finished, finish};
use assay_tests::registry::answer;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use serde_json::json;
use tempfile::TempDir;

const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// CAs of the stranger, each with a CRL of its own.
const STRANGERS: usize = 3 * limits::UNVERIFIED_CRL_URLS;

/// A registry with an image that its publisher signed, a server of CRLs, and what the CRL of the publisher's CA is.
struct Site {
    folder: TempDir,
    registry: Server,
    crls: Server,
    layout: Arc<Mutex<Layout>>,
    image: Descriptor,
    root: Credential,
}

impl Site {
    /// The publisher's certificate says that its CRL is at what `url` makes of the hosts of registry and CRLs, and the server of
    /// CRLs leads to what `redirect` makes of its own host.
    fn new(url: impl Fn(&str, &str) -> String, redirect: Option<fn(&str) -> String>) -> Self {
        let root = ca(None, "Publisher", "p256-a", None);
        let crl = RevocationList::new(1, time("2026-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
        let crl = crl.sign(&root);
        let mut layout = Layout::new();
        let image = Image::of_text(linux("amd64"), "app", "app").add_to(&mut layout);
        let layout = Arc::new(Mutex::new(layout));

        let (given, host) = (crl.clone(), Arc::new(Mutex::new(String::new())));
        let own = Arc::clone(&host);
        let crls = Server::start(move |request| match redirect {
            Some(to) if request.path == "/crl" => {
                Some(Answer::new(302, "").with("Location", to(&own.lock().unwrap())))
            }
            _ => Some(Answer::new(200, given.clone())),
        });
        host.lock().unwrap().clone_from(&crls.host());
        let (served, target) = (Arc::clone(&layout), image.digest.clone());
        let registry = Server::start(move |request| {
            if request.path == "/crl" {
                return Some(Answer::new(200, crl.clone()));
            }
            Some(answer(&served.lock().unwrap(), &target, 100, request))
        });
        let site = Self { folder: tempfile::tempdir().unwrap(), registry, crls, layout, image, root };
        let signer = signer(&site.root, &url(&site.registry.host(), &site.crls.host()));
        site.sign(&signer);
        let policy = json!({ "version": "1.0", "trustPolicies": [{
            "name": "publisher", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
            "trustStores": ["ca:publisher"], "trustedIdentities": ["*"],
        }] });
        let files = archive::Files::from([
            ("trustpolicy.json".into(), policy.to_string().into_bytes()),
            ("truststore/x509/ca/publisher/root.crt".into(), site.root.pem().into_bytes()),
        ]);
        archive::write_files(&site.path("trust"), &files).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a signature of the image, and gives its digest.
    fn sign(&self, signer: &Credential) -> Digest {
        self.sign_stamped(signer, None)
    }

    fn sign_stamped(&self, signer: &Credential, tsa: Option<&Credential>) -> Digest {
        let at = time("2026-06-01T00:00:00Z");
        let timestamp = tsa.map(|tsa| Stamp::new(tsa, at));
        let signing = Signing { timestamp, ..Signing::new(signer, &self.image, at) };
        let mut layout = self.layout.lock().unwrap();
        let envelope = signing.envelope(Format::Cose);
        layout
            .add_signature(&self.image, Format::Cose, envelope, &signer.chain, "2026-06-01T00:00:00Z")
            .digest
    }

    /// Adds the signature of a stranger whose certificates name many CRLs at the server of CRLs.
    fn sign_as_stranger(&self) -> Digest {
        let url = |at: usize| format!("http://{}/stranger/{at}", self.crls.host());
        let mut issuer = ca(None, "Stranger", "p256-b", None);
        for at in 1..STRANGERS {
            issuer = ca(Some(&issuer), &format!("Stranger {at}"), "p256-b", Some(&url(at)));
        }
        self.sign(&signer(&issuer, &url(0)))
    }

    /// Asserts that CRLs cannot be fetched: a bundle is made only if its gaps are accepted. Gives that bundle.
    #[track_caller]
    fn lacks_crls(&self, more: &[&str]) -> BundleManifest {
        let _ = self.create(more).expect_code(3);
        assert!(!self.path("site").exists());
        let _ = self.create(&[more, &["--allow-gaps"]].concat()).expect_code(3);
        self.document(Completeness::GapsAccepted)
    }

    fn create(&self, more: &[&str]) -> Finished {
        let host = self.registry.host();
        let mut command = Command::new(ASSAY);
        command.args(["bundle", "create", "--retries", "0", "--plain-http", &host]);
        command.args(["--image", &format!("{host}/team/app:v1"), "--out", "site"]).args(more);
        command.current_dir(self.folder.path()).env("DOCKER_CONFIG", "none");
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        finish(&mut command)
    }

    /// The document of the bundle, which is whole but for CRLs where gaps were accepted.
    #[track_caller]
    fn document(&self, completeness: Completeness) -> BundleManifest {
        let document = std::fs::read(self.path("site/bundle.json")).unwrap();
        let document = BundleManifest::parse(&document).unwrap();
        assert_eq!(document.completeness, completeness);
        assert!(document.gaps.iter().all(|gap| gap.kind == GapKind::Crl));
        document
    }

    /// The paths that the server of CRLs was asked for.
    fn asked(&self) -> Vec<String> {
        self.crls.seen().into_iter().map(|request| request.path).collect()
    }
}

fn ca(issuer: Option<&Credential>, name: &str, key: &str, crl: Option<&str>) -> Credential {
    let name = Name::new("CRLs", name);
    let mut profile = Profile::ca(name, 1, time("2024-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
    profile.extensions.extend(crl.map(|url| Extension::crl_distribution_points(&[url])));
    let key = Key::named(key);
    match issuer {
        None => Credential::self_signed(&profile, &key),
        Some(issuer) => issuer.issue(&profile, &key),
    }
}

fn signer(issuer: &Credential, crl: &str) -> Credential {
    let name = Name::new("CRLs", "Signer");
    let profile = Profile::signer(name, 2, time("2024-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
    issuer.issue(&profile.with(Extension::crl_distribution_points(&[crl])), &Key::named("p256-c"))
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

fn at_crls(_: &str, crls: &str) -> String {
    format!("http://{crls}/crl")
}

#[test]
fn under_a_trust_directory_only_trusted_signers_have_their_crls_fetched() {
    let site = Site::new(at_crls, None);
    let stranger = site.sign_as_stranger();
    let _ = site.create(&["--trust", "trust", "--crl-from", "127.0.0.1"]).expect_code(0);
    assert_eq!(site.asked(), ["/crl"]);
    let document = site.document(Completeness::Complete);
    assert_eq!((document.crls.len(), document.images[0].signatures), (1, 2));
    let [gap] = &document.gaps[..] else { panic!("{:?}", document.gaps) };
    assert!(gap.what.contains(stranger.as_str()), "{}", gap.what);
}

/// A timestamp's CRLs count if its authority is trusted, whether or not the signer is.
#[test]
fn under_a_trust_directory_only_trusted_timestamps_have_their_crls_fetched() {
    let site = Site::new(at_crls, None);
    let tsa = |root: &Credential, crl: &str| {
        let name = Name::new("CRLs", "TSA");
        let profile =
            Profile::timestamping(name, 3, time("2024-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
        let url = format!("http://{}/{crl}", site.crls.host());
        root.issue(&profile.with(Extension::crl_distribution_points(&[&url])), &Key::named("rsa2048-a"))
    };
    let roots = ["rsa3072-a", "rsa3072-b"].map(|key| ca(None, "TSA Root", key, None));
    let [trusted, other] = [tsa(&roots[0], "tsa"), tsa(&roots[1], "other-tsa")];
    let publisher = signer(&site.root, &format!("http://{}/crl", site.crls.host()));
    for tsa in [&trusted, &other] {
        let _ = site.sign_stamped(&publisher, Some(tsa));
    }
    let stranger = signer(&ca(None, "Stranger", "p256-b", None), &format!("http://{}/0", site.crls.host()));
    let _ = site.sign_stamped(&stranger, Some(&trusted));
    let path = site.path("trust/trustpolicy.json");
    let policy = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, policy.replace("\"ca:publisher\"", "\"ca:publisher\",\"tsa:publisher\"")).unwrap();
    let files = archive::Files::from([("root.crt".into(), roots[0].pem().into_bytes())]);
    archive::write_files(&site.path("trust/truststore/x509/tsa/publisher"), &files).unwrap();
    let _ = site.create(&["--trust", "trust", "--crl-from", "127.0.0.1"]).expect_code(0);
    let mut asked = site.asked();
    asked.sort();
    assert_eq!(asked, ["/crl", "/tsa"]);
    assert_eq!(site.document(Completeness::Complete).crls.len(), 2);
}

#[test]
fn a_trust_directory_that_cannot_be_used_is_said_before_anything_is_fetched() {
    let site = Site::new(at_crls, None);
    std::fs::write(site.path("trust/trustpolicy.json"), "{}").unwrap();
    for trust in ["trust", "absent"] {
        let _ = site.create(&["--trust", trust]).expect_code(2);
    }
    assert_eq!(site.registry.seen(), []);
}

#[test]
fn without_one_a_few_of_each_signature_are_fetched_and_the_rest_is_named() {
    let site = Site::new(at_crls, None);
    let stranger = site.sign_as_stranger();
    let document = site.lacks_crls(&["--crl-from", "127.0.0.1"]);
    let asked = site.asked();
    assert!(asked.contains(&"/crl".to_owned()));
    assert_eq!(
        asked.len(),
        2 * (1 + limits::UNVERIFIED_CRL_URLS),
        "twice, as two bundles were asked for: {asked:?}"
    );
    assert_eq!(document.images[0].signatures, 2);
    assert!(document.gaps.iter().any(|gap| gap.what.contains(stranger.as_str())));
}

#[test]
fn this_machine_is_asked_only_if_it_is_named() {
    let port = |host: &str| host.rsplit_once(':').unwrap().1.to_owned();
    type Url = fn(&str, &str) -> String;
    let forms: [Url; 7] = [
        at_crls,
        |_, crls| format!("http://localhost:{}/crl", crls.rsplit_once(':').unwrap().1),
        |_, crls| format!("http://a.localhost.:{}/crl", crls.rsplit_once(':').unwrap().1),
        |_, crls| format!("http://0x7f.1:{}/crl", crls.rsplit_once(':').unwrap().1),
        |_, crls| format!("http://0.0.0.0:{}/crl", crls.rsplit_once(':').unwrap().1),
        |_, crls| format!("http://[::ffff:127.0.0.1]:{}/crl", crls.rsplit_once(':').unwrap().1),
        |_, crls| format!("http://user@127.0.0.1:{}/crl", crls.rsplit_once(':').unwrap().1),
    ];
    for (number, url) in forms.into_iter().enumerate() {
        let site = Site::new(url, None);
        for more in [&[][..], &["--trust", "trust"], &["--crl-from", "127.0.0.2"]] {
            let document = site.lacks_crls(more);
            assert_eq!(site.asked(), [""; 0], "{number}");
            assert_eq!((document.crls.len(), document.gaps.len()), (0, 1));
            std::fs::remove_dir_all(site.path("site")).unwrap();
        }
    }
    let site = Site::new(at_crls, None);
    let with_port = format!("127.0.0.1:{}", port(&site.crls.host()));
    let other_port = format!("127.0.0.1:{}", port(&site.registry.host()));
    let _ = site.create(&["--crl-from", &other_port]).expect_code(3);
    let _ = site.create(&["--crl-from", &with_port]).expect_code(0);
    assert_eq!(site.document(Completeness::Complete).crls.len(), 1);
}

#[test]
fn the_registry_itself_may_have_the_crls() {
    let site = Site::new(|registry, _| format!("http://{registry}/crl"), None);
    let _ = site.create(&[]).expect_code(0);
    assert_eq!(site.document(Completeness::Complete).crls.len(), 1);
}

#[test]
fn a_redirect_leads_only_where_the_certificate_might() {
    // to another port of this machine, which the operator did not name
    let elsewhere = Server::start(|_| Some(Answer::new(200, "")));
    let host = elsewhere.host();
    HOST.set(host).unwrap();
    let site = Site::new(at_crls, Some(|_| format!("http://{}/other", HOST.get().unwrap())));
    let named = site.crls.host();
    let _ = site.create(&["--crl-from", &named]).expect_code(3);
    assert_eq!(site.asked(), ["/crl"]);
    assert_eq!(elsewhere.seen(), []);
    // within the host that is named
    let site = Site::new(at_crls, Some(|own| format!("http://{own}/other")));
    let _ = site.create(&["--crl-from", &site.crls.host()]).expect_code(0);
    assert_eq!(site.asked(), ["/crl", "/other"]);
    // This redirect never ends.
    let site = Site::new(at_crls, Some(|_| "/crl".to_owned()));
    let _ = site.create(&["--crl-from", "127.0.0.1"]).expect_code(3);
    assert!(site.asked().len() < 10);
}

/// Where a redirect leads that another server gives.
static HOST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
