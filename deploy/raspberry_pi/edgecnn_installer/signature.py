"""Checks that a bundle is signed with the pinned key: by openssl if it can, else by our own code.

A key is pinned by lying where the installer looks for it, or by ``--key``. Who can replace
``install.sh`` can replace this check with it. A bundle from a doubtful place is checked before any
of it runs: by ``edgecnn deploy`` on the workstation, or by openssl and sha256sum on the device.
"""

from __future__ import annotations

import base64
import binascii
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from edgecnn_installer import ed25519
from edgecnn_installer.bundle import SIGNATURE, Manifest
from edgecnn_installer.problems import SignatureError

# SubjectPublicKeyInfo of an Ed25519 key, up to its 32 bytes (RFC 8410, section 4).
_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_TIMEOUT_S: Final = 30


def read_public_key(path: Path) -> bytes:
    """Return the 32 bytes of an Ed25519 public key in PEM form.

    Raises:
        SignatureError: If the file is missing or no such key.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
        if not (text.startswith(_BEGIN) and text.endswith(_END)):
            raise ValueError("no PEM public key")
        body = "".join(text[len(_BEGIN) : -len(_END)].split())
        data = base64.b64decode(body, validate=True)
    except (OSError, ValueError, binascii.Error) as error:
        raise _no_key(path, f"{type(error).__name__}: {error}") from error
    if not data.startswith(_PREFIX) or len(data) != len(_PREFIX) + 32:
        raise _no_key(path, f"{len(data)} bytes beginning {data[:12].hex()}")
    return data[len(_PREFIX) :]


def _no_key(path: Path, observed: str) -> SignatureError:
    return SignatureError(
        f"{path} is no Ed25519 public key; nothing was changed",
        observed=observed,
        expected="a PEM file, as edgecnn package --sign writes it beside the bundle",
        remedy="name the public key (.pub.pem) of the key that the bundle was signed with",
    )


def check_signature(folder: Path, manifest: Manifest, key: Path) -> str:
    """Check that the manifest was signed with a key.

    Args:
        folder: The unpacked bundle.
        manifest: Its manifest.
        key: The public key, a PEM file.

    Returns:
        Who checked it: ``openssl`` or ``edgecnn``.

    Raises:
        SignatureError: If there is no signature, or it is not of this manifest and this key.
    """
    public = read_public_key(key)
    path = folder / SIGNATURE
    try:
        signature = path.read_bytes() if path.stat().st_size <= 64 else b""
    except OSError as error:
        raise SignatureError(
            f"{SIGNATURE} is missing: the bundle is not signed, and a key is pinned here; "
            "nothing was changed",
            observed=f"{path}: {error.strerror}",
            expected=f"a signature of the key {key}",
            remedy="sign it on the workstation: edgecnn package BUILD --sign KEY; or, to install "
            f"unsigned bundles here, remove {key}",
        ) from error
    checked_by = "openssl"
    good = _by_openssl(manifest.data, signature, key)
    if good is None:
        checked_by, good = "edgecnn", ed25519.verify(public, manifest.data, signature)
    if not good:
        raise SignatureError(
            "manifest.json is not what was signed with the pinned key; nothing was changed",
            observed=f"{path} is not a signature of it",
            expected=f"a signature of the key {key}",
            remedy="copy the bundle again; if it stays, it was signed with another key, or "
            "altered: do not install it",
        )
    return checked_by


def _by_openssl(data: bytes, signature: bytes, key: Path) -> bool | None:
    """Ask openssl; None where it is missing, or too old for Ed25519 of a whole file."""
    program = shutil.which("openssl", path="/usr/bin:/bin:/usr/local/bin")
    if program is None or len(signature) != 64:
        return None
    with tempfile.TemporaryDirectory() as folder:
        signed, given = Path(folder) / "data", Path(folder) / "signature"
        signed.write_bytes(data)
        given.write_bytes(signature)
        command = [
            program, "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin",
            "-in", str(signed), "-sigfile", str(given),
        ]  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program, no shell
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return None
    if done.returncode == 0 and "Verified Successfully" in done.stdout:
        return True
    # Versions before 3.0 say so in other words, and do not know what is asked.
    return False if "Verification Failure" in done.stdout + done.stderr else None
