"""Writes all reports below a folder: each file whole or not at all, and only where its content is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from compatmatrix.analysis import support
from compatmatrix.config.tables import Config
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import replace
from compatmatrix.core.model import Probe
from compatmatrix.publish import markdown, site
from compatmatrix.results.ledger import Ledger

SITE = "site"
"""The folder below `reports/` that holds made files only: what is not made any more is taken away."""


def contents(ledger: Ledger, config: Config, probes: Sequence[Probe]) -> Mapping[str, bytes]:
    """Path below `reports/` -> bytes of every derived file."""
    view = support.view(ledger, config, probes)
    earlier = support.view(support.before(ledger, view.as_of), config, probes)
    pages = site.contents(view)
    return {
        # The site holds these too, so that it is whole wherever it is put; git keeps equal files once.
        "compatibility.json": pages["compatibility.json"],
        "compatibility.schema.json": pages["compatibility.schema.json"],
        "compatibility.md": markdown.render(view, earlier).encode(),
        **{f"{SITE}/{name}": content for name, content in pages.items()},
    }


def write(reports: Path, files: Mapping[str, bytes]) -> None:
    """Raises InfrastructureError where the disk does not take a file."""
    try:
        for name, content in files.items():
            path = reports / name
            if path.is_file() and path.read_bytes() == content:
                continue
            # What a run left that was killed in the middle; below the site all that is not ours goes anyway.
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
