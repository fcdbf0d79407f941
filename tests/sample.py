"""A made-up ledger as large as a real one, for the pages: releases beside their companions, a map of pairs, hostile text.

What it holds depends on nothing but this file, so that what the browser shows is the same in every run.
"""

from __future__ import annotations

from pathlib import Path

from compatmatrix.config import matrix_file
from compatmatrix.config.tables import Config
from compatmatrix.core.encoding import digest
from compatmatrix.core.model import Outcome, Probe, Record, Release
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.results.ledger import Ledger

MATRIX = """\
[subject]
name = "gadget"
title = "Gadget"
releases = ">=0.1"
import = "gadget_api"
headline = "bare-value"
control = "held-value"
question = "Can a bare Value be trained?"
yes = "A bare Value can be trained"
no = "A bare Value cannot be trained"
issue = "https://example.org/owner/gadget/issues/12"

[[companion]]
name = "motor"

[[companion]]
name = "helper"

[pairings.grid]
companion = "motor"
releases = ">=1"
probes = ["held-value", "held-value-jit", "bare-value"]

[pairings.grid.answers]
trains = "held-value"
jits = "held-value-jit"

[python]
versions = ["3.11"]

[platform]
linux-x86_64 = "x86_64-manylinux_2_28"

[tools]
pytest = "8.4.2"
pytest-json-report = "1.5.0"

[environment]
QUIET = "1"

[groups]
headline = "The question"
ladder = "Piece by piece"
ways-out = "Ways out"
traps = "Traps"
neighbors = "Neighbors"

[publish]
schedule = "It runs every day."
recipes = ["bare-value", "way-1", "held-value"]
"""

SCRIPT = "<script>alert(1)</script>"
LINK = "](javascript:alert(1))"
CDATA = "]]>"
LONG = "x" * 10_000
HUGE = "y" * 1_000_000
CONTROL = "bell\x07 null\x00 escape\x1b[31m bidi\u202e nonchar\ufffe"
HOSTILE = (SCRIPT, LINK, CDATA, LONG, CONTROL, "=cmd|' /C calc'!A0", "{{ 7 * 7 }}", "\"'`<&>")
"""What a package may put into an exception's message."""

RELEASES = 31
COMPANIONS = 50
LADDER, WAYS, TRAPS, NEIGHBORS = 16, 11, 4, 6


def make_config(folder: Path) -> Config:
    """The configuration, read from a file as a user's is."""
    path = folder / "matrix.toml"
    path.write_text(MATRIX, encoding="utf-8")
    return matrix_file.load(path, environ={})


def make_probes() -> tuple[Probe, ...]:
    """Forty questions; some have recipes."""
    listed = [("bare-value", "headline", False), ("held-value", "ways-out", True), ("held-value-jit", "ways-out", True)]
    for group, name, count in (
        ("ladder", "step", LADDER),
        ("ways-out", "way", WAYS),
        ("traps", "trap", TRAPS),
        ("neighbors", "other", NEIGHBORS),
    ):
        listed += [(f"{name}-{number}", group, False) for number in range(1, count + 1)]
    return tuple(
        Probe(
            id=name,
            title=f"`{name}` of a Value",
            question=f"Does `{name}` do what it should?",
            advice="It is asked with a number.",
            group=group,
            file=f"test_{group.replace('-', '_')}.py",
            digest=digest(name),
            control=control,
            links=("https://example.org/owner/gadget/issues/12",),
            source=f"def test_{name.replace('-', '_')}(check):\n    assert 1 < 2\n",
            recipes={f"{name}.new.py": f'"""{name}."""\n\nvalue = 1 < 2\nprint(value)\n'} if group != "traps" else {},
        )
        for name, group, control in listed
    )


