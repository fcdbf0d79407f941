"""Fake releases as data, and the valid wheels and sdists that are built from them in milliseconds.

Built by hand with ``zipfile`` because a build backend would take a second a release and need the network for itself,
and because hostile releases must hold what no backend would write.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

PURE = "py3-none-any"
_ZIP_EPOCH = (2020, 1, 1, 0, 0, 0)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


@dataclass(frozen=True)
class FakeRelease:
    """One release of a made-up package, complete enough for uv and pip to lock and install.

    Attributes:
        name: The project's name, in any spelling.
        version: The version; it is not checked, so that an index can list nonsense.
        uploaded: When the index received it; must have a time zone.
        summary: One sentence on why the release exists. It is the wheel's ``Summary``.
        requires_python: ``Requires-Python``, or None for none.
        requires: ``Requires-Dist`` lines; extras are declared from their ``extra == "…"`` markers.
        yanked: False, True, or the reason.
        tags: One wheel is built for each tag; none at all makes a release without wheels.
        modules: Path in site-packages -> source text.
        entry_points: Group -> name -> target.
        files: Further files, by their path in the wheel.
        headers: Further METADATA headers, unescaped: a hostile release may say anything.
        sdist: Whether there is an sdist too. Building it fails: its mere use is a defect.
    """

    name: str
    version: str
    uploaded: datetime
    summary: str = ""
    requires_python: str | None = None
    requires: tuple[str, ...] = ()
    yanked: bool | str = False
    tags: tuple[str, ...] = (PURE,)
    modules: Mapping[str, str] = field(default_factory=dict, hash=False)
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    files: Mapping[str, str | bytes] = field(default_factory=dict, hash=False)
    headers: tuple[tuple[str, str], ...] = ()
    sdist: bool = False

    def __post_init__(self) -> None:
        """Refuses an upload time that would mean another moment on another machine."""
        if self.uploaded.tzinfo is None:
            raise ValueError(f"{self.name} {self.version}: the upload time needs a time zone")

    @property
    def stem(self) -> str:
        """The name and version as file names spell them."""
        return f"{normalize(self.name).replace('-', '_')}-{self.version.replace('-', '_')}"


@dataclass(frozen=True)
class Artifact:
    """One file on an index, with what the index says about it."""

    project: str
    version: str
    filename: str
    content: bytes = field(repr=False)
    uploaded: datetime
    metadata: bytes | None = field(default=None, repr=False)
    requires_python: str | None = None
    yanked: bool | str = False
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        """Takes the hash once: pages list it on every request."""
        object.__setattr__(self, "sha256", sha256(self.content))


def normalize(name: str) -> str:
    """Spells a project's name as PEP 503 does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sha256(content: bytes) -> str:
    """Returns the hexadecimal digest that an index lists."""
    return hashlib.sha256(content).hexdigest()


def metadata(release: FakeRelease) -> bytes:
    """Writes the release's METADATA, version 2.1: static enough for a wheel, but not for uv to trust in an sdist."""
    headers = [("Metadata-Version", "2.1"), ("Name", release.name), ("Version", release.version)]
    if release.summary:
        headers.append(("Summary", release.summary))
    if release.requires_python is not None:
        headers.append(("Requires-Python", release.requires_python))
    extras = sorted({extra for line in release.requires for extra in _EXTRA.findall(line)})
    headers += [("Provides-Extra", extra) for extra in extras]
    headers += [("Requires-Dist", line) for line in release.requires]
    headers += release.headers
    return "".join(f"{key}: {value}\n" for key, value in headers).encode()


def build_wheel(release: FakeRelease, tag: str = PURE) -> bytes:
    """Builds the release's wheel for one tag; the same release always gives the same bytes."""
    info = f"{release.stem}.dist-info"
    members: dict[str, bytes] = {path: text.encode() for path, text in release.modules.items()}
    members |= {path: text.encode() if isinstance(text, str) else text for path, text in release.files.items()}
    members[f"{info}/METADATA"] = metadata(release)
    members[f"{info}/WHEEL"] = _wheel_file(tag)
    if release.entry_points:
        members[f"{info}/entry_points.txt"] = _entry_points(release.entry_points)
    return zip_wheel(members, info)


def zip_wheel(members: Mapping[str, bytes], info: str) -> bytes:
    """Zips a wheel's files and adds its RECORD, deterministically.

    Args:
        members: Path in the wheel -> content, without RECORD.
        info: The dist-info folder, which goes last as the wheel specification recommends.
    """
    paths = sorted(members, key=lambda path: (path.startswith(info), path))
    lines = [f"{_csv(path)},sha256={_record_hash(members[path])},{len(members[path])}" for path in paths]
    record = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    # Stored, not deflated: zlib's output differs between its builds, and over the loopback nothing is gained by it.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            archive.writestr(_zip_entry(path), members[path])
        archive.writestr(_zip_entry(f"{info}/RECORD"), record)
    return buffer.getvalue()


def build_sdist(release: FakeRelease) -> bytes:
    """Builds an sdist that cannot be built: it has no ``pyproject.toml``, and its ``setup.py`` stops with a message."""
    refusal = f"raise SystemExit('the sdist of {release.stem} was built, and no sdist ever must be')\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in (("PKG-INFO", metadata(release)), ("setup.py", refusal.encode())):
            entry = tarfile.TarInfo(f"{release.stem}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), compresslevel=0, mtime=0)


def artifacts(release: FakeRelease) -> tuple[Artifact, ...]:
    """Builds every file of a release: its wheels, and its sdist if it has one."""

    def file(filename: str, content: bytes, described: bytes | None) -> Artifact:
        return Artifact(
            project=normalize(release.name),
            version=release.version,
            filename=filename,
            content=content,
            uploaded=release.uploaded,
            metadata=described,
            requires_python=release.requires_python,
            yanked=release.yanked,
        )

    described = metadata(release)
    built = [file(f"{release.stem}-{tag}.whl", build_wheel(release, tag), described) for tag in release.tags]
    if release.sdist:
        built.append(file(f"{release.stem}.tar.gz", build_sdist(release), None))
    return tuple(built)


def _wheel_file(tag: str) -> bytes:
    """Writes the WHEEL file; a compressed tag such as ``cp311.cp312-none-any`` is spelled out."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]
    pure = "true" if platforms == ["any"] else "false"
    return "\n".join(["Wheel-Version: 1.0", "Generator: fake", f"Root-Is-Purelib: {pure}", *tags, ""]).encode()


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> bytes:
    def lines() -> Iterable[str]:
        for group, entries in groups.items():
            yield f"[{group}]\n"
            yield from (f"{name} = {target}\n" for name, target in entries.items())

    return "".join(lines()).encode()


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _csv(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"\n') else path


def _zip_entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _ZIP_EPOCH)
    entry.create_system = 3  # Unix, on every machine: otherwise the bytes would tell where they were made.
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry
