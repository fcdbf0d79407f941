"""Makes a wheel of an unreleased source: of a commit, of a checkout's files, or of a wheel, which is taken as it is.

Wheels are kept in the engine's cache, by commit or by content. Nothing but sources is ever built.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from contextlib import suppress
from datetime import timedelta
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from compatmatrix.config.source_addresses import Address
from compatmatrix.core import untrusted_files
from compatmatrix.core.encoding import format_instant, parse_instant
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Release, Source
from compatmatrix.sources import git
from compatmatrix.sources.build_environment import BuildTools, Failed, keep
from compatmatrix.sources.history import Repository

METADATA_BYTES = 4_000_000

_NOT_COPIED = shutil.ignore_patterns(".git", "__pycache__", ".venv", ".nox", ".tox", ".mypy_cache", ".pytest_cache")


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A source with its wheel at ``url``; ``release`` has what planning needs, as of a published release."""

    source: Source
    release: Release
    url: str


class Unbuildable(Exception):
    """No wheel can be made of the source, which is the source's own fault."""

    def __init__(self, source: Source, why: str) -> None:
        super().__init__(why)
        self.source = source


class Builder:
    """Makes wheels of one package.

    Raises (all methods):
        Unbuildable: no wheel can be made of the source.
        InfrastructureError: the source cannot be reached, or the network, the disk or a tool failed.
    """

    def __init__(self, package: str, tools: BuildTools, cache: Path) -> None:
        self._package, self._tools, self._cache = package, tools, cache

    def address(self, address: Address) -> Built:
        """The wheel of what an address stands for today."""
        if address.path is None:
            repository = Repository(address.url, self._cache)
            return self.commit(repository, repository.fetch(address.reference), address.reference)
        if address.path.suffix == ".whl":
            return self._wheel(address.path)
        if not address.path.is_dir():
            raise UserError(f"{address.text}: is neither a checkout nor a wheel")
        return self._folder(address.path)

    def commit(self, repository: Repository, sha: str, reference: str) -> Built:
        """The wheel of one commit, built with the tools that the index held at the end of the commit's day."""
        commit = repository.commit(sha)
        source = Source(
            package=self._package,
            origin="" if repository.local else repository.name,
            reference=reference,
            commit=sha,
            parent=commit.parents[0] if commit.parents else "",
            committed=commit.committed,
            built=True,
        )
        kept = self._cache / "wheels" / sha
        if not any(kept.glob("*.whl")):
            with repository.checkout(sha) as folder:
                self._build(folder, source, kept)
        return self._built(source, kept)

    def _folder(self, path: Path) -> Built:
        """A checkout: its commit if nothing was changed in it, else its files as they are now."""
        reference, sha, committed = "checkout", "", ""
        local = partial(git.run, folder=path, network=False)
        with suppress(git.Refused):
            sha = local(["rev-parse", "HEAD"]).strip()
            reference = local(["rev-parse", "--abbrev-ref", "HEAD"]).strip()
            top = Path(local(["rev-parse", "--show-toplevel"]).strip())
            changed = local(["status", "--porcelain", "--untracked-files=normal", "--", "."]).strip()
            if not changed and top.resolve() == path.resolve():
                repository = Repository(path.resolve().as_uri(), self._cache)
                return self.commit(repository, sha, reference)
            reference += ", changed"
            committed = format_instant(parse_instant(local(["log", "-1", "--format=%cI", sha]).strip()))
        with untrusted_files.temporary() as scratch:
            copy, out = scratch / "checkout", scratch / "out"
            shutil.copytree(path, copy, ignore=_NOT_COPIED, symlinks=True)
            source = Source(package=self._package, reference=reference, built=True)
            self._build(copy, source, out)
            content = _content(next(out.glob("*.whl")))
            kept = self._cache / "wheels" / content
            if not any(kept.glob("*.whl")):
                keep(out, kept)
        return self._built(msgspec.structs.replace(source, content=content, committed=committed), kept)

    def _wheel(self, path: Path) -> Built:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise UserError(f"the wheel {path} cannot be read: {error.strerror}") from None
        kept = self._cache / "wheels" / content
        if not any(kept.glob("*.whl")):
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept / path.name)
        return self._built(Source(package=self._package, reference="wheel", content=content), kept)

    def _build(self, folder: Path, source: Source, kept: Path) -> None:
        try:
            self._tools.build(folder, kept, _end_of_day(source.committed))
        except Failed as failure:
            raise Unbuildable(source, str(failure)) from None

    def _built(self, source: Source, kept: Path) -> Built:
        wheel = next(kept.glob("*.whl"))
        try:
            name, version, _, _ = parse_wheel_filename(wheel.name)
            with zipfile.ZipFile(wheel) as archive:
                inside = next(part for part in archive.namelist() if part.endswith(".dist-info/METADATA"))
                with archive.open(inside) as file:
                    metadata = BytesHeaderParser().parsebytes(file.read(METADATA_BYTES))
        except (InvalidWheelFilename, zipfile.BadZipFile, StopIteration, OSError) as error:
            raise Unbuildable(source, f"{wheel.name} is no wheel ({type(error).__name__})") from None
        if name != canonicalize_name(self._package):
            raise Unbuildable(source, f"it is a wheel of {name}, not of {self._package}")
        release = Release(
            version=str(version),
            released=source.committed or None,
            requires_python=metadata.get("Requires-Python"),
            prerelease=True,
            wheels=(wheel.name,),
        )
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        return Built(
            source=msgspec.structs.replace(source, version=str(version)),
            release=release,
            url=f"{wheel.as_uri()}#sha256={digest}",
        )


def _end_of_day(instant: str) -> str | None:
    """The end of the day (UTC) that an instant lies in."""
    if not instant:
        return None
    start = parse_instant(instant).replace(hour=0, minute=0, second=0, microsecond=0)
    return format_instant(start + timedelta(days=1))


def _content(wheel: Path) -> str:
    """The digest of a wheel's files, without their times and order, which differ from build to build."""
    whole = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            whole.update(f"{name}\0{hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return whole.hexdigest()
