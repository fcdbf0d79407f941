"""Findings of `check` as text, as JSON, and as annotations of a GitHub workflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.errors import Explanation
from compatmatrix.analysis.grid import UNTRIED
from compatmatrix.analysis.remedies import complete, elsewhere
from compatmatrix.analysis.remedies import remedies as remedies_of
from compatmatrix.analysis.standing import Evidence, PairStatus, RangeStatus, Standing
from compatmatrix.core import sanitize
from compatmatrix.core.text import grouped, spans
from compatmatrix.projects.findings import Finding

SHOWN = 5
"""Reasons, cells and pairs that are listed of many."""

_LEVELS: Mapping[Standing, str] = {
    Standing.GOOD: "notice",
    Standing.BROKEN: "error",
    Standing.ELSEWHERE: "warning",
    Standing.UNKNOWN: "warning",
}


def as_json(compatibility: Compatibility, findings: Sequence[Finding]) -> str:
    """All findings as one JSON object."""
    tree = {"schema": 1, "subject": compatibility.subject, "as_of": compatibility.as_of, "findings": findings}
    return msgspec.json.format(msgspec.json.encode(tree, order="sorted"), indent=1).decode()


def as_text(finding: Finding) -> str:
    """A finding in lines: what, and how that is known."""
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return "\n    ".join([f"{place}: {title(finding)}", *_details(finding)])


def as_annotation(finding: Finding) -> str:
    """A finding as a workflow command: one line, in which nothing can be read as another command."""
    properties = {"file": finding.file, "title": title(finding)} | ({"line": str(finding.line)} if finding.line else {})
    written = ",".join(f"{name}={_property(text)}" for name, text in properties.items())
    message = "\n".join(_details(finding)) or title(finding)
    return f"::{_LEVELS[finding.standing]} {written}::{_data(message)}"


def title(finding: Finding) -> str:
    """What is known, in a line: a reason names what stands in the file."""
    return sanitize.line(_title(finding), 1000)


def _title(finding: Finding) -> str:
    if finding.pair:
        return f"{_beside(finding.pair.versions, 2)}: {finding.standing.value}"
    if finding.ranges:
        names = " with ".join(f"{name}{specifier or ' (any)'}" for name, specifier in finding.ranges.specifiers.items())
        return f"{names}: {finding.standing.value}"
    return f"{finding.standing.value}: {finding.reason}" if finding.examined else f"not examined: {finding.reason}"


def explanation(compatibility: Compatibility, found: Explanation) -> str:
    """What is on record of an error and what works instead, in lines."""
    lines = [found.signature if found.exact else f"not on record as it is; the closest: {found.signature}"]
    if found.cause:
        lines.append(" ".join(("explained by a person:", found.cause.cause, *found.cause.links)))
    lines += ["comes up at the import"] if found.import_fails else []
    lines += [f"comes up in: {', '.join(found.probes)}"] if found.probes else []
    remedies = remedies_of(compatibility, found)
    if requirements := next((one.requirements for one in remedies if one.requirements), ()):
        lines.append(f"works: {install(requirements)}")
    if recipe := next((one for one in remedies if one.recipe), None):
        name = compatibility.subject
        lines.append(f"works on {name} {recipe.release}: `recipe --only '{name}=={recipe.release}'` prints it")
    for probe, bounds in elsewhere(compatibility, found).items():
        others = [one.words for one in bounds.beside]
        lines.append("; ".join([f"{probe} is supported in {compatibility.subject}{bounds.specifier}", *others]))
        if together := complete(compatibility, found, probe):
            lines.append(f"{probe} works with: {install(together)}")
    subject, companion = compatibility.subject, compatibility.companion
    seen = grouped((versions[subject], versions.get(companion, "")) for versions in found.versions)
    same = grouped((_seen_words(compatibility, found, release, seen[release]), release) for release in seen)
    releases = [release.version for release in compatibility.view.releases]
    lines += [f"{subject} {spans(of_them, releases)}{words}" for words, of_them in same.items()]
    return "\n    ".join(lines)


def _seen_words(compatibility: Compatibility, found: Explanation, release: str, companions: Sequence[str]) -> str:
    """Beside which of the companion's versions an error was seen on a release, and with which the release works."""
    name = compatibility.companion
    beside = f" with {name} {compatibility.joined(release, companions)}" if any(companions) else ""
    good = compatibility.works_with(release) if release in found.of_versions else ""
    return f"{beside}; works with {name} {good}" if good else beside


