"""Lock -> a ready interpreter: one environment per worker and Python, brought from cell to cell by uv.

Packages are hard-linked from uv's cache where the file system allows it, so an environment costs little disk
and a step from one lock to the next only what differs.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from compatmatrix.config.matrix_file import Config
from compatmatrix.core import untrusted_files
from compatmatrix.core.files import SCRATCH_PREFIX
from compatmatrix.core.model import Cell, InfrastructureError, Lock
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.index.releases import TIMEOUT_SECONDS
from compatmatrix.index.wheel_tags import fits
from compatmatrix.resolve import uv, uv_errors
from compatmatrix.resolve.uv_errors import BrokenWheel


class InstallFailed(Exception):
    """What the index delivered, as listed and with the right hash, cannot be installed: the release's own fault."""


class NoPython(Exception):
    """This machine has no such Python and none could be fetched."""


class Workspace:
    """The environments of one worker, below one folder."""

    def __init__(
        self, config: Config, root: Path, interpreters: Interpreters, byte_code: ByteCode | None = None
    ) -> None:
        """Clear the folder of what a run that was killed left of its cells.

        Raises:
            InfrastructureError: it cannot be cleared.
        """
        self._config = config
        self._root = root
        self._interpreters = interpreters
        self._byte_code = byte_code
        for left in root.glob(f"{SCRATCH_PREFIX}*"):
            untrusted_files.remove(left)
        self._holds: dict[str, Lock] = {}

    def bring_to(self, cell: Cell) -> Path:
        """The interpreter of an environment that holds exactly the cell's lock.

        Raises:
            NoPython: there is no interpreter of the cell's X.Y here.
            InstallFailed: a wheel of the lock is broken as published.
            InfrastructureError: anything of ours: index, disk, a hash that is not the lock's.
        """
        base = self._interpreters.find(cell.python)
        if base is None:
            raise NoPython(f"needs Python {cell.python}, which is not on this machine and could not be downloaded")
        # An environment that ever held something built from source never serves a release: uv takes the one for the
        # other where they call themselves the same version.
        place = f"{cell.python}-source" if cell.wheel else cell.python
        folder = self._root / place
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if self._holds.get(place) == cell.lock and python.exists():
            return python
        self._holds.pop(place, None)
        # Whoever was killed in the middle left half an environment, which may be no environment at all: its
        # interpreter would answer for the one that it was made from.
        whole = self._whole(place)
        if not (whole.exists() and python.exists() and (folder / "pyvenv.cfg").exists()):
            untrusted_files.remove(folder)
            _checked(["venv", "--quiet", "--python", base, "--no-python-downloads", folder])
        try:
            whole.unlink(missing_ok=True)
            self._sync(cell, base, folder, self._written(cell, place))
        except OSError as error:
            raise InfrastructureError(f"the lock cannot be written to {self._root.name}/: {error.strerror}") from None
        if self._byte_code:
            self._byte_code.provide(base, cell.python, folder)
        whole.touch()
        self._holds[place] = cell.lock
        return python

    def _sync(self, cell: Cell, base: Path, folder: Path, lock: Sequence[str | Path]) -> None:
        """Make the environment hold the lock, and nothing else.

        uv asks an interpreter what it is by running it: the environment's own would run what a release has installed
        to be run at Python's start.
        """
        arguments: list[str | Path] = [
            "pip",
            "sync",
            "--quiet",
            *lock,
            "--python",
            base,
            "--prefix",
            folder,
            "--require-hashes",
            "--no-build",
            "--python-platform",
            self._config.platform[cell.platform],
            *(["--reinstall-package", self._config.subject.name] if cell.wheel else []),
            *uv.index_arguments(self._config.index, (*cell.indexes, *self._config.index.only.values())),
        ]
        try:
            # What the hashes name is most often in the package cache: then there is nothing to ask the index.
            uv.run([*arguments, "--offline"])
        except (uv.Refused, InfrastructureError):
            _checked(arguments, lambda broken: _as_listed(self._config, cell, broken))

    def _written(self, cell: Cell, place: str) -> list[str | Path]:
        """The lock as files, in uv's arguments. Raises OSError."""
        requirements = self._root / f"{place}.txt"
        requirements.write_text("".join(f"{line}\n" for line in cell.installed()), encoding="utf-8")
        names: dict[str, str] = {canonicalize_name(name): address for name, address in self._config.index.only.items()}
        bound = {pin.name: names[pin.name] for pin in cell.lock if pin.name in names}
        if not bound or cell.wheel or cell.indexes:
            return [requirements]
        # Another index may have the same version in other bytes: only a project's file keeps it out.
        folder = self._root / f"{place}-project"
        folder.mkdir(exist_ok=True)
        project = folder / "pyproject.toml"
        project.write_text(uv.project([f"{pin.name}=={pin.version}" for pin in cell.lock], bound), encoding="utf-8")
        return [project, "--constraints", requirements]

    def _whole(self, place: str) -> Path:
        """A file that is there as long as nobody is at work on the environment."""
        return self._root / f"{place}.whole"

    def distrust(self, cell: Cell) -> None:
        """Throw the cell's environment away, and what it held out of the package cache.

        Files of an environment and of the cache are one and the same where the file system allows it: what a cell
        writes into one is in the other.

        Raises:
            InfrastructureError: not all of it is gone.
        """
        self.discard(cell.python)
        try:
            uv.run(["cache", "clean", "--quiet", *(pin.name for pin in cell.lock)])
        except uv.Refused as refusal:
            raise InfrastructureError(
                f"the package cache could not be cleared of what a cell changed: {refusal}"
            ) from None

    def discard(self, python: str) -> None:
        """Throw the environment of X.Y away; the next cell gets a new one.

        Raises:
            InfrastructureError: it cannot be removed.
        """
        for place in (python, f"{python}-source"):
            self._holds.pop(place, None)
            untrusted_files.remove(self._whole(place))
            untrusted_files.remove(self._root / place)


