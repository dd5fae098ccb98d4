"""Checked downloads: what arrives is compared with its published checksum before use.

From an archive only the expected members are taken, as regular files of a bounded size, under
names that are our own: nothing in an archive decides where a file is written.
"""

from __future__ import annotations

import hashlib
import logging
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecnn.errors import ChecksumError, DownloadError
from edgecnn.files import wrap_os_errors, write_whole
from edgecnn.progress import NO_PROGRESS, Progress, ProgressTask
from edgecnn.report.text import size_text

_LARGEST_MEMBER: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 30
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A published data set: one archive and the files in it.

    Attributes:
        base_url: Address of the folder that holds the archive, ending in ``/``.
        archive: File name of the archive, a ``.tar.gz``.
        archive_md5: Its MD5, lower-case hex.
        archive_bytes: Its size.
        folder: The folder in the archive that holds the files.
        files: File name to MD5.
    """

    base_url: str
    archive: str
    archive_md5: str
    archive_bytes: int
    folder: str
    files: Mapping[str, str]


CIFAR10: Final = PublishedFile(
    base_url="https://www.cs.toronto.edu/~kriz/",
    archive="cifar-10-python.tar.gz",
    archive_md5="c58f30108f718f92721af3b95e74349a",
    archive_bytes=170_498_071,
    folder="cifar-10-batches-py",
    files={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)
"""Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009."""


def fetch(
    release: PublishedFile, *, cache: Path | None = None, progress: Progress = NO_PROGRESS
) -> Path:
    """Return the folder of a release's files in the cache, downloading them if need be.

    A download that is cut off leaves nothing behind that a later call could take for the whole.

    Args:
        release: What to fetch.
        cache: Where to keep it; by default the user's cache folder for edgecnn.
        progress: Who to tell how far the download is.

    Returns:
        The folder that holds all files of the release.

    Raises:
        DownloadError: If the download fails; the remedy says how to do without.
        ChecksumError: If the archive or a file in it is not the published one.
        WorkspaceError: If the cache cannot be written.
    """
    import pooch

    place = cache if cache is not None else Path(pooch.os_cache("edgecnn"))
    folder = place / release.folder
    if all((folder / name).is_file() for name in release.files):
        return folder
    elsewhere = "set EDGECNN_DATA, or give --data, where the data set is already"
    with wrap_os_errors(folder, elsewhere=elsewhere):
        folder.mkdir(parents=True, exist_ok=True)
    archive = _download(release, place, progress)
    _extract(release, archive, folder)
    archive.unlink(missing_ok=True)
    return folder


def _by_hand(release: PublishedFile) -> str:
    return (
        f"check the network, or fetch {release.base_url}{release.archive} elsewhere, unpack it, "
        f"and set EDGECNN_DATA (or give --data) to the folder that holds {release.folder}"
    )


def _download(release: PublishedFile, place: Path, progress: Progress) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    url = release.base_url + release.archive
    store = pooch.create(
        path=place,
        base_url=release.base_url,
        registry={release.archive: f"md5:{release.archive_md5}"},
        retry_if_failed=1,
    )
    try:
        with progress.task(f"downloading {release.archive}", release.archive_bytes) as task:
            fetched = store.fetch(
                release.archive, downloader=_Download(task, release.archive_bytes)
            )
    except requests.RequestException as error:
        raise DownloadError(
            f"cannot download {url} ({error})",
            observed=f"{type(error).__name__}: {error}",
            expected=f"{release.archive}, {size_text(release.archive_bytes)}",
            remedy=_by_hand(release),
        ) from error
    except OSError as error:
        raise DownloadError(
            f"cannot store {url} in {place} ({error.strerror or error})",
            observed=f"{type(error).__name__}: {error}",
            expected=f"a folder that can be written, with {size_text(2 * release.archive_bytes)} "
            "free",
            remedy=f"free some space there; or {_by_hand(release)}",
        ) from error
    except ValueError as error:
        # pooch's word for a checksum that differs; it has deleted the file.
        raise ChecksumError(
            f"what came from {url} is not what was published; it was deleted",
            observed=str(error).splitlines()[0],
            expected=f"MD5 {release.archive_md5}",
            remedy=_by_hand(release),
        ) from error
    return Path(fetched)


def _extract(release: PublishedFile, archive: Path, folder: Path) -> None:
    wanted = {f"{release.folder}/{name}": name for name in release.files}
    try:
        with tarfile.open(archive, mode="r:gz") as tar:
            for member in tar:
                name = wanted.get(member.name)
                if name is None or not member.isreg() or member.size > _LARGEST_MEMBER:
                    continue
                content = tar.extractfile(member)
                if content is not None:
                    _store(folder / name, content.read(), release.files[name])
                    wanted.pop(member.name)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DownloadError(
            f"{archive} cannot be unpacked ({error})",
            observed=f"{type(error).__name__}: {error}",
            expected=f"a .tar.gz that holds {len(release.files)} files of {release.folder}",
            remedy=f"delete {archive} and try again; or {_by_hand(release)}",
        ) from error
    if wanted:
        raise DownloadError(
            f"{archive} lacks {', '.join(sorted(wanted))}",
            observed=f"{len(release.files) - len(wanted)} of {len(release.files)} files",
            expected=f"all of {', '.join(release.files)}",
            remedy=_by_hand(release),
        )


def _store(path: Path, data: bytes, md5: str) -> None:
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ChecksumError(
            f"{path.name} in the archive is not the file that was published",
            observed=f"MD5 {found}",
            expected=f"MD5 {md5}",
            remedy="delete the archive and download it again",
        )
    write_whole(path, data)


class _Download:
    """A downloader for pooch that tells how far it is, and closes what it opens.

    After a retry only bytes beyond the furthest point so far advance the task.
    """

    def __init__(self, task: ProgressTask, expected: int) -> None:
        self._task = task
        self._expected = expected
        self._shown = 0

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        import requests

        del pooch
        done = 0
        # The session too must be closed here: a request that fails leaves its socket to it.
        with (
            requests.Session() as session,
            session.get(url, stream=True, timeout=_TIMEOUT_S) as response,
            Path(output_file).open("wb") as file,
        ):
            response.raise_for_status()
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                reached = min(done, self._expected)
                if reached > self._shown:
                    self._task.advance(reached - self._shown)
                    self._shown = reached
