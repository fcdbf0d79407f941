"""View -> on which Pythons each release works, beside the newest version of the map's companion that works at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from packaging.version import Version

from compatmatrix.analysis.grid import UNTRIED, Kind, classify, grid, works
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.pairings import Over, named
from compatmatrix.core.text import aside, grouped, spans
from compatmatrix.index.wheel_tags import admits_python


class Pythons(msgspec.Struct, frozen=True, kw_only=True):
    """The Pythons of ``[pairings.python]`` with one release of the subject.

    Attributes:
        beside: The name and version of the companion; empty where none was examined.
        found: X.Y -> how far the pair gets there and why no further; None where that was not examined.
        why: Why nothing was examined, where that is known.
    """

    beside: str
    found: Mapping[str, tuple[Kind, str] | None]
    why: str = ""

    @property
    def words(self) -> str:
        """``with companion 1.2: works on Python 3.10 to 3.12; import-fails on Python 3.13 (…)``."""
        if not self.beside:
            return f"not examined on each Python{self.why and f': {self.why}'}"
        same = grouped(
            ((_word(one[0]), one[1]) if one else ("not examined", ""), python) for python, one in self.found.items()
        )
        parts = (f"{word} on Python {spans(pythons, self.found)}{aside(why)}" for (word, why), pythons in same.items())
        return f"with {self.beside}: {'; '.join(parts)}"


def _word(kind: Kind) -> str:
    """How far a pair gets, before the Pythons on which it does: a yes to the headline's question is another matter."""
    return "not installable" if kind in UNTRIED else (Kind.WORKS if kind is Kind.HEADLINE else kind).word


def pythons(view: View) -> Mapping[str, Pythons]:
    """By version, the releases that were examined at all, in the order of the view; none where no Python is on record."""
    table, name = view.config.pairings.python, view.config.map_companion
    held: dict[str, dict[str, dict[str, tuple[Kind, str]]]] = {release.version: {} for release in view.releases}
    for cell in view.cells:
        over_pythons = any(named(pairing).over is Over.PYTHON for pairing in cell.pairings)
        if over_pythons and cell.platform == view.platform and cell.subject in held:
            held[cell.subject].setdefault(cell.versions.get(name, ""), {})[cell.python] = classify(view, cell)
    if not table or not any(held.values()):
        return {}
    found, working, rows = {}, newest_working(view), grid(view).rows
    for release, by_companion in held.items():
        if not by_companion and rows[release]:
            why = "" if release in working else f"no {name} is on record beside which it works"
            found[release] = Pythons(beside="", found=dict.fromkeys(table.versions), why=why)
        elif by_companion:
            # A Python that was last examined beside an older version has not been examined beside this one.
            version = max(by_companion, key=Version)
            answers = {python: by_companion[version].get(python) for python in table.versions}
            found[release] = Pythons(beside=f"{name} {version}", found=answers)
    return found


def refusal(view: View, version: str, asked: Sequence[str]) -> str:
    """``subject 1.0 needs Python >=3.12``, where a release admits none of the Pythons (X.Y) asked about; else nothing."""
    release = next((one for one in view.releases if Version(one.version) == Version(version)), None)
    if release is None or not asked or any(admits_python(release, python) for python in asked):
        return ""
    return f"{view.config.subject.name} {release.version} needs Python {sanitize.line(release.requires_python, 60)}"


def newest_working(view: View) -> Mapping[str, str]:
    """Release of the subject -> the newest version of the map's companion beside which every control works."""
    return {
        subject: good[-1]
        for subject, row in grid(view).rows.items()
        if (good := [version for version, pair in row.items() if any(works(view, cell) for cell in pair.cells)])
    }