def _checked(arguments: list[str | Path], as_listed: Callable[[BrokenWheel], bool] = lambda broken: False) -> None:
    try:
        uv.run(arguments)
    except (uv.Refused, InfrastructureError) as failure:
        broken = uv_errors.broken_wheel(str(failure))
        if broken and as_listed(broken):
            raise InstallFailed(broken.reason) from None
        if isinstance(failure, InfrastructureError):
            raise
        raise InfrastructureError(f"uv {arguments[0]} {arguments[1]} failed: {str(failure)[-1000:]}") from None


def _as_listed(config: Config, cell: Cell, broken: BrokenWheel) -> bool:
    """Whether the wheel that uv names is, byte for byte, one that was locked, and lacks what uv misses in it.

    A download that ends early without a sign, or a package cache that is cleared at the wrong moment, looks to uv
    like a wheel that is broken.
    """
    import requests
    from pypi_simple import ACCEPT_JSON_PREFERRED, PyPISimple

    pin = next((pin for pin in cell.lock if pin.name == broken.package), None)
    if pin is None:
        return False
    target = config.platform[cell.platform]
    for address in config.index.of(pin.name):
        try:
            with PyPISimple(address, accept=ACCEPT_JSON_PREFERRED) as client:
                packages = client.get_project_page(pin.name, timeout=TIMEOUT_SECONDS).packages
            for package in packages:
                if package.digests.get("sha256") in pin.sha256 and fits(package.filename, cell.python, target):
                    content = requests.get(package.url, timeout=TIMEOUT_SECONDS).content
                    return hashlib.sha256(content).hexdigest() in pin.sha256 and not _holds(content, broken.missing)
        except (requests.RequestException, ValueError, OSError):
            continue
    return False


def _holds(content: bytes, missing: str | None) -> bool:
    """Whether a wheel holds the file that uv did not find in it."""
    with suppress(zipfile.BadZipFile):
        return missing in zipfile.ZipFile(io.BytesIO(content)).namelist()
    return False
