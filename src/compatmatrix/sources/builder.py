"""A source -> a wheel: what is not released yet, built from a commit, a checkout, or taken from a wheel as it is.

Building from source is allowed for sources alone. Wheels are kept in the engine's cache under the commit they were built from.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from contextlib import suppress
from datetime import timedelta
from email.parser import BytesHeaderParser
from pathlib import Path

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from compatmatrix.config.source_addresses import Address
from compatmatrix.core import untrusted_files
from compatmatrix.core.encoding import format_instant, parse_instant
from compatmatrix.core.model import InfrastructureError, Release, Source
from compatmatrix.sources import git
from compatmatrix.sources.build_environment import Failed, Yard, keep
from compatmatrix.sources.history import Repository

METADATA_BYTES = 4_000_000

_NOT_COPIED = shutil.ignore_patterns(".git", "__pycache__", ".venv", ".nox", ".tox", ".mypy_cache", ".pytest_cache")


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A source with its wheel; ``release`` is what a plan has to know of it, as of a published one."""

    source: Source
    release: Release
    url: str


class Unbuildable(Exception):
    """No wheel can be made of the source: its own fault, so a fact."""

    def __init__(self, source: Source, why: str) -> None:
        super().__init__(why)
        self.source = source


class Builder:
    """Makes wheels of one package."""

    def __init__(self, package: str, yard: Yard, cache: Path) -> None:
        self._package, self._yard, self._cache = package, yard, cache

    def address(self, address: Address) -> Built:
        """The wheel of what the address stands for today.

        Raises:
            Unbuildable: no wheel can be made of it.
            InfrastructureError: it cannot be reached, or something of ours failed.
        """
        if address.path is None:
            repository = Repository(address.url, self._cache)
            return self.commit(repository, repository.fetch(address.reference), address.reference)
        if address.path.suffix == ".whl":
            return self._wheel(address.path)
        if not address.path.is_dir():
            raise InfrastructureError(f"{address.text} is neither a checkout nor a wheel")
        return self._folder(address.path)

    def commit(self, repository: Repository, sha: str, reference: str) -> Built:
        """The wheel of one commit, built with what its index held at the end of the commit's day.

        Raises:
            Unbuildable: the commit has no wheel; ``source`` says which commit.
            InfrastructureError: something of ours failed.
        """
        source = of_commit(self._package, repository, sha, reference)
        kept = self._cache / "wheels" / sha
        if not any(kept.glob("*.whl")):
            with repository.checkout(sha) as folder:
                self._build(folder, source, kept)
        return self._built(source, kept)

    def _folder(self, path: Path) -> Built:
        """A checkout: its commit if that is all there is to it, else its files as they are now."""
        reference, sha, changed = "checkout", "", True
        with suppress(git.Refused):
            sha = git.run(["rev-parse", "HEAD"], folder=path).strip()
            reference = git.run(["rev-parse", "--abbrev-ref", "HEAD"], folder=path).strip()
            changed = bool(git.run(["status", "--porcelain", "--", "."], folder=path).strip())
            top = Path(git.run(["rev-parse", "--show-toplevel"], folder=path).strip())
            if not changed and top.resolve() == path.resolve():
                repository = Repository(path.resolve().as_uri(), self._cache)
                repository.fetch("HEAD")
                return self.commit(repository, sha, reference)
        mark = (
            format_instant(parse_instant(git.run(["log", "-1", "--format=%cI", sha], folder=path).strip()))
            if sha
            else ""
        )
        with untrusted_files.temporary() as scratch:
            copy, out = scratch / "checkout", scratch / "out"
            shutil.copytree(path, copy, ignore=_NOT_COPIED, symlinks=True)
            source = Source(package=self._package, reference=f"{reference}, changed" if sha else reference, built=True)
            self._build(copy, source, out)
            content = _content(next(out.glob("*.whl")))
            kept = self._cache / "wheels" / content
            if not any(kept.glob("*.whl")):
                keep(out, kept)
        return self._built(msgspec.structs.replace(source, content=content, committed=mark), kept)

    def _wheel(self, path: Path) -> Built:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise InfrastructureError(f"the wheel {path.name} cannot be read: {error.strerror}") from None
        kept = self._cache / "wheels" / content
        if not any(kept.glob("*.whl")):
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept / path.name)
        return self._built(Source(package=self._package, reference="wheel", content=content), kept)

    def _build(self, folder: Path, source: Source, kept: Path) -> None:
        try:
            self._yard.build(folder, kept, end_of_day(source.committed) if source.committed else None)
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


def of_commit(package: str, repository: Repository, sha: str, reference: str) -> Source:
    """The source that a commit is, as far as its history says."""
    commit = repository.commit(sha)
    origin = "" if repository.url.startswith("file:") else repository.name
    return Source(
        package=package,
        origin=origin,
        reference=reference,
        commit=sha,
        parent=commit.parents[0] if commit.parents else "",
        committed=commit.committed,
        built=True,
    )


def name_of(source: Source) -> str:
    """``main at 1a2b3c4d5e6f``."""
    return f"{source.reference} at {source.short}" if source.commit else source.reference


def end_of_day(instant: str) -> str:
    """The end of the day (UTC) that an instant lies in."""
    start = parse_instant(instant).replace(hour=0, minute=0, second=0, microsecond=0)
    return format_instant(start + timedelta(days=1))


def _content(wheel: Path) -> str:
    """Digest of a wheel's files: times and order, which differ from build to build, are no part of it."""
    whole = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            whole.update(f"{name}\0{hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return whole.hexdigest()
