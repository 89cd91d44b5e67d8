"""Bytes changed at random, by a fixed seed, in everything that is read: envelopes, certificates, timestamps, CRLs, manifests, policies, stores."""

import json
import os
import random

import cose
import jws
import revocation
import timestamps
from certificates import envelope
from toolkit import MANIFEST_TYPE, ROOT, Layout, Variant, policy

COUNT = int(os.environ.get("MUTATIONS", "6"))  # of each kind


def mutated(data, generator):
    """`data` with one small change."""
    made = bytearray(data)
    at = generator.randrange(len(made))
    match generator.randrange(6):
        case 0:
            made[at] ^= 1 << generator.randrange(8)
        case 1:
            made[at] = generator.randrange(256)
        case 2:
            del made[at]
        case 3:
            made.insert(at, generator.randrange(256))
        case 4:
            end = min(len(made), at + generator.randrange(1, 9))
            made[at:at] = made[at:end]
        case 5:
            made[at] = (made[at] + generator.choice([1, -1])) % 256
    return bytes(made)


def variants():
    trusted = policy(trustStores=["ca:acme", "tsa:clock"])
    plain, tagged = jws.envelope(jws.protected()), cose.envelope()
    revocable = envelope([revocation.LEAF, ROOT])
    listed = revocation.crl(revocation.entry(7, reason=1), revocation.entry(8, invalid="20230101000000Z"), extensions=(revocation.number(5), revocation.freshest(revocation.DELTA)))
    delta = revocation.crl(revocation.entry(9), extensions=(revocation.number(6), revocation.delta_of(5)))
    for number in range(COUNT):
        generator = random.Random(f"assay {number}")
        change = lambda data: mutated(data, generator)
        yield Variant(f"mutation jws {number}", change(plain))
        yield Variant(f"mutation cose {number}", change(tagged), "application/cose")
        yield Variant(f"mutation protected {number}", jws.envelope(change(json.dumps(jws.protected()).encode())))
        yield Variant(f"mutation cose protected {number}", cose.envelope(header_bytes=change(cose.encode(cose.protected()))), "application/cose")
        yield Variant(f"mutation payload {number}", jws.envelope(jws.protected(), payload=change(jws.PAYLOAD)))
        chain = [jws.LEAF, ROOT]
        at = generator.randrange(2)
        chain[at] = change(chain[at])
        yield Variant(f"mutation chain {number}", envelope(chain))
        yield Variant(f"mutation anchor {number}", plain, anchors=(change(ROOT),))
        yield Variant(f"mutation token {number}", timestamps.stamped(lambda message: change(timestamps.token(message))), policy=trusted, stores=timestamps.STORES)
        yield Variant(f"mutation token content {number}", timestamps.stamped(lambda message: signed_content(change(timestamps.info(message)))), policy=trusted, stores=timestamps.STORES)
        yield Variant(f"mutation crl {number}", revocable, crls={"leaf.crl": change(listed), "delta.crl": delta})
        yield Variant(f"mutation delta {number}", revocable, crls={"leaf.crl": listed, "delta.crl": change(delta)})
        yield Variant(f"mutation signed crl {number}", revocable, crls={"leaf.crl": signed_again(listed, change), "delta.crl": delta})
        yield Variant(f"mutation policy {number}", plain, policy=change(json.dumps(policy(["x509.subject:C=US,ST=WA,O=Acme"])).encode()).decode("latin-1"))
        seed = generator.random()
        yield Variant(f"mutation manifest {number}", plain, layout=lambda seed=seed: layout_of(plain, random.Random(seed)))


def signed_content(content):
    return timestamps.signed_data(content, [timestamps.signer_info(content)])


def signed_again(crl, change):
    """The CRL with its content changed and signed again."""
    body, algorithm, _ = revocation_parts(crl)
    body = change(body)
    return revocation.sequence(body, algorithm, revocation.bits(revocation.ROOT_KEY.sign(body, revocation.ec.ECDSA(revocation.hashes.SHA256()))))


def revocation_parts(crl):
    from der import children
    return children(crl)


def layout_of(plain, generator):
    layout = Layout()
    layout.manifests.append(layout.put(mutated(json.dumps(layout.signature_manifest(plain)).encode(), generator), MANIFEST_TYPE))
    return layout
