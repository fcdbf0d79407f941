"""What the index answers: the simple API (PEP 503, 629, 658, 691, 700) as pure functions of its artifacts."""

from __future__ import annotations

import fnmatch
import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.message import Message
from urllib.parse import quote, unquote

from packaging.version import InvalidVersion, Version

from .wheels import Artifact, normalize, sha256

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
LEGACY_HTML = "text/html"

# Files never change, as on PyPI. Pages do, from one run of a test to the next, so clients are to ask each time.
_IMMUTABLE = "max-age=365000000, immutable, public"
_REVALIDATE = "max-age=0, must-revalidate"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: The status, or 0 to hang up without any answer.
        body: The body; it is not sent to a HEAD request.
        headers: Without Content-Length.
        announced: The Content-Length to announce when it is to be a lie: the connection is closed short of it.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    announced: int | None = None


def answer(
    path: str, headers: Message, files: Sequence[Artifact], base: str, *, html_only: bool = False, undated: str = ""
) -> Answer:
    """Answers a request.

    Args:
        path: The path below the index's root, such as ``/simple/subject/``.
        headers: The request's headers.
        files: Everything on the index.
        base: The address of the index's root, for links.
        html_only: Whether the index is an old one, without JSON and hence without upload times.
        undated: A glob over the names of files of which no upload time is given.
    """
    path = unquote(path)
    if path.startswith("/files/"):
        return _conditional(_file(path, files), headers)
    parts = path.strip("/").split("/")
    if parts[0] != "simple" or len(parts) > 2:
        return Answer(404)
    canonical = "/simple/" + "".join(f"{normalize(part)}/" for part in parts[1:])
    if path != canonical:
        return Answer(301, headers=(("Location", base + quote(canonical)),))
    accepted = negotiate(headers.get("Accept", "*/*"), (HTML, LEGACY_HTML) if html_only else (JSON, HTML, LEGACY_HTML))
    if accepted is None:
        return Answer(406)
    return _conditional(_page(parts[1:], accepted, files, base, undated), headers)


def negotiate(accept: str, offered: Sequence[str]) -> str | None:
    """Chooses the type that the client likes best, and on equal terms the poorest.

    So ``*/*`` gets HTML, as from PyPI, and a client that needs upload times and forgets to prefer JSON is found out.
    """
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        qualities = [parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q=")]
        weights[kind] = float(qualities[0]) if qualities else 1.0
    weighed = {kind: weights.get(kind, weights.get("*/*", 0.0)) for kind in reversed(offered)}
    best = max(weighed, key=weighed.__getitem__)
    return best if weighed[best] > 0 else None


def file_path(file: Artifact) -> str:
    """Says where a file lies below the index's root: other bytes, another address."""
    return f"/files/{file.sha256[:16]}/{file.filename}"


def _file(path: str, files: Iterable[Artifact]) -> Answer:
    for file in files:
        if path == file_path(file):
            return Answer(
                200, file.content, (("Content-Type", "application/octet-stream"), ("Cache-Control", _IMMUTABLE))
            )
        if path == f"{file_path(file)}.metadata" and file.metadata is not None:
            return Answer(
                200, file.metadata, (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", _IMMUTABLE))
            )
    return Answer(404)


def _page(names: Sequence[str], kind: str, files: Sequence[Artifact], base: str, undated: str) -> Answer:
    """Renders the list of projects, or one project's page."""
    if names:
        own = [file for file in files if file.project == names[0]]
        if not own:
            return Answer(404)
        body = _project_json(names[0], own, base, undated) if kind == JSON else _project_html(names[0], own, base)
    else:
        projects = sorted({file.project for file in files})
        listed = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in projects]}
        body = (
            json.dumps(listed)
            if kind == JSON
            else _html("Simple index", (f'<a href="{name}/">{name}</a>' for name in projects))
        )
    return Answer(200, body.encode(), (("Content-Type", kind), ("Vary", "Accept"), ("Cache-Control", _REVALIDATE)))


def _project_json(name: str, files: Iterable[Artifact], base: str, undated: str) -> str:
    files = list(files)
    return json.dumps(
        {
            "meta": {"api-version": "1.1"},
            "name": name,
            "versions": sorted({file.version for file in files}, key=_version_order),
            "files": [
                {key: value for key, value in _file_json(file, base).items() if not _is_undated(key, file, undated)}
                for file in files
            ],
        }
    )


def _file_json(file: Artifact, base: str) -> dict[str, object]:
    described = {"sha256": sha256(file.metadata)} if file.metadata is not None else False
    return {
        "filename": file.filename,
        "url": base + quote(file_path(file)),
        "hashes": {"sha256": file.sha256},
        "requires-python": file.requires_python,
        "size": len(file.content),
        "upload-time": file.uploaded.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "yanked": file.yanked,
        "core-metadata": described,
        "data-dist-info-metadata": described,
    }


def _is_undated(key: str, file: Artifact, undated: str) -> bool:
    return key == "upload-time" and fnmatch.fnmatch(file.filename, undated)


def _project_html(name: str, files: Iterable[Artifact], base: str) -> str:
    def anchor(file: Artifact) -> str:
        attributes = {"href": f"{base}{quote(file_path(file))}#sha256={file.sha256}"}
        if file.requires_python is not None:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked is not False:
            attributes["data-yanked"] = "" if file.yanked is True else file.yanked
        if file.metadata is not None:
            attributes["data-core-metadata"] = f"sha256={sha256(file.metadata)}"
        listed = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
        return f"<a {listed}>{html.escape(file.filename)}</a>"

    return _html(f"Links for {name}", map(anchor, files))


def _html(title: str, anchors: Iterable[str]) -> str:
    head = f'<head><meta name="pypi:repository-version" content="1.1"><title>{html.escape(title)}</title></head>'
    return (
        f"<!DOCTYPE html>\n<html>{head}<body>\n" + "".join(f"{anchor}<br>\n" for anchor in anchors) + "</body></html>\n"
    )


def _conditional(found: Answer, headers: Message) -> Answer:
    """Adds an ETag, and says 304 to a client that has this very answer already."""
    if found.status != 200:
        return found
    etag = f'"{hashlib.sha256(found.body).hexdigest()[:32]}"'
    tagged = (*found.headers, ("ETag", etag))
    known = [tag.strip().removeprefix("W/") for tag in headers.get("If-None-Match", "").split(",")]
    return Answer(304, headers=tagged) if etag in known or "*" in known else Answer(200, found.body, tagged)


def _version_order(version: str) -> tuple[bool, Version, str]:
    """Sorts versions, and what is none before them."""
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version
