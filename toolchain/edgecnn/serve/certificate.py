"""A self-signed certificate for one run of ``edgecnn serve --https``."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography import x509

_DAYS: Final = 30


@dataclass(frozen=True, kw_only=True)
class SelfSigned:
    """A server's side of TLS, with a certificate that nobody but itself vouches for.

    Attributes:
        context: Speaks TLS 1.2 or later.
        fingerprint: SHA-256 of the certificate, as browsers show it: ``AB:CD:...``.
        certificate: In PEM form.
    """

    context: ssl.SSLContext
    fingerprint: str
    certificate: bytes


def self_signed(names: Sequence[str]) -> SelfSigned:
    """Make a key (ECDSA, P-256) and a certificate for 30 days.

    The key is kept in memory, but for a moment in which it lies, unencrypted, in a file in the
    folder for temporary files: only this user can read that, and it is removed at once. (A process
    that is killed in that moment leaves it.)

    Args:
        names: Host names and addresses that it is for.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    # A name of this certificate's own: two runs do not claim to be one authority.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"edgecnn serve {names[0]}"[:64])])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # a phone's clock may be late
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
        # It can vouch for no other certificate, also if somebody trusts it.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads them from a file only: one of the user's alone, which is gone at once.
    descriptor, name = tempfile.mkstemp(prefix="edgecnn-serve-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(private + certificate)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return SelfSigned(
        context=context,
        fingerprint=":".join(f"{byte:02X}" for byte in made.fingerprint(hashes.SHA256())),
        certificate=certificate,
    )


def _name(text: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
