"""DER by hand, so that any part of a certificate, CRL, timestamp or OCSP response can be wrong."""

import datetime


def tlv(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *sorted(parts))


def integer(number):
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def enumerated(number):
    return tlv(0x0A, bytes([number]))


def octets(content):
    return tlv(4, content)


def bits(content, unused=0):
    return tlv(3, bytes([unused]), content)


def boolean(value):
    return tlv(1, b"\xff" if value else b"\0")


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for number in [40 * first + second, *rest]:
        groups = [number & 127]
        while number := number >> 7:
            groups.append(128 | number & 127)
        content += bytes(reversed(groups))
    return tlv(6, content)


def context(number, *parts, constructed=True):
    return tlv(0x80 | (0x20 if constructed else 0) | number, *parts)


def utc(text):
    return tlv(0x17, text.encode())


def general(text):
    return tlv(0x18, text.encode())


def time(when):
    """A time as certificates and CRLs have it; text is taken as GeneralizedTime, as it stands."""
    if isinstance(when, str):
        return general(when)
    if isinstance(when, bytes):
        return when
    return utc(when.strftime("%y%m%d%H%M%SZ")) if 1950 <= when.year < 2050 else general(when.strftime("%Y%m%d%H%M%SZ"))


def extension(dotted, value, critical=False):
    return sequence(oid(dotted), *([boolean(True)] if critical else []), octets(value))


def url_point(*urls, **members):
    """A DistributionPoint of URLs; `members` are more parts by the number of their tag, as `n1=bytes`."""
    names = b"".join(context(6, one.encode(), constructed=False) for one in urls)
    more = [context(int(name[1:]), value) for name, value in members.items()]
    return sequence(context(0, context(0, names)), *more)


NULL = tlv(5)
SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"))
SHA384 = sequence(oid("2.16.840.1.101.3.4.2.2"))
SHA1 = sequence(oid("1.3.14.3.2.26"))
ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
YEAR = datetime.datetime


def children(der):
    """The encodings that stand within a constructed one."""
    def header(at):
        length, start = der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(der[start:start + count], "big"), start + count
        return start, start + length

    at, end = header(0)
    made = []
    while at < end:
        _, after = header(at)
        made.append(der[at:after])
        at = after
    return made
