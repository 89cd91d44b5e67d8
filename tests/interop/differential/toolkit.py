"""What every set of variants needs: keys and certificates made on the spot, an image, its signature, a trust policy."""

import base64
import dataclasses
import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from der import bits, children, sequence

NOTARY = "io.cncf.notary."
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
REPOSITORY = "registry.example.test/team/app"
NOT_BEFORE, NOT_AFTER = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)

IMAGE = json.dumps({
    "schemaVersion": 2,
    "mediaType": MANIFEST_TYPE,
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
               "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(), "size": 2},
    "layers": [],
}).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


TARGET = {"mediaType": MANIFEST_TYPE, "digest": digest(IMAGE), "size": len(IMAGE)}
PAYLOAD = json.dumps({"targetArtifact": TARGET}).encode()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64std(data):
    return base64.b64encode(data).decode()


# --- certificates ---

def name(*rdns):
    """A name of RDNs, each a list of (type, value) or (type, value, ASN.1 type)."""
    return x509.Name([
        x509.RelativeDistinguishedName([
            x509.NameAttribute(one[0], one[1], _type=one[2]) if len(one) > 2 else x509.NameAttribute(one[0], one[1])
            for one in rdn
        ])
        for rdn in rdns
    ])


COUNTRY = (NameOID.COUNTRY_NAME, "US")
STATE = (NameOID.STATE_OR_PROVINCE_NAME, "WA")
ORGANIZATION = (NameOID.ORGANIZATION_NAME, "Acme")


def common(text):
    return (NameOID.COMMON_NAME, text)


def key_usage(*bits):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{one: one in bits for one in names})


CA = [(x509.BasicConstraints(True, None), True), (key_usage("key_cert_sign", "crl_sign"), True)]
SIGNER_USAGE = (key_usage("digital_signature"), True)
CODE_SIGNING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)


def raw(oid, value, critical):
    """An extension whose content is given as bytes or hex."""
    value = bytes.fromhex(value) if isinstance(value, str) else value
    return (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical)


def certificate(subject, issuer, key, signer, extensions, hash_algorithm=hashes.SHA256(), pss=None):
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(NOT_BEFORE).not_valid_after(NOT_AFTER))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    made = builder.sign(signer, hash_algorithm, rsa_padding=pss) if pss else builder.sign(signer, hash_algorithm)
    return made.public_bytes(serialization.Encoding.DER)


def signed_again(der, key, algorithm, hash_algorithm=None, inner=None, change=None):
    """A certificate with another signature: `algorithm` is the DER of its identifier, `change` alters the list of the
    parts that are signed."""
    parts = children(children(der)[0])
    parts[2] = inner or algorithm
    body = sequence(*(change(parts) if change else parts))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(body, padding.PKCS1v15(), hash_algorithm)
    elif hash_algorithm:
        signature = key.sign(body, ec.ECDSA(hash_algorithm))
    else:
        signature = key.sign(body)
    return sequence(body, algorithm, bits(signature))


ROOT_NAME = name([COUNTRY], [STATE], [ORGANIZATION], [common("Root")])
LEAF_NAME = name([COUNTRY], [STATE], [ORGANIZATION], [common("Leaf")])
ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
LEAF_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA)
LEAF = certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, [SIGNER_USAGE, CODE_SIGNING])


# --- signatures ---

def sign(message, algorithm="ES256", key=LEAF_KEY):
    """A signature as JWS and COSE have it: r and s side by side, or PSS with a salt of the hash's length."""
    hash_algorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PSS(padding.MGF1(hash_algorithm), hash_algorithm.digest_size), hash_algorithm)
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hash_algorithm)))
    length = (key.curve.key_size + 7) // 8
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def policy(identities=("*",), **statement):
    """A trust policy of one strict statement for every repository, members of which may be given."""
    members = {
        "name": "images",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:acme"],
        "trustedIdentities": list(identities),
    }
    members.update(statement)
    return {"version": "1.0", "trustPolicies": [members]}


class Link(str):
    """A symbolic link to this place."""


class Layout:
    """An image layout in the making: blobs by digest, the entries of its index, and what else stands in its folder."""

    def __init__(self, image=IMAGE, media_type=MANIFEST_TYPE, repository=REPOSITORY):
        self.blobs, self.files = {}, {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.repository = repository
        self.target = self.put(image, media_type)
        annotations = {"io.containerd.image.name": f"{repository}:v1", "org.opencontainers.image.ref.name": "v1"}
        self.manifests = [dict(self.target, annotations=annotations)]
        self.put(b"{}", "application/vnd.oci.image.config.v1+json")

    def put(self, data, media_type, **members):
        """Stores a blob and returns its descriptor."""
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **members}

    def signature_manifest(self, envelope, media_type="application/jose+json", subject=None, **members):
        """The members of a signature manifest as notation writes it, with changes; a member that is None is left out."""
        made = {
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.cncf.notary.signature", "digest": digest(b"{}"), "size": 2},
            "layers": [self.put(envelope, media_type)], "subject": subject or self.target, **members,
        }
        return {key: value for key, value in made.items() if value is not None}

    def sign(self, envelope, media_type="application/jose+json", **members):
        """Adds a signature of the image."""
        manifest = json.dumps(self.signature_manifest(envelope, media_type, **members)).encode()
        self.manifests.append(self.put(manifest, MANIFEST_TYPE))

    def write(self, folder):
        index = {"schemaVersion": 2, "manifests": self.manifests}
        files = {"index.json": json.dumps(index).encode(), **self.files}
        files |= {f"blobs/{name.replace(':', '/')}": data for name, data in self.blobs.items()}
        write_files(folder, files)


def write_files(folder, files):
    """Writes files by path: bytes, a Link, or None for an empty folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        elif isinstance(data, Link):
            path.symlink_to(data)
        else:
            path.write_bytes(data)


@dataclasses.dataclass
class Variant:
    """One question to both verifiers."""

    label: str
    envelope: bytes
    media_type: str = "application/jose+json"
    policy: object = dataclasses.field(default_factory=policy)  # text, or what becomes JSON
    anchors: tuple = (ROOT,)
    stores: dict = dataclasses.field(default_factory=dict)  # more files of the trust store, by path below x509/
    crls: dict = dataclasses.field(default_factory=dict)  # the CRLs that there are, by the last part of their URL
    layout: object = None  # makes another layout than one of the image and this signature

    def files(self):
        """The trust directory, without CRLs."""
        made = {f"truststore/x509/ca/acme/{at}.crt": anchor for at, anchor in enumerate(self.anchors)}
        made |= {f"truststore/x509/{name}": data for name, data in self.stores.items()}
        text = self.policy if isinstance(self.policy, str) else json.dumps(self.policy)
        return {**made, "trustpolicy.json": text.encode()}

    def image(self):
        """The layout."""
        if self.layout:
            return self.layout()
        layout = Layout()
        layout.sign(self.envelope, self.media_type)
        return layout
