"""The commands for somebody else's project: `check`, `constraints`, `explain`."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.errors import MOST_TEXT
from compatmatrix.analysis.known_good import every, known_good
from compatmatrix.analysis.standing import Standing
from compatmatrix.cli import project_options
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.config.matrix_file import machine_name
from compatmatrix.core.errors import UserError
from compatmatrix.planning.selection import nearest
from compatmatrix.projects import findings, installed, project_files
from compatmatrix.projects.entries import NotReadable, ProjectFile
from compatmatrix.projects.findings import Finding
from compatmatrix.publish import constraints as constraints_file
from compatmatrix.publish import findings as words


def check(context: Context, chosen: project_options.Check) -> int:
    """Print what is known of the versions that a project has."""
    compatibility = context.compatibility()
    _check_probes(compatibility, chosen.needs)
    where = chosen.python_version or "", chosen.platform or "", chosen.needs
    found = [finding for name, reader in _readers(chosen) for finding in _judged(compatibility, name, reader, *where)]
    if chosen.format == "json":
        print(words.as_json(compatibility, found))
    for finding in found if chosen.format != "json" else ():
        print(words.as_annotation(finding)) if chosen.format == "github" else context.say(words.as_text(finding))
    return exit_code(found, chosen.allow_unknown)


def constraints(context: Context, chosen: project_options.Constraints) -> int:
    """Print a set of versions that works with a release."""
    compatibility = context.compatibility()
    _check_probes(compatibility, chosen.needs)
    requirement, name = Requirement(chosen.release), compatibility.subject
    versions = [part.version for part in requirement.specifier if part.operator == "=="]
    if canonicalize_name(requirement.name) != canonicalize_name(name) or len(versions) != 1 or "*" in versions[0]:
        raise UserError(f"{chosen.release}: write {name}==VERSION")
    known = known_good(
        compatibility,
        versions[0],
        python=chosen.python_version or "",
        platform=chosen.platform or "",
        needs=chosen.needs,
    )
    if known is None:
        sets = [*every(compatibility)]
        pythons = sorted({one.python for one in sets if one.subject == versions[0]}, key=Version)
        there = f"; with fewer options there is one, for Python {' and '.join(pythons)}"
        if not pythons:
            there = nearest(requirement.specifier, {one.subject for one in sets})
        raise UserError(f"{chosen.release}: no set of versions is known in which that works{there}")
    context.say(constraints_file.text(known).rstrip("\n"))
    return DONE


def explain(context: Context, chosen: project_options.Explain) -> int:
    """Print what is on record of the errors in a text, and of what a Python has installed; 1 where nothing is."""
    compatibility = context.compatibility()
    found = compatibility.explain(_given(chosen))
    for explanation in found:
        context.say(words.explanation(compatibility, explanation))
    if not found:
        context.say("nothing on record is like this error")
    if chosen.python:
        for finding in _judged(compatibility, str(chosen.python), lambda: installed.read(chosen.python)):
            context.say(words.as_text(finding))
    return DONE if found else UNEXAMINED


def _given(chosen: project_options.Explain) -> str:
    """The text: of the file that is named, else the words themselves, else standard input."""
    text = " ".join(chosen.text)
    try:
        if len(chosen.text) == 1 and len(text) < 1000 and (Path(text).exists() or _names_a_file(text)):
            with Path(text).open("rb") as file:
                return _end(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{text}: cannot be read ({error})") from None
    return text or _end(sys.stdin.buffer)


def _names_a_file(text: str) -> bool:
    """Whether a text is a path, and not the name of an error."""
    return not any(character.isspace() for character in text) and ("/" in text or text.endswith((".txt", ".log")))


def _end(file: BinaryIO) -> str:
    """The end of a text, as much as is looked at, whatever its length and encoding."""
    parts = deque(iter(lambda: file.read(MOST_TEXT), b""), maxlen=5)  # a character has up to four bytes
    return b"".join(parts).decode("utf-8", errors="replace")


def exit_code(found: list[Finding], allow_unknown: bool) -> int:
    """3 where something is known broken, 0 where everything is known good, else 1.

    What could not be examined, and what was seen broken elsewhere, is not allowed as unknown.
    """
    if any(finding.standing is Standing.BROKEN for finding in found):
        return FAILED_ON
    if all(finding.standing is Standing.GOOD or (allow_unknown and _harmless(finding)) for finding in found):
        return DONE
    return UNEXAMINED


def _check_probes(compatibility: Compatibility, needs: Sequence[str]) -> None:
    try:
        compatibility.check_probes(needs)
    except ValueError as error:
        raise UserError(f"--needs {error}") from None


def _harmless(finding: Finding) -> bool:
    """Whether nothing speaks against what is not known."""
    broken = bool(finding.ranges and finding.ranges.broken)
    if finding.pair:
        broken = any(one.standing is Standing.BROKEN for one in finding.pair.evidence)
    return finding.examined and not broken


def _readers(chosen: project_options.Check) -> Iterator[tuple[str, Callable[[], ProjectFile]]]:
    """What is to be read: the Python, the files named, else those of this folder."""
    files = list(chosen.files)
    if chosen.python:
        yield str(chosen.python), lambda: installed.read(chosen.python)
    elif not files and not (files := project_files.found(Path())):
        raise UserError(
            "there is no uv.lock, pylock.toml, poetry.lock, requirements.txt or pyproject.toml here; "
            "name a file, or a Python with --python PATH"
        )
    for file in files:
        yield str(file), lambda file=file: project_files.read(file)  # type: ignore[misc]


def _judged(
    compatibility: Compatibility,
    name: str,
    reader: Callable[[], ProjectFile],
    python: str = "",
    platform: str = "",
    needs: Sequence[str] = (),
) -> Iterator[Finding]:
    try:
        file = reader()
        found = list(findings.judge(compatibility, file, python, platform or file.platform or machine_name(), needs))
        yield from found
        # What was not read can only narrow, and there is nothing to narrow where every version is pinned.
        if not all(finding.pair for finding in found):
            yield from (Finding(file=name, reason=note, examined=False) for note in file.notes)
    except NotReadable as error:
        yield Finding(file=name, reason=str(error), examined=False)
