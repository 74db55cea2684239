import rsa
from rsa import common, pkcs1, transform

# A fixed key of two Mersenne primes.
P, Q, E = (1 << 521) - 1, (1 << 607) - 1, 65537
N = P * Q
D = common.inverse(E, (P - 1) * (Q - 1))


def main(args, context):
    private, public = rsa.PrivateKey(N, E, D, P, Q), rsa.PublicKey(N, E)
    signature = rsa.sign(b"message", private, "SHA-256")
    errors = []
    for action in (lambda: rsa.verify(b"other", signature, public), lambda: rsa.decrypt(b"\x01" * 141, private), lambda: rsa.encrypt(b"x" * 200, public)):
        try:
            action()
        except (pkcs1.CryptoError, OverflowError, ValueError) as error:
            errors.append(str(error))
    saved = private.save_pkcs1()
    (one, two) = rsa.newkeys(256, accurate=True)
    return [
        signature.hex()[:40], rsa.verify(b"message", signature, public), rsa.find_signature_hash(signature, public), rsa.decrypt(rsa.encrypt("geheim ü".encode(), public), private).decode(), errors,
        len(saved), rsa.PrivateKey.load_pkcs1(saved) == private, rsa.PublicKey.load_pkcs1(public.save_pkcs1("DER"), "DER") == public, rsa.compute_hash(b"x", "SHA-1").hex(),
        transform.bytes2int(b"\x01\x00"), transform.int2bytes(258).hex(), one.n.bit_length(), two.n == one.n,
    ]
