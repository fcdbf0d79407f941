"""A source -> a wheel: what is not released yet, built from a commit, a checkout, or taken from a wheel as it is.

Building from source is allowed here alone. It runs the repository's own code, so it happens in an environment of its
own with nothing of the user's in it. Wheels are kept in the engine's cache under the commit they were built from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from email.parser import BytesHeaderParser
from pathlib import Path

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from compatmatrix import git, plain, uv
from compatmatrix.addresses import Address
from compatmatrix.config import Index
from compatmatrix.history import Repository
from compatmatrix.model import Release, Source, Trouble, format_instant, parse_instant

METADATA_BYTES = 4_000_000

# What a build inherits of the environment: enough to run and to reach the index, nothing that could be a secret.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "UV_CACHE_DIR", "UV_HTTP_TIMEOUT")
_NETWORK = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "UV_HTTP_RETRIES",
    "UV_NATIVE_TLS",
)

# How uv says that it is the source which cannot be built, and what says that it is something of ours all the same.
_UNBUILDABLE = (
    "The build backend returned an error",
    "does not appear to be a Python project",
    "No solution found when resolving",
    "Invalid `pyproject.toml`",
    "Failed to parse",
    "does not match",
    "requires a different Python",
    "is incompatible with",
)
_OURS = (
    "error sending request",
    "Failed to fetch",
    "Connection refused",
    "Connection reset",
    "name resolution",
    "timed out",
    "No space left",
    "Permission denied",
)

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
    """Makes wheels of one package, with the first of the Pythons that is here and that the source admits."""

    def __init__(
        self, package: str, index: Index, pythons: Sequence[str], find: Callable[[str], Path | None], cache: Path
    ) -> None:
        self._package, self._index, self._cache = package, index, cache
        self._pythons, self._find = pythons, find

    def address(self, address: Address) -> Built:
        """The wheel of what the address stands for today.

        Raises:
            Unbuildable: no wheel can be made of it.
            Trouble: it cannot be reached, or something of ours failed.
        """
        if address.path is None:
            repository = Repository(address.url, self._cache)
            return self.commit(repository, repository.fetch(address.reference), address.reference)
        if address.path.suffix == ".whl":
            return self._wheel(address.path)
        if not address.path.is_dir():
            raise Trouble(f"{address.text} is neither a checkout nor a wheel")
        return self._folder(address.path)

    def commit(self, repository: Repository, sha: str, reference: str) -> Built:
        """The wheel of one commit, built with what its index held at the end of the commit's day.

        Raises:
            Unbuildable: the commit has no wheel; ``source`` says which commit.
            Trouble: something of ours failed.
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
        with tempfile.TemporaryDirectory(prefix="compatmatrix-", ignore_cleanup_errors=True) as scratch:
            copy, out = Path(scratch) / "checkout", Path(scratch) / "out"
            shutil.copytree(path, copy, ignore=_NOT_COPIED, symlinks=True)
            source = Source(package=self._package, reference=f"{reference}, changed" if sha else reference, built=True)
            self._build(copy, source, out)
            content = _content(next(out.glob("*.whl")))
            kept = self._cache / "wheels" / content
            if not any(kept.glob("*.whl")):
                _move(out, kept)
        return self._built(msgspec.structs.replace(source, content=content, committed=mark), kept)

    def _wheel(self, path: Path) -> Built:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise Trouble(f"the wheel {path.name} cannot be read: {error.strerror}") from None
        kept = self._cache / "wheels" / content
        if not any(kept.glob("*.whl")):
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept / path.name)
        return self._built(Source(package=self._package, reference="wheel", content=content), kept)

    def _build(self, folder: Path, source: Source, kept: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="compatmatrix-", ignore_cleanup_errors=True) as home:
            out = Path(home) / "out"
            arguments: list[str | Path] = ["build", "--wheel", "--out-dir", out, "--python", self._python(folder)]
            arguments += uv.index_arguments(self._index)
            if source.committed:
                # A commit builds tomorrow as it does today, whatever becomes of its build tools.
                arguments += ["--exclude-newer", end_of_day(source.committed)]
            environ = {name: os.environ[name] for name in (*_INHERITED, *_NETWORK) if name in os.environ}
            environ |= {"HOME": home, "USERPROFILE": home}
            try:
                uv.run([*arguments, folder], environ=environ)
            except (uv.Refused, Trouble) as failure:
                text = str(failure)
                own = any(sign in text for sign in _UNBUILDABLE) and not any(sign in text for sign in _OURS)
                if own and "missing an upload date" not in text:
                    raise Unbuildable(source, _reason(text, str(folder))) from None
                raise Trouble(f"{name_of(source)} could not be built: {text[-1000:]}") from None
            _move(out, kept)

    def _python(self, folder: Path) -> Path:
        """What `requires-python` of the checkout's pyproject.toml says is believed, where it says anything."""
        admitted = SpecifierSet()
        with suppress(OSError, ValueError, KeyError, AttributeError, InvalidSpecifier):
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            admitted = SpecifierSet(project["requires-python"])
        fitting = [version for version in self._pythons if admitted.contains(f"{version}.99")] or self._pythons
        for version in fitting:
            if python := self._find(version):
                return python
        raise Trouble(f"building from source needs one of Python {', '.join(fitting)}, and none is here")

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
            released=source.committed or "1970-01-01T00:00:00Z",
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


def _move(out: Path, kept: Path) -> None:
    """Put a finished wheel into the cache at once, so that no other run meets half of one."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=kept.parent))
        for wheel in out.glob("*.whl"):
            shutil.copyfile(wheel, partial / wheel.name)
        shutil.rmtree(kept, ignore_errors=True)
        partial.replace(kept)
    except OSError as error:
        raise Trouble(f"the wheel cannot be kept in {kept.parent.name}/: {error.strerror}") from None


def _reason(text: str, folder: str) -> str:
    """What the build said last of its own, without this machine's folders."""
    lines = [line.strip() for line in text.split("\nhint:")[0].splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("error: Failed to build", "Traceback", "File ", "Building"))]
    first = next((number for number, line in enumerate(said) if line.startswith("cause:")), len(said))
    own = said[first - 1] if first else ""
    causes = [line.removeprefix("cause: ") for line in said[first:]]
    whole = ": ".join(part for part in (*causes[:1], own) if part).replace(folder, "the checkout")
    return plain.line(whole or text, 300)
