"""``edgecnn serve`` as a function: a web bundle, for this machine or phones in its network."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn.errors import UsageError
from edgecnn.log import LOG
from edgecnn.package.web.opened import read_web_bundle
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.serve.addresses import ServedAddress, place_of
from edgecnn.serve.certificate import self_signed
from edgecnn.serve.server import serving


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """Which web bundle is to be served, and where.

    Attributes:
        folder: The bundle.
        host: Where to listen: an address of this machine, ``0.0.0.0`` or ``::`` for all of them,
            ``localhost``, or ``lan`` for the one in its network.
        port: 0 for any that is free.
        https: Whether to encrypt, with a certificate of its own making.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8000
    https: bool = False


SERVE_SCHEMA: Final = 1
"""Version of the layout in JSON."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A web bundle that is being served.

    Attributes:
        url: Where a browser finds it.
        fingerprint: SHA-256 of the certificate; None without HTTPS.
        place: Where it listens.
    """

    url: str
    fingerprint: str | None
    place: ServedAddress

    def to_dict(self) -> dict[str, str | int | None]:
        """Return JSON-ready values."""
        return {"schema": SERVE_SCHEMA, "url": self.url, "fingerprint": self.fingerprint}


@contextlib.contextmanager
def serve(request: ServeRequest, *, progress: Progress = NO_PROGRESS) -> Iterator[Served]:
    """Serve a web bundle, in a thread, while the block runs.

    Args:
        request: Which, and where.
        progress: Is told of each visit, and the log of each request; neither of who came.

    Yields:
        Where it is. At the end of the block its port refuses connections.

    Raises:
        BundleError: If it is no web bundle, or not as it was packaged.
        UsageError: If it cannot listen there.
    """
    numbers = itertools.count(1)

    def visited() -> None:
        now = time.strftime("%H:%M:%S")
        progress.message(f"visit {next(numbers)}: the page was opened at {now}")

    files = read_web_bundle(request.folder)
    place = place_of(request.host)
    own = self_signed(place.names) if request.https else None
    with contextlib.ExitStack() as stack:
        context = None if own is None else own.context
        try:
            server = stack.enter_context(
                serving(
                    files, place, port=request.port, context=context, said=LOG.info, visited=visited
                )
            )
        except OSError as error:
            raise UsageError(
                f"cannot listen at {place.listen}, port {request.port}",
                observed=error.strerror or str(error),
                expected="an address of this machine, and a port that is free",
                remedy="another port: --port 0 takes any",
            ) from error
        yield Served(
            url=server.url, fingerprint=None if own is None else own.fingerprint, place=place
        )
