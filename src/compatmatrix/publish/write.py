"""Writes all reports below a folder: each file whole or not at all, and only where its content is new."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from compatmatrix.analysis.support import View
from compatmatrix.core.encoding import digest
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import replace
from compatmatrix.publish import markdown, site
from compatmatrix.publish.site import NOTHING, Beside

SITE = "site"
"""The folder below `reports/` that is built and not committed; a file in it that is no longer built is removed."""

COMMITTED = ("compatibility.json", "compatibility.schema.json", "timeline.svg")
"""The files of the site that stand beside it too, for readers of the repository."""

MARKDOWN = "compatibility.md"

_PROGRAM = Path(__file__).parents[1]


def contents(view: View, beside: Beside = NOTHING) -> Mapping[str, bytes]:
    """Path below `reports/` -> bytes of every file that is made from the records."""
    pages = site.contents(view, beside)
    return {
        **{name: pages[name] for name in COMMITTED},
        MARKDOWN: markdown.render(view).encode(),
        **{f"{SITE}/{name}": content for name, content in pages.items()},
    }


def written(reports: Path) -> dict[str, bytes]:
    """As `contents`: what is there now. Raises InfrastructureError where a file cannot be read."""
    paths = [*(reports / name for name in (*COMMITTED, MARKDOWN)), *(reports / SITE).rglob("*")]
    try:
        return {path.relative_to(reports).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    except OSError as error:
        raise InfrastructureError(f"the reports in {reports} cannot be read: {error}") from None


def state(sources: object, files: Mapping[str, bytes]) -> str:
    """A digest of reports and of all that they are made of.

    Args:
        sources: The data; this program is added, with the libraries that decide what it writes.
        files: The reports.
    """
    program = {str(path): path.read_bytes() for path in _PROGRAM.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    versions = [sys.version, *map(metadata.version, ("jinja2", "markupsafe", "msgspec", "packaging"))]
    contents = {ascii(name): hashlib.sha256(content).hexdigest() for name, content in (program | {**files}).items()}
    return digest([sources, versions, contents])


def write(reports: Path, files: Mapping[str, bytes]) -> None:
    """Raises InfrastructureError where a file cannot be written."""
    try:
        for name, content in files.items():
            path = reports / name
            if path.is_file() and path.read_bytes() == content:
                continue
            # A partial file of a run that was killed; below the site, all that is not in `files` is removed anyway.
            for left in reports.glob(f".{name}.*") if "/" not in name else ():
                left.unlink(missing_ok=True)
            replace(path, content, durable=False)
        # Only where pages were made: a folder of this name beside another file is not ours.
        made = any(name.startswith(f"{SITE}/") for name in files)
        for path in sorted((reports / SITE).rglob("*")) if made else ():
            if path.is_file() and path.relative_to(reports).as_posix() not in files:
                path.unlink()
    except OSError as error:
        raise InfrastructureError(f"the reports cannot be written to {reports}: {error}") from None
