"""Sign a bundle: Ed25519 (RFC 8032) of its manifest, which names every other file's digest."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LARGEST_KEY: Final = 64 << 10


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


def read_signer(path: Path) -> Signer:
    """Read an Ed25519 private key in PEM form, without a passphrase.

    Args:
        path: The file.

    Raises:
        UsageError: If it is missing, no such key, or locked by a passphrase.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if path.stat().st_size > _LARGEST_KEY:
            raise _no_key(path, f"{path.stat().st_size:,} bytes")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except TypeError as error:  # what the library raises for a locked one
        raise UsageError(
            f"{path} is locked by a passphrase, and edgecnn asks no questions",
            observed="an encrypted private key",
            expected="one without a passphrase, readable by you alone",
            remedy=f"unlock it into a file of your own: openssl pkey -in {shlex.quote(str(path))} "
            "-out KEY",
        ) from error
    except OSError as error:
        raise _no_key(path, error.strerror or str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "no private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "a key of another kind")
    return Signer(key=key)


def _no_key(path: Path, observed: str) -> UsageError:
    return UsageError(
        f"{path} is no Ed25519 private key",
        observed=observed,
        expected="a PEM file with an Ed25519 private key",
        remedy="make one: openssl genpkey -algorithm ed25519 -out KEY, and keep it to yourself",
    )
