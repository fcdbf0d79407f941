"""Makes the environment of a cell: one per worker and Python, which uv brings from one lock to the next.

Packages are hard-linked from uv's cache if the file system allows it. So an environment takes little disk space, and
only what differs between two locks is installed.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.config.tables import Config
from compatmatrix.core import untrusted_files
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import SCRATCH_PREFIX
from compatmatrix.core.model import Cell, Lock
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.file_changes import has_shared_files
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.index.releases import TIMEOUT_SECONDS
from compatmatrix.index.wheel_tags import fits
from compatmatrix.resolve import uv, uv_errors
from compatmatrix.resolve.uv_errors import BrokenWheel


class InstallFailed(Exception):
    """A wheel with the hash that the index lists cannot be installed: a fact about the release."""


class Workspace:
    """The environments of one worker, below one folder."""

    def __init__(
        self, config: Config, root: Path, interpreters: Interpreters, byte_code: ByteCode | None = None
    ) -> None:
        self._config = config
        self._root = root
        self._interpreters = interpreters
        self._byte_code = byte_code
        self._holds: dict[str, Lock] = {}

    def remove_leftovers(self) -> None:
        """Remove the scratch folders that a killed run has left.

        Raises:
            InfrastructureError: They cannot be removed.
        """
        for folder in self._root.glob(f"{SCRATCH_PREFIX}*"):
            untrusted_files.remove(folder)

    def bring_to(self, cell: Cell) -> Path:
        """The interpreter of an environment that holds exactly the cell's lock.

        Raises:
            InstallFailed: A wheel of the lock is broken as published.
            InfrastructureError: There is no interpreter of the cell's X.Y, the index or the disk failed, or a hash is not
                the lock's.
        """
        base = self._interpreters.find(cell.python)
        if base is None:
            raise InfrastructureError(f"needs Python {cell.python}: install it, or `uv python install {cell.python}`")
        # Releases and builds from source have environments of their own: uv does not tell the two apart where their
        # version is the same.
        place = f"{cell.python}-source" if cell.wheel else cell.python
        folder = self._root / place
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if self._holds.get(place) == cell.lock and python.exists():
            return python
        self._holds.pop(place, None)
        # An engine that was killed here leaves an incomplete environment. Without pyvenv.cfg, its interpreter would
        # even be that of the base installation.
        installed = self._installed(place)
        if installed is None or not (python.exists() and (folder / "pyvenv.cfg").exists()):
            untrusted_files.remove(folder)
            _checked(["venv", "--quiet", "--python", base, "--no-python-downloads", folder])
            installed = ()
        try:
            self._installed_path(place).unlink(missing_ok=True)
            self._sync(cell, base, folder, self._write_lock(cell, place), installed)
            # uv removes byte code with its package, but not that of a module outside of any. For Python it fits the next
            # version's source too, if that has the same size and was unpacked in the same second.
            for stale in (
                *folder.glob("lib/python*/site-packages/__pycache__"),
                *folder.glob("Lib/site-packages/__pycache__"),
            ):
                untrusted_files.remove(stale)
            if self._byte_code:
                self._byte_code.provide(base, cell.python, folder)
            if not has_shared_files(folder):  # else the next cell gets a new one
                self._installed_path(place).write_bytes(msgspec.json.encode(cell.lock))
                self._holds[place] = cell.lock
        except OSError as error:
            raise InfrastructureError(f"the lock cannot be written to {self._root.name}/: {error.strerror}") from None
        return python

    def _sync(self, cell: Cell, base: Path, folder: Path, lock: Sequence[str | Path], installed: Lock) -> None:
        """Make the environment, which holds the packages of ``installed``, hold the lock, and nothing else.

        uv runs the interpreter that `--python` names. The environment's own would run what a release installs to be
        run at Python's start, so uv gets the base interpreter, and the environment as `--prefix`.
        """
        # uv goes by the versions of what is installed and not by hashes: another index may have other content there.
        hashes = {(pin.name, pin.version): pin.sha256 for pin in installed}
        replaced = [pin.name for pin in cell.lock if hashes.get((pin.name, pin.version), pin.sha256) != pin.sha256]
        replaced += [self._config.subject.name] if cell.wheel else []
        arguments: list[str | Path] = [
            *("pip", "sync", "--quiet", *lock, "--python", base, "--prefix", folder),
            *("--require-hashes", "--no-build", "--python-platform", self._config.platform[cell.platform]),
            *(part for name in replaced for part in ("--reinstall-package", name)),
            *uv.index_arguments(self._config.index, (*cell.indexes, *self._config.index.only.values())),
        ]
        try:
            # Usually all wheels are in uv's cache: then no request to the index is needed.
            uv.run([*arguments, "--offline"])
        except (uv.Refused, InfrastructureError):
            _checked(arguments, lambda broken: _as_listed(self._config, cell, broken))

    def _write_lock(self, cell: Cell, place: str) -> list[str | Path]:
        """Write the lock to files, and return uv's arguments for them. Raises OSError."""
        requirements = self._root / f"{place}.txt"
        requirements.write_text("".join(f"{line}\n" for line in cell.installed()), encoding="utf-8")
        names: dict[str, str] = {canonicalize_name(name): address for name, address in self._config.index.only.items()}
        bound = {pin.name: names[pin.name] for pin in cell.lock if pin.name in names}
        if not bound or cell.wheel or cell.indexes:
            return [requirements]
        # Another index may have another file of the same version: only a pyproject.toml can exclude it.
        folder = self._root / f"{place}-project"
        folder.mkdir(exist_ok=True)
        project = folder / "pyproject.toml"
        project.write_text(uv.project([f"{pin.name}=={pin.version}" for pin in cell.lock], bound), encoding="utf-8")
        return [project, "--constraints", requirements]

    def _installed(self, place: str) -> Lock | None:
        """The lock that an environment was brought to last, if that was completed."""
        try:
            return msgspec.json.decode(self._installed_path(place).read_bytes(), type=Lock)
        except (OSError, msgspec.DecodeError):
            return None

    def _installed_path(self, place: str) -> Path:
        """A file that exists while the environment is complete."""
        return self._root / f"{place}.installed.json"

    def distrust(self, cell: Cell) -> None:
        """Remove the cell's environment, and its packages from uv's cache: with hard links, they share their files.

        Raises:
            InfrastructureError: A part of them could not be removed.
        """
        self.discard(cell.python)
        try:
            uv.run(["cache", "clean", "--quiet", *(pin.name for pin in cell.lock)])
        except uv.Refused as refusal:
            raise InfrastructureError(
                f"the package cache could not be cleared of what a cell changed: {refusal}"
            ) from None

    def discard(self, python: str) -> None:
        """Remove the environments of X.Y; the next cell gets a new one.

        Raises:
            InfrastructureError: They cannot be removed.
        """
        for place in (python, f"{python}-source"):
            self._holds.pop(place, None)
            untrusted_files.remove(self._installed_path(place))
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
