import datetime

from asn1crypto import core, pem, x509, keys


class Point(core.Sequence):
    _fields = [("x", core.Integer), ("y", core.Integer), ("name", core.UTF8String, {"optional": True, "explicit": 0})]


def certificate():
    name = x509.Name.build({"common_name": "example.org", "organization_name": "Örg", "country_name": "DE"})
    key = keys.PublicKeyInfo.wrap(keys.RSAPublicKey({"modulus": 3233 << 1024 | 1, "public_exponent": 65537}), "rsa")
    until = datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc)
    body = x509.TbsCertificate({
        "version": "v3", "serial_number": 17, "signature": {"algorithm": "sha256_rsa"}, "issuer": name, "subject": name,
        "validity": {"not_before": x509.Time({"utc_time": until}), "not_after": x509.Time({"utc_time": until})},
        "subject_public_key_info": key,
        "extensions": [{"extn_id": "subject_alt_name", "critical": False, "extn_value": [x509.GeneralName("dns_name", "a.example.org")]}],
    })  # fmt: skip
    return x509.Certificate({"tbs_certificate": body, "signature_algorithm": {"algorithm": "sha256_rsa"}, "signature_value": b"\x01\x02"})


def main(args, context):
    text = pem.armor("CERTIFICATE", certificate().dump()).decode()
    kind, _, der = pem.unarmor(text.encode())
    loaded = x509.Certificate.load(der)
    try:
        Point.load(b"\x30\x03\x02\x05\x01").native
        refused = ""
    except ValueError as error:
        refused = str(error).splitlines()[0]
    return [
        kind, len(text), loaded.subject.native, loaded.serial_number, loaded.valid_domains, loaded.sha256_fingerprint,
        loaded.not_valid_after.isoformat(), loaded.public_key.bit_size, Point({"x": 1, "y": -2, "name": "é"}).dump().hex(),
        dict(Point.load(Point({"x": 1 << 80, "y": 0}).dump()).native), core.ObjectIdentifier("1.2.840.113549").dump().hex(), refused,
    ]
