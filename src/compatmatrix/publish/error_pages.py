"""What the pages say of errors: one page for each, and what the search on the first page needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from compatmatrix.analysis import errors, remedies
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.errors import Explanation, Sighting
from compatmatrix.analysis.remedies import Remedy
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import by_version
from compatmatrix.core.text import grouped
from compatmatrix.publish import findings
from compatmatrix.publish.render import embedded

_CLASSES = {r"\w": r"\p{L}\p{N}_", r"\d": r"\p{Nd}", r"\s": r"\t-\r\x1c-\x20\x85\p{Z}"}
"""What the short classes of `re` mean, in JavaScript, where they know ASCII alone."""

_BOUNDARY = "(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))".format(_CLASSES[r"\w"])


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command that installs what works, and the releases of the subject for which it is meant."""

    release: str
    install: str


class ErrorPage(msgspec.Struct, frozen=True, kw_only=True):
    """An error as its page shows it.

    Attributes:
        error: what is on record.
        title: the text as it was raised most often.
        seen: release of the subject -> the companion's versions in words, the newest release first.
        commands: the commands that install it, where the versions are at fault.
        recipe: the remedy that is a script, of the newest release that has one.
        supported: the command that installs other versions -> the probes, of those that raise the error, that they support.
        beside: the packages that decide these too, in words.
        evidence: the newest sighting of each probe that has a traceback.
    """

    error: Explanation
    title: str
    seen: Mapping[str, str]
    commands: tuple[Command, ...]
    recipe: Remedy | None
    supported: Mapping[str, Sequence[str]]
    beside: tuple[str, ...]
    evidence: tuple[Sighting, ...]

    @property
    def path(self) -> str:
        return f"error/{self.error.name}.html"


def pages(compatibility: Compatibility) -> tuple[ErrorPage, ...]:
    """A page for every error on record, those seen in most cells first."""
    seen = errors.sightings(compatibility.view)
    return tuple(_page(compatibility, error, seen[signature]) for signature, error in compatibility.errors.items())


def document(pages: Sequence[ErrorPage]) -> str:
    """What the search needs, as JSON for the page: the rules of signatures and the signatures, in the pages' order."""
    tree = {
        "rules": [[javascript(pattern), re.sub(r"\\(\d)", r"$\1", text)] for pattern, text in sanitize.RULES],
        "errors": [f"^(?:{javascript(pattern)})$" for pattern in errors.ERRORS],
        "limits": [sanitize.SIGNATURE, errors.MOST_TEXT, errors.MOST_LINES, errors.CLOSE],
        "signatures": [page.error.signature for page in pages],
    }
    return embedded(tree)


def javascript(pattern: str) -> str:
    """A pattern of `re`, of those that this project uses, for JavaScript with the flags u and s."""
    written, inside = [], False
    for token in re.findall(r"\\?.", pattern):
        if token in ("[", "]"):
            inside = token == "["
        if token == r"\b":
            token = _BOUNDARY
        elif meaning := _CLASSES.get(token):
            token = meaning if inside else f"[{meaning}]"
        written.append(token)
    return "".join(written)


def command(compatibility: Compatibility, release: str) -> Command | None:
    """The command that installs what works with a release of the subject, if anything is known to."""
    requirements = remedies.requirements(compatibility, release)
    return Command(release=release, install=findings.install(requirements)) if requirements else None


def _page(compatibility: Compatibility, error: Explanation, seen: Sequence[Sighting]) -> ErrorPage:
    subject, companion = compatibility.subject, compatibility.companion
    beside = grouped((versions[subject], versions.get(companion, "")) for versions in error.versions)
    found = remedies.remedies(compatibility, error)
    other = remedies.elsewhere(compatibility, error)
    together = {
        probe: remedies.complete(compatibility, error, probe) or [f"{subject}{bounds.specifier}"]
        for probe, bounds in other.items()
    }
    supported = grouped((findings.install(requirements), probe) for probe, requirements in together.items())
    evidence = compatibility.view.evidence
    newest: dict[str, Sighting] = {}
    for one in seen:
        outcome = one.cell.outcomes.get(one.probe)
        if not one.probe or (outcome and outcome.evidence in evidence):
            newest[one.probe] = one
    commands = (command(compatibility, one.release) for one in found if one.release in error.of_versions)
    return ErrorPage(
        error=error,
        title=error.texts[0],
        seen={
            version: compatibility.joined(version, by_version({*beside[version]} - {""}))
            for version in reversed(by_version(beside))
        },
        commands=tuple(one for one in commands if one),
        recipe=next((one for one in found if one.recipe), None),
        supported=supported,
        beside=tuple(dict.fromkeys(one.words for bounds in other.values() for one in bounds.beside)),
        evidence=tuple(newest.values()),
    )
