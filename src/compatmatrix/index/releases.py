"""Package index -> releases: what was published, when, for which Pythons, yanked or not.

Reads the simple API (PEP 503, 691, 700) with conditional requests and keeps what it read in a small cache, so
that losing the network yields an older list that says how old it is, never a shorter one.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from compatmatrix.config.matrix_file import Index
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import format_instant, parse_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Release

FRESH_SECONDS = 3600
"""How long a list that was read is taken as current without asking the index again."""

TIMEOUT_SECONDS = 30
ATTEMPTS = 4


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a project on the index; ``uploaded`` is None where the index does not say (before PEP 700).

    ``sha256`` is empty where the index gives no such hash, or the list was kept by an earlier version.
    """

    name: str
    version: str
    uploaded: str | None
    requires_python: str | None = None
    yanked: bool = False
    sha256: str = ""


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """A project's list of files as last read from one index (the cache's content)."""

    etag: str | None
    read: float
    files: tuple[File, ...]


Projects = Mapping[str, tuple[File, ...]]


def fetch(
    index: Index, names: Iterable[str], cache: Path, say: Callable[[str], None], now: Callable[[], float] = time.time
) -> Projects:
    """The files of each project over all indexes, newest list that can be had.

    Args:
        say: told about each list that could not be renewed, with its age.

    Raises:
        InfrastructureError: a list can neither be read nor is it in the cache.
    """
    wanted = [(name, address) for name in dict.fromkeys(map(canonicalize_name, names)) for address in index.of(name)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        pages = list(pool.map(lambda pair: _page(pair[0], pair[1], cache, say, now), wanted))
    projects: dict[str, dict[str, File]] = {}
    for (name, _), page in zip(wanted, pages, strict=True):
        for file in page.files:
            projects.setdefault(name, {}).setdefault(file.name, file)
    if missing := sorted({name for name, _ in wanted} - projects.keys()):
        raise InfrastructureError(
            f"no index lists any file of {', '.join(map(repr, missing))} "
            f"(asked: {len({address for _, address in wanted})} index address(es)); "
            "check the names and [index]"
        )
    return {name: tuple(sorted(files.values(), key=lambda file: file.name)) for name, files in projects.items()}


def releases(files: Iterable[File], until: datetime | None = None) -> tuple[Release, ...]:
    """The releases that the files make up, oldest version first; ``until`` gives the world of that instant.

    Yanked means that every file is (PEP 592); an index does not say when it yanked, so a release that is
    yanked today counts as yanked at every earlier instant too.
    """
    grouped: dict[str, list[File]] = {}
    for file in files:
        if until is None or (file.uploaded is not None and parse_instant(file.uploaded) <= until):
            grouped.setdefault(file.version, []).append(file)
    made = [
        Release(
            version=version,
            released=min((file.uploaded for file in group if file.uploaded), default="1970-01-01T00:00:00Z"),
            requires_python=next((file.requires_python for file in group if file.requires_python), None),
            yanked=all(file.yanked for file in group),
            prerelease=Version(version).is_prerelease,
            wheels=tuple(sorted(file.name for file in group if file.name.endswith(".whl"))),
        )
        for version, group in grouped.items()
    ]
    return tuple(sorted(made, key=lambda release: Version(release.version)))


def _page(name: str, address: str, cache: Path, say: Callable[[str], None], now: Callable[[], float]) -> _Page:
    kept = cache / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}.json"
    known: _Page | None = None
    with suppress(OSError, msgspec.DecodeError):
        known = msgspec.json.decode(kept.read_bytes(), type=_Page)
    # A clock set back makes the list look as if it came from the future: ask again.
    if known and 0 <= now() - known.read < FRESH_SECONDS:
        return known
    try:
        page = _read(name, address, known, now())
    except InfrastructureError as trouble:
        if known is None:
            raise
        hours = max(0.0, now() - known.read) / 3600
        say(f"using the list of {name} releases that was read {hours:.1f} hours ago: {trouble}")
        return known
    if not page.files:
        return page  # not kept: what is not there today is asked for again
    try:
        cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(msgspec.json.encode(page))
        os.replace(partial, kept)
    except OSError as error:
        say(
            f"the list of {name} releases could not be kept in {cache.name}/ ({error.strerror}); it will be read again next time"
        )
    return page


def _read(name: str, address: str, known: _Page | None, now: float) -> _Page:
    # Imported late: a run that finds everything in the cache should not pay for an HTTP client.
    import requests
    from pypi_simple import ACCEPT_JSON_PREFERRED, ProjectPage, UnsupportedContentTypeError, UnsupportedRepoVersionError
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    retry = Retry(
        total=ATTEMPTS, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), respect_retry_after_header=False
    )
    headers = {"Accept": ACCEPT_JSON_PREFERRED}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=retry))
            session.mount("https://", HTTPAdapter(max_retries=retry))
            answer = session.get(f"{address.rstrip('/')}/{name}/", headers=headers, timeout=TIMEOUT_SECONDS)
        if answer.status_code == 304 and known:
            return msgspec.structs.replace(known, read=now)
        if answer.status_code == 404:  # an extra index need not hold every project
            if known and known.files:
                raise InfrastructureError(f"the index, which had it, says that there is no {name}")
            return _Page(etag=None, read=now, files=())
        answer.raise_for_status()
        page = ProjectPage.from_response(answer, name)
        return _Page(etag=answer.headers.get("ETag"), read=now, files=_files(page))
    except requests.RequestException as error:
        raise InfrastructureError(f"the index did not answer for {name} ({type(error).__name__})") from None
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(
            f"the index's answer for {name} cannot be read ({type(error).__name__}: {str(error)[:120]})"
        ) from None


def _files(page: object) -> tuple[File, ...]:
    from pypi_simple import ProjectPage

    assert isinstance(page, ProjectPage)
    files: dict[str, File] = {}
    for package in page.packages:
        version = _version(package.filename)
        if version is not None:
            uploaded = package.upload_time
            files[package.filename] = File(
                name=package.filename,
                version=version,
                uploaded=format_instant(parse_instant(uploaded.isoformat())) if uploaded else None,
                # Nothing but visible text gets any further, whatever an index says.
                requires_python=sanitize.line(package.requires_python, 200) if package.requires_python else None,
                yanked=package.is_yanked,
                sha256=package.digests.get("sha256", ""),
            )
    return tuple(files.values())


def _version(filename: str) -> str | None:
    """Version in a wheel's or sdist's name (normalised), None for what is neither (eggs, installers, junk)."""
    if sanitize.line(filename, 500) != filename:
        return None
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
