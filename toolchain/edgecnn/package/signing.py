"""Sign a bundle: Ed25519 (RFC 8032) of its manifest, which names every other file's digest."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.errors import UsageError
from edgecnn.package.request import ANY_BUILD, PackageRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LARGEST_KEY: Final = 64 << 10
_OWN_KEY: Final = "signing-key.pem"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A private key to sign with.

    Attributes:
        key: The key; nothing of it is ever shown.
    """

    key: Ed25519PrivateKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature of these bytes, 64 bytes."""
        return self.key.sign(data)

    def public_pem(self) -> bytes:
        """Return the public key as a PEM file, which devices pin."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_signer(path: Path, request: PackageRequest = ANY_BUILD) -> Signer:
    """Read an Ed25519 private key in PEM form, without a passphrase.

    Args:
        path: The file.
        request: What was asked for, which remedies give again.

    Raises:
        UsageError: If it is missing, no such key, or locked by a passphrase.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if path.stat().st_size > _LARGEST_KEY:
            raise _no_key(path, request, f"{path.stat().st_size:,} bytes")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except TypeError as error:  # what the library raises for a locked one
        with_key = replace(request, key=Path(_OWN_KEY))
        raise UsageError(
            f"{path} is locked by a passphrase, and edgecnn asks no questions",
            observed="an encrypted private key",
            expected="one without a passphrase, readable by you alone",
            remedy="unlock it into a file of your own, which asks for the passphrase: openssl pkey "
            f"-in {shlex.quote(str(path))} -out {_OWN_KEY} && {with_key.command()}",
        ) from error
    except OSError as error:
        raise _no_key(path, request, error.strerror or str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, request, "no private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, request, "a key of another kind")
    return Signer(key=key)


def _no_key(path: Path, request: PackageRequest, observed: str) -> UsageError:
    return UsageError(
        f"{path} is no Ed25519 private key",
        observed=observed,
        expected="a PEM file with an Ed25519 private key",
        remedy="make one, and keep it to yourself: openssl genpkey -algorithm ed25519 -out "
        f"{_OWN_KEY} && {replace(request, key=Path(_OWN_KEY)).command()}",
    )
