"""Package index -> releases: versions with upload time, Requires-Python, yanked or not.

Reads the simple API (PEP 503, 691, 700) with conditional requests. Lists are cached: where the index cannot be reached,
an older list is used and its age reported, never a shorter one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from compatmatrix.config.tables import Index
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import format_instant, parse_instant
from compatmatrix.core.errors import InfrastructureError, NotAnIndex
from compatmatrix.core.files import replace
from compatmatrix.core.model import Release
from compatmatrix.core.text import address as join
from compatmatrix.core.text import grouped

if TYPE_CHECKING:
    from pypi_simple import ProjectPage

FRESH_SECONDS = 3600
"""How long a list counts as current, without a request to the index."""

TIMEOUT_SECONDS = 30
ATTEMPTS = 4


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a project on the index.

    Attributes:
        uploaded: instant (UTC, ISO 8601); None where the index does not say (it predates PEP 700).
        sha256: empty where the index gives no such hash.
    """

    name: str
    version: str
    uploaded: str | None
    requires_python: str | None = None
    yanked: bool = False
    sha256: str = ""


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """A project's list of files as cached; ``read`` is when the index confirmed it, in seconds since the epoch."""

    etag: str | None
    read: float
    files: tuple[File, ...]


Projects = Mapping[str, tuple[File, ...]]


def fetch(
    index: Index, names: Iterable[str], cache: Path, say: Callable[[str], None], now: Callable[[], float] = time.time
) -> Projects:
    """Read the files of each project, united over all its indexes.

    Args:
        cache: folder of the cached lists.
        say: called with a message for each list that could not be renewed (with its age) or cached.
        now: the clock, in seconds since the epoch.

    Raises:
        InfrastructureError: a list can neither be read nor is it in the cache.
    """
    pages = [(name, address) for name in dict.fromkeys(map(canonicalize_name, names)) for address in index.of(name)]
    projects: dict[str, dict[str, File]] = {name: {} for name, _ in pages}
    with ThreadPoolExecutor(max_workers=8) as pool:
        for (name, _), page in zip(
            pages, pool.map(lambda each: _page(each[0], each[1], cache, say, now), pages), strict=True
        ):
            for file in page.files:
                projects[name].setdefault(file.name, file)
    if missing := sorted(name for name, files in projects.items() if not files):
        raise (NotAnIndex if len(missing) == len(projects) else InfrastructureError)(
            f"no index lists any file of {', '.join(map(repr, missing))} "
            f"(asked: {len({address for _, address in pages})} index address(es)); check the names and [index]"
        )
    return {name: tuple(sorted(files.values(), key=lambda file: file.name)) for name, files in projects.items()}


def releases(files: Iterable[File], until: datetime | None = None) -> tuple[Release, ...]:
    """Group files into releases, oldest version first.

    A release is yanked where each of its files is (PEP 592). An index does not say when it yanked, so a release that is
    yanked today counts as yanked at every earlier instant too.

    Args:
        until: leave out files that were uploaded after this instant, or at an unknown one.
    """
    by_version = grouped(
        (file.version, file)
        for file in files
        if until is None or (file.uploaded is not None and parse_instant(file.uploaded) <= until)
    )
    releases = [
        Release(
            version=version,
            released=min((file.uploaded for file in group if file.uploaded), default=None),
            requires_python=next((file.requires_python for file in group if file.requires_python), None),
            yanked=all(file.yanked for file in group),
            prerelease=Version(version).is_prerelease,
            wheels=tuple(sorted(file.name for file in group if file.name.endswith(".whl"))),
        )
        for version, group in by_version.items()
    ]
    return tuple(sorted(releases, key=lambda release: Version(release.version)))


def _page(name: str, address: str, cache: Path, say: Callable[[str], None], now: Callable[[], float]) -> _Page:
    path = cache / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}.json"
    known: _Page | None = None
    with suppress(OSError, msgspec.DecodeError):
        known = msgspec.json.decode(path.read_bytes(), type=_Page)
    # After the clock was set back, the list's age is negative: it does not count as current.
    if known and 0 <= now() - known.read < FRESH_SECONDS:
        return known
    try:
        page = _read(name, address, known, now())
    except InfrastructureError as error:
        if known is None:
            raise
        hours = max(0.0, now() - known.read) / 3600
        say(f"using the list of {name} releases that was read {hours:.1f} hours ago: {error}")
        return known
    if not page.files:
        return page  # not cached, so that a project that appears is seen at once
    try:
        replace(path, msgspec.json.encode(page), durable=False)
    except OSError as error:
        place = f"{cache.name}/ ({error.strerror})"
        say(f"the list of {name} releases could not be kept in {place}; it will be read again next time")
    return page


def _read(name: str, address: str, known: _Page | None, now: float) -> _Page:
    # Imported late: an HTTP client is slow to import, and not needed where all lists are current.
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
            answer = session.get(join(address, name, ""), headers=headers, timeout=TIMEOUT_SECONDS)
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
        raise NotAnIndex(
            f"the index's answer for {name} cannot be read ({type(error).__name__}: {str(error)[:120]})"
        ) from None


def _files(page: ProjectPage) -> tuple[File, ...]:
    files: dict[str, File] = {}
    for package in page.packages:
        version = _version(package.filename)
        if version is not None:
            uploaded = package.upload_time
            files[package.filename] = File(
                name=package.filename,
                version=version,
                uploaded=format_instant(parse_instant(uploaded.isoformat())) if uploaded else None,
                # Hostile text: it is shown in messages and on pages.
                requires_python=sanitize.line(package.requires_python, 200) if package.requires_python else None,
                yanked=package.is_yanked,
                sha256=package.digests.get("sha256", ""),
            )
    return tuple(files.values())


def _version(filename: str) -> str | None:
    """Version in a wheel's or sdist's name (normalized), None for any other file (eggs, installers)."""
    if sanitize.line(filename, 500) != filename:
        return None
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
