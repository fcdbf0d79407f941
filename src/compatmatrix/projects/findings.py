"""What is known of what a project's file names: one finding for each set of versions that it may come to. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.standing import Environment, PairStatus, RangeStatus, Standing
from compatmatrix.projects import entries
from compatmatrix.projects.entries import Entry, ProjectFile


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one set of versions, or of the ranges, that a file names.

    Attributes:
        file: as it was given, or the interpreter.
        line: where the file names the subject; 0 where that is not known.
        standing: what it comes to.
        pythons: X.Y of each Python that the file comes to these versions on.
        reason: why nothing can be said, where neither ``pair`` nor ``ranges`` is there.
        examined: whether the file could be read; if not, ``reason`` says why.
        reported: the pinned versions of packages that no pair is told apart by, but whose versions are on record.
        beside: the packages that are only reported and decide what is needed too, with the versions seen, in words.
    """

    file: str
    line: int = 0
    standing: Standing = Standing.UNKNOWN
    pythons: tuple[str, ...] = ()
    platform: str = ""
    reason: str = ""
    examined: bool = True
    pair: PairStatus | None = None
    ranges: RangeStatus | None = None
    reported: Mapping[str, str] = {}
    beside: tuple[str, ...] = ()


def judge(
    compatibility: Compatibility, file: ProjectFile, python: str, platform: str, needs: Sequence[str]
) -> Iterator[Finding]:
    """What is known of a file, for each set of versions that it comes to on some Python.

    Args:
        compatibility: what is on record.
        file: what was read.
        python: X.Y; empty for all that the file is meant for.
        platform: name, as in the records.
        needs: ids of probes that must be supported, besides the controls.

    Raises:
        NotReadable: what the file says of one of the packages is not understood.
    """
    config = compatibility.view.config
    variables = config.platform.get(platform, "")
    sets: dict[tuple[tuple[str, Entry], ...], list[str]] = {}
    for one in (python,) if python else entries.pythons(file):
        for chosen in entries.chosen(file, config.recorded, entries.environment(one, variables)):
            if compatibility.subject in chosen:
                sets.setdefault(tuple(chosen.items()), []).append(one)
    if not sets:
        yield Finding(
            file=file.name,
            platform=platform,
            reason=f"{compatibility.subject} is not in {file.name}",
            pythons=(python,) * bool(python),
        )
    for items, pythons in sets.items():
        yield _finding(compatibility, file, dict(items), pythons, platform, tuple(needs))


def _finding(
    compatibility: Compatibility,
    file: ProjectFile,
    chosen: Mapping[str, Entry],
    pythons: Sequence[str],
    platform: str,
    needs: tuple[str, ...],
) -> Finding:
    subject, companion = chosen[compatibility.subject], chosen.get(compatibility.companion)
    pinned = {package: entry.version for package, entry in chosen.items() if entry.version}
    config = compatibility.view.config
    deciding = config.deciding(needs)
    compared = (*config.named, *deciding)
    # What decides a need is not known good in a version that nobody names; nor is what an installed Python does not have.
    pinned = dict.fromkeys(deciding, "") | pinned
    found = Finding(
        file=file.name,
        line=subject.line,
        pythons=tuple(pythons),
        platform=platform,
        reported={package: version for package, version in pinned.items() if package not in compared},
        beside=tuple(f"{need}: {one.words}" for need in needs for one in compatibility.supported(need).beside),
    )
    for package, entry in chosen.items():
        if entry.source and package in config.named:
            reason = f"{package} is not a release on an index, it comes from: {entry.source}"
            return msgspec.structs.replace(found, reason=reason)
    where = Environment(
        pythons=tuple(pythons),
        platform=platform,
        others={
            package: version
            for package, version in pinned.items()
            if package in compared and package not in (compatibility.subject, compatibility.companion)
        },
        needs=needs,
    )
    if subject.version and companion and companion.version:
        pair = compatibility.status(subject.version, companion.version, where)
        return msgspec.structs.replace(found, pair=pair, standing=pair.standing)
    ranges = compatibility.ranges(subject.specifier, companion.specifier if companion else "", where)
    return msgspec.structs.replace(found, ranges=ranges, standing=ranges.standing)