def install(requirements: Iterable[str]) -> str:
    """The command that installs requirements; quoted, for a shell takes a `>` for a redirection."""
    return " ".join(["pip install", *(f'"{requirement}"' for requirement in requirements)])


def _details(finding: Finding) -> list[str]:
    details: Iterable[str] = _of_ranges(finding.ranges) if finding.ranges else ()
    if finding.pair:
        # Cells of one pair may differ in packages that are not named here.
        details = dict.fromkeys((*_of_pair(finding.pair), *_not_seen(finding.pair.evidence, finding)))
    return [*details, *finding.beside]


def _of_pair(pair: PairStatus) -> Iterable[str]:
    subject, companion = list(pair.versions)[:2]
    if pair.reason:
        yield sanitize.line(pair.reason)
    for evidence in pair.evidence[:SHOWN]:
        beside = ", ".join(
            f"{name} {version}" for name, version in evidence.versions.items() if name not in (subject, companion)
        )
        yield (
            f"{'not installable' if evidence.kind in UNTRIED else 'seen'} on {evidence.platform}, "
            f"Python {evidence.python or '(none)'}{f', with {beside}' if beside else ''} ({evidence.recorded})"
        )
    if pair.pythons:
        yield f"{subject} {pair.versions[subject]} {pair.pythons}"
    for neighbor in pair.neighbors:
        yield f"nearest on record: {_beside(neighbor.versions, 2)}: {neighbor.standing.value}{_after(neighbor.reason)}"
    if pair.nearest:
        yield "nearest that works: " + " ".join(f"{name}=={version}" for name, version in pair.nearest.items())
    if pair.untried_with and not pair.works_with:
        yield f"not examined there, known good on another Python: {subject} {pair.versions[subject]} with {companion} {pair.untried_with}"
    if pair.works_with:
        yield f"{subject} {pair.versions[subject]} works with {companion} {pair.works_with}"


def _not_seen(evidence: Sequence[Evidence], finding: Finding) -> Iterable[str]:
    seen = {one.python for one in evidence if one.kind not in UNTRIED}
    unseen = [python for python in finding.pythons if python not in seen]
    if finding.standing is Standing.GOOD and unseen and len(finding.pythons) > len(unseen):
        yield f"not seen on Python {', '.join(unseen)}"
    for name, version in finding.reported.items():
        if evidence and version not in {one.versions.get(name) for one in evidence}:
            yield f"not seen with {name} {version}"


def _of_ranges(ranges: RangeStatus) -> list[str]:
    subject, companion = ranges.specifiers
    lines = [
        f"{len(ranges.good)} admitted pairs are known good, {len(ranges.broken)} broken, {len(ranges.unknown)} not known"
    ]
    for reason, pairs in sorted(ranges.reasons.items(), key=lambda one: -len(one[1]))[:SHOWN]:
        lines.append(f"broken: {_listed(subject, companion, pairs)}: {sanitize.line(reason)}")
    if ranges.unknown:
        lines.append(f"not known: {_listed(subject, companion, ranges.unknown)}")
    if ranges.elsewhere:
        lines.append(
            f"seen on another platform or Python, or with other versions, only: {_listed(subject, companion, ranges.elsewhere)}"
        )
    if ranges.refused:
        lines.append("; ".join(ranges.refused[-SHOWN:]))
    if ranges.bounds and ranges.standing is not Standing.GOOD:
        lines.append("known good throughout: " + " ".join(f'"{name}{bound}"' for name, bound in ranges.bounds.items()))
    lines.append(
        "later releases are not on record: "
        + ", ".join(f"after {name} {newest}" for name, newest in ranges.newest.items())
    )
    return lines


def _listed(subject: str, companion: str, pairs: Sequence[tuple[str, str]]) -> str:
    shown = "; ".join(f"{subject} {one} with {companion} {other}" for one, other in pairs[-SHOWN:])
    return shown + (f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else "")


def _beside(versions: Mapping[str, str], count: int) -> str:
    return " with ".join(f"{name} {version}" for name, version in list(versions.items())[:count])


def _after(reason: str) -> str:
    return f", {sanitize.line(reason, 160)}" if reason else ""


def _data(text: str) -> str:
    """Text of a workflow command: https://docs.github.com/actions/reference/workflow-commands."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
