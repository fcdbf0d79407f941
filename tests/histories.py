"""Generated ledgers: releases of every sort, beside companions of every sort, on one platform or two."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st
from packaging.version import Version

from compatmatrix.core.model import Outcome, Record, Release, Source
from compatmatrix.core.states import CellState
from compatmatrix.results.ledger import Ledger
from factories import ABSENT, DAY, INCONCLUSIVE, NO_EFFECT, NOT_RUN, PLATFORM, RAISES, SUPPORTED, ledger, probe, record

JITTED = msgspec.structs.replace(probe("jitted", control=True), group="ways-out")
PIECE = msgspec.structs.replace(probe("piece", needs=("jitted",)), group="ladder")
PUT = (probe("held", control=True), JITTED, probe("standalone"), PIECE)
BOTH = ("release-day", "newest")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.4.0rc1", "0.4.0")
PLATFORMS = (PLATFORM, "macos-arm64")
TAMPERED = ("changed files of its environment: subject/core.py",)


@st.composite
def found(draw: st.DrawFn) -> dict[str, Outcome]:
    """The outcomes of a cell; mostly the control works, and now and then a probe was not put."""
    usual = st.sampled_from([SUPPORTED, SUPPORTED, SUPPORTED, RAISES, NO_EFFECT, ABSENT, INCONCLUSIVE, NOT_RUN])
    any_ = st.sampled_from([SUPPORTED, SUPPORTED, RAISES, NO_EFFECT, ABSENT, INCONCLUSIVE, NOT_RUN])
    states = {asked.id: draw(usual if asked.control else any_) for asked in PUT}
    return {name: outcome for name, outcome in states.items() if not draw(st.sampled_from([False] * 9 + [True]))}


@st.composite
def cells(draw: st.DrawFn, subject: str, pairing: str, companion: str, platform: str = PLATFORM) -> Record:
    """A record of one release beside one companion version on a platform."""
    state = draw(st.sampled_from([*[CellState.RAN] * 6, *CellState]))
    made = record(
        subject,
        draw(found()) if state is CellState.RAN else {},
        probes=PUT,
        pairings={pairing: (DAY,)},
        state=state,
        companion=companion,
        cell=f"{subject}-{pairing}-{companion}-{platform}",
        platform=platform,
        detail="" if state is CellState.RAN else "ImportError: no such thing",
    )
    if state in (CellState.NO_PYTHON, CellState.UNRESOLVABLE):
        # What was never resolved has the versions that were asked for, and none of them a Python where none can hold it.
        python = "" if state is CellState.NO_PYTHON else made.python
        versions = made.versions if pairing == "grid" else {"subject": subject}
        made = msgspec.structs.replace(made, python=python, versions=versions)
    tampering = TAMPERED if state is CellState.RAN and draw(st.sampled_from([False] * 5 + [True])) else ()
    return msgspec.structs.replace(made, tampering=tampering)


@st.composite
def histories(draw: st.DrawFn) -> Ledger:
    """A ledger of up to five releases; each has cells of both pairings, of one, or none but pairs of the grid."""
    listed, records = [], []
    platforms = draw(st.sampled_from([PLATFORMS, *[(platform,) for platform in PLATFORMS]]))
    for number, version in enumerate(draw(st.lists(st.sampled_from(VERSIONS), unique=True, min_size=1))):
        listed.append(
            Release(
                version=version,
                released=draw(st.sampled_from([f"2025-01-0{number + 1}T12:00:00Z"] * 4 + [None])),
                yanked=draw(st.sampled_from([False, False, False, True])),
                prerelease=Version(version).is_prerelease,
            )
        )
        for platform in platforms:
            for pairing in draw(st.sampled_from([BOTH, BOTH, BOTH[:1], BOTH[1:], ()])):
                records.append(draw(cells(version, pairing, draw(st.sampled_from(["1.0", "2.0"])), platform)))
            for companion in draw(st.sets(st.sampled_from(["1.0", "2.0", "3.0"]))):
                records.append(draw(cells(version, "grid", companion, platform)))
    if draw(st.booleans()):
        source = Source(package="subject", reference="main", commit="1a2b" * 10, committed="2025-02-01T00:00:00Z")
        made = draw(cells("0.5.0+g1a2b1a2b1a2b", "newest", "2.0", platforms[0]))
        records.append(msgspec.structs.replace(made, source=source))
    return ledger(*records, releases=listed)