def make_ledger(hostile: bool = True, headline_since: int | None = None) -> Ledger:
    """Releases 0.1.0 to 0.31.0, two pairings, and the map of pairs.

    Args:
        hostile: whether packages put HOSTILE into their messages.
        headline_since: the number of the release from which the headline is supported, if any.
    """
    probes = make_probes()
    digests = {probe.id: probe.digest for probe in probes}
    releases: dict[str, Release] = {}
    records: dict[str, Record] = {}
    evidence: dict[str, str] = {}
    for number in range(1, RELEASES + 1):
        version = f"0.{number}.0"
        day = f"{2024 + (number - 1) // 12}-{(number - 1) % 12 + 1:02d}-05T12:00:00Z"
        releases[version] = Release(version=version, released=day, requires_python=">=3.10", yanked=number == 30)
        for pairing, motor in (("release-day", number + 9), ("newest", COMPANIONS)):
            outcomes = {}
            state, detail = CellState.RAN, ""
            if pairing == "newest" and number < 12:
                state, detail = CellState.IMPORT_FAILS, f"ImportError: {_said(number, hostile)}"
            else:
                for place, probe in enumerate(probes):
                    outcomes[probe.id] = _outcome(probe, place, number, hostile, headline_since, evidence)
            record = _record(version, number, pairing, motor, state, detail, outcomes, digests)
            records[record.key] = record
        for motor in range(1, COMPANIONS + 1):
            record = _pair(version, number, motor, digests, hostile)
            records[record.key] = record
    return Ledger(records=records, releases=releases, evidence=evidence)


def _outcome(
    probe: Probe, place: int, number: int, hostile: bool, headline_since: int | None, evidence: dict[str, str]
) -> Outcome:
    good = Outcome(state=OutcomeState.SUPPORTED, value=0.9858, recipe=next(iter(probe.recipes), None))
    if probe.group == "traps":
        return Outcome(state=OutcomeState.NO_EFFECT, message="found 0, expected 0.98", value=0.0)
    if probe.control or (probe.group == "headline" and headline_since is not None and number >= headline_since):
        return good
    if number < 3:
        return Outcome(state=OutcomeState.ABSENT, note="gadget.Trainer does not exist here")
    if probe.group != "headline" and number > place % 20 + 6:
        return good
    text = HUGE if hostile and (place, number) == (0, 5) else _said(place + number, hostile)
    trace = f"Traceback (most recent call last):\n  gadget/core.py:{number} in train\n{text[:5000]}"
    evidence[digest(trace)] = trace
    kind = "TypeError" if number < 9 else "ValueError"
    return Outcome(
        state=OutcomeState.RAISES,
        exception=kind,
        message=text,
        where=f"gadget/core.py:{number} in train",
        signature=f"{kind}: {text[:160]}",
        evidence=digest(trace),
        recipe=next(iter(probe.recipes), None),
    )


def _said(number: int, hostile: bool) -> str:
    return HOSTILE[number % len(HOSTILE)] if hostile else "no bare Value"


def _pair(version: str, number: int, motor: int, digests: dict[str, str], hostile: bool) -> Record:
    distance = motor - (number + 9)
    outcomes: dict[str, Outcome] = {}
    state, detail = CellState.RAN, ""
    if distance < -12:
        state, detail = CellState.UNRESOLVABLE, f"gadget {version} needs motor>={number - 3}"
    elif distance > 15:
        state, detail = CellState.IMPORT_FAILS, f"ImportError: cannot import name {_said(motor, hostile)}"
    else:
        good = Outcome(state=OutcomeState.SUPPORTED)
        bad = Outcome(
            state=OutcomeState.RAISES, exception="TypeError", message=SCRIPT, signature=f"TypeError: {SCRIPT}"
        )
        outcomes = {
            "held-value": bad if distance > 11 else good,
            "held-value-jit": bad if distance > 7 else good,
            "bare-value": bad,
        }
    return _record(version, number, "grid", motor, state, detail, outcomes, digests)


def _record(
    version: str,
    number: int,
    pairing: str,
    motor: int,
    state: CellState,
    detail: str,
    outcomes: dict[str, Outcome],
    digests: dict[str, str],
) -> Record:
    name = digest([version, pairing, motor])
    pins = [f"gadget=={version}", f"motor=={motor}.0", f"helper==1.{number}"]
    return Record(
        key=name,
        cell=name,
        subject=version,
        python="3.11",
        platform="linux-x86_64",
        versions={"gadget": version, "motor": f"{motor}.0", "helper": f"1.{number}"},
        pairings={pairing: ("2026-11-20T10:00:00Z",)},
        state=state,
        detail=detail,
        lock=tuple(f"{pin} --hash=sha256:{digest(pin)}" for pin in pins) if state is not CellState.UNRESOLVABLE else (),
        probes={probe: digests[probe] for probe in outcomes},
        outcomes=outcomes,
        recorded="2026-11-20T10:00:00Z",
    )
