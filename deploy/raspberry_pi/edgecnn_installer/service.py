"""The service of an installed model: its unit, its configuration file, and systemd's consent.

The unit is part of the release and only put in its place here. A service is never started by an
installation: a camera that begins to look because somebody copied a file is nobody's wish.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 120


def collecting_unit(model: str) -> str:
    """Return the name of the unit that collects pictures, which no model's other unit can have."""
    return f"edgecnn-collect@{model}.service"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What an installation puts outside of its folder; only under the default prefix.

    Attributes:
        model: The model's name.
        system: The root of the file system; tests have one of their own.
    """

    model: str
    system: Path = Path("/")

    @property
    def name(self) -> str:
        """The unit's name."""
        return f"edgecnn-{self.model}.service"

    @property
    def unit(self) -> Path:
        """The unit's file."""
        return self.system / "etc/systemd/system" / self.name

    @property
    def collecting(self) -> Path:
        """The file of the unit that collects; there where the active release may collect."""
        return self.unit.with_name(collecting_unit(self.model))

    @property
    def configuration(self) -> Path:
        """What the service is told to do; kept when a new release is installed."""
        return self.system / "etc/edgecnn" / f"{self.model}.conf"

    @property
    def command(self) -> Path:
        """The link to the active release's program."""
        return self.system / "usr/local/bin" / f"edgecnn-{self.model}"

    @property
    def results(self) -> tuple[Path, Path]:
        """Where the service keeps what it found; with a dynamic user the first is a link."""
        name = f"edgecnn-{self.model}"
        return self.system / "var/lib" / name, self.system / "var/lib/private" / name

    @contextlib.contextmanager
    def placed(self, release: Path, current: Path) -> Iterator[None]:
        """Put unit, configuration and command in place; the block switches to the release.

        If the block fails, they are again what they were.

        Args:
            release: The release whose unit it is.
            current: The link to the active release.
        """
        paths = (self.unit, self.collecting, self.configuration, self.command)
        before = [(path, _content(path)) for path in paths]
        try:
            _write(self.unit, (release / "service" / self.name).read_bytes())
            unit = release / "service" / self.collecting.name
            if unit.is_file():
                _write(self.collecting, unit.read_bytes())
            elif self.collecting.exists():
                # What this release may not do does not go on.
                self._systemctl("disable", "--now", self.collecting.name)
                self.collecting.unlink()
            if not self.configuration.exists():
                conf = release / "service" / f"{self.model}.conf"
                _write(self.configuration, conf.read_bytes())
            self.command.parent.mkdir(parents=True, exist_ok=True)
            _link(self.command, current / "bin/edgecnn-run")
            yield
        except BaseException:
            for path, content in before:
                _restore(path, content)
            raise

    def reload(self) -> None:
        """Have systemd read the unit, and restart the service if it runs."""
        self._systemctl("daemon-reload")
        self._systemctl("try-restart", self.name)
        if self.collecting.exists():
            self._systemctl("try-restart", self.collecting.name)

    def remove(self, *, results: bool) -> list[str]:
        """Stop the service and remove what was put in place.

        Args:
            results: Whether to delete also what the service wrote.

        Returns:
            What is left on the device, in words.
        """
        self._systemctl("disable", "--now", self.name)
        if self.collecting.exists():
            self._systemctl("disable", "--now", self.collecting.name)
        for path in (self.unit, self.collecting, self.configuration, self.command):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another model's configuration, or a pinned key
            self.configuration.parent.rmdir()
        self._systemctl("daemon-reload")
        if results:
            for place in self.results:
                if place.is_symlink():
                    place.unlink()
                else:
                    shutil.rmtree(place, ignore_errors=True)
        return [f"results in {place}" for place in self.results if place.is_dir()]

    def _systemctl(self, *arguments: str) -> None:
        # Where systemd does not run, as in a container, there is no service to speak to.
        if self.system != Path("/") or not Path("/run/systemd/system").is_dir():
            return
        program = shutil.which("systemctl", path="/usr/bin:/bin")
        if program is not None:
            subprocess.run(  # noqa: S603 - a fixed program, no shell
                [program, *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False
            )


def _content(path: Path) -> bytes | Path | None:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else None


def _restore(path: Path, content: bytes | Path | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif isinstance(content, bytes):
        _write(path, content)
    else:
        _link(path, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(0o644)
    new.replace(path)


def _link(path: Path, target: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)
