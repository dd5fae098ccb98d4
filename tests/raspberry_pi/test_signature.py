from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgecnn_installer import ed25519, signature
from edgecnn_installer.bundle import MANIFEST, SIGNATURE, read_manifest
from edgecnn_installer.problems import SignatureError
from edgecnn_installer.signature import check_signature, read_public_key
from raspberry_pi.small_bundle import make_bundle, sign, signing_key

ORDER = 2**252 + 27742317777372353535851937790883648493
# RFC 8032, section 7.1, tests 1 and 2: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")


@pytest.mark.parametrize(("key", "message", "signed"), VECTORS)
def test_the_vectors_of_the_standard(key: str, message: str, signed: str) -> None:
    parts = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signed)
    assert ed25519.verify(*parts)
    assert not ed25519.verify(parts[0], parts[1] + b"x", parts[2])
    for byte in (0, 31, 32, 63):
        altered = bytearray(parts[2])
        altered[byte] ^= 1
        assert not ed25519.verify(parts[0], parts[1], bytes(altered))
    for length in (0, 63, 65):
        assert not ed25519.verify(parts[0], parts[1], (parts[2] * 2)[:length])


def test_a_signature_has_one_form_only() -> None:
    """The same scalar plus the group's order would verify, were it not refused."""
    key, message, signed = (bytes.fromhex(part) for part in VECTORS[1])
    scalar = int.from_bytes(signed[32:], "little") + ORDER
    assert not ed25519.verify(key, message, signed[:32] + scalar.to_bytes(32, "little"))


def test_no_point_is_no_key() -> None:
    for key in (b"\xff" * 32, b"\x02" + 31 * b"\0", (1 | 1 << 255).to_bytes(32, "little")):
        assert not ed25519.verify(key, b"", bytes.fromhex(VECTORS[0][2]))


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A signed bundle and its public key."""
    bundle = make_bundle(tmp_path / "bundle")
    private, public = signing_key(tmp_path, "key")
    sign(bundle / MANIFEST, private, bundle / SIGNATURE)
    return bundle, public


@needs_openssl
@pytest.mark.parametrize("by", ["openssl", "edgecnn"])
def test_openssl_and_the_own_check_agree(
    by: str, signed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "edgecnn":
        monkeypatch.setattr(signature.shutil, "which", lambda *_, **__: None)  # type: ignore[attr-defined]
    bundle, public = signed
    manifest = read_manifest(bundle)
    assert check_signature(bundle, manifest, public) == by
    other = signing_key(tmp_path, "other")[1]
    with pytest.raises(SignatureError, match="not what was signed"):
        check_signature(bundle, manifest, other)
    (bundle / MANIFEST).write_bytes(manifest.data.replace(b'"1.0"', b'"1.1"'))
    with pytest.raises(SignatureError, match="not what was signed"):
        check_signature(bundle, read_manifest(bundle), public)
    for text in (b"", b"x" * 63, b"x" * 64, b"x" * 1000):
        (bundle / SIGNATURE).write_bytes(text)
        with pytest.raises(SignatureError, match="not what was signed"):
            check_signature(bundle, manifest, public)
    (bundle / SIGNATURE).unlink()
    with pytest.raises(SignatureError, match=r"manifest\.json\.sig is missing"):
        check_signature(bundle, manifest, public)


@needs_openssl
def test_what_is_no_public_key_is_named(tmp_path: Path) -> None:
    private, public = signing_key(tmp_path, "key")
    assert len(read_public_key(public)) == 32
    broken = tmp_path / "broken.pem"
    broken.write_text(public.read_text().replace("MCowBQ", "MCowBR"))
    for path in (private, broken, tmp_path / "none.pem"):
        with pytest.raises(SignatureError) as caught:
            read_public_key(path)
        assert str(path) in str(caught.value)
