"""Outcomes and cell states, and the one table of how each is shown and what it says. Readers of reports rely on the spellings."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Color(NamedTuple):
    """One color as a terminal (rich), shields.io and a picture name it."""

    terminal: str
    shield: str
    hex: str


class State(NamedTuple):
    """How a state is shown, and what it says.

    ``label`` names it in a word or two, ``clause`` completes "it …". ``negative``: it speaks against the capability.
    ``known``: it says yes or no. ``installed``: the cell's packages were installed.
    """

    sign: str
    label: str
    clause: str
    meaning: str
    color: Color
    negative: bool = False
    known: bool = False
    installed: bool = False


class _Listed(str, Enum):
    """A state with its row of the table."""

    @property
    def sign(self) -> str:
        return TABLE[self].sign

    @property
    def label(self) -> str:
        return TABLE[self].label

    @property
    def clause(self) -> str:
        return TABLE[self].clause

    @property
    def meaning(self) -> str:
        return TABLE[self].meaning

    @property
    def color(self) -> Color:
        return TABLE[self].color


class OutcomeState(_Listed):
    """What a probe found in a cell."""

    SUPPORTED = "supported"
    RAISES = "raises"
    NO_EFFECT = "no-effect"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not-run"

    @property
    def negative(self) -> bool:
        """Whether it speaks against the capability, and so needs a control that works to mean anything."""
        return TABLE[self].negative

    @property
    def known(self) -> bool:
        """Whether it says yes or no."""
        return TABLE[self].known

    @property
    def yes(self) -> bool | None:
        """Whether it says yes; None where it says neither yes nor no."""
        return self is OutcomeState.SUPPORTED if self.known else None


class CellState(_Listed):
    """How far a cell got. Any state but ``ran`` says nothing about a capability."""

    RAN = "ran"
    UNRESOLVABLE = "unresolvable"
    NO_PYTHON = "no-python"
    INSTALL_FAILED = "install-failed"
    IMPORT_FAILS = "import-fails"
    TIMEOUT = "timeout"
    CRASHED = "crashed"

    @property
    def installed(self) -> bool:
        """Whether the cell's packages were installed."""
        return TABLE[self].installed


_GREEN = Color("green", "brightgreen", "#1a7a4b")
_RED = Color("red", "red", "#b3261e")
_VIOLET = Color("bold magenta", "blueviolet", "#5b21b6")
_YELLOW = Color("yellow", "lightgrey", "#59616c")
_GRAY = Color("dim", "lightgrey", "#59616c")

TABLE: Mapping[str, State] = {
    OutcomeState.SUPPORTED: State(
        "✓", "supported", "is supported", "it ran, and what came out is right", _GREEN, known=True
    ),
    OutcomeState.RAISES: State(
        "✗", "raises", "raises", "an exception came up through the tested library or one beside it", _RED, negative=True, known=True
    ),
    OutcomeState.NO_EFFECT: State(
        "∅", "silently no effect", "silently has no effect",
        "no exception, but what came out is wrong: the dangerous one", _VIOLET, negative=True, known=True,
    ),
    OutcomeState.ABSENT: State(
        "–", "absent", "is absent", "the API asked about does not exist in this release", _GRAY, known=True
    ),
    OutcomeState.INCONCLUSIVE: State(
        "?", "inconclusive", "is inconclusive",
        "a basic check (the control) failed here, or the test itself is at fault: no statement",
        _YELLOW,
    ),
    OutcomeState.NOT_RUN: State(
        "·", "not run", "was not run", "not examined, or the environment did not get as far as the test: no statement", _GRAY
    ),
    CellState.RAN: State("✓", "ran", "ran", "installed, imported, and the probes ran", _GREEN, installed=True),
    CellState.UNRESOLVABLE: State(
        "∦", "unresolvable", "is unresolvable", "no set of packages meets the requirements", _GRAY
    ),
    CellState.NO_PYTHON: State(
        "○", "no compatible Python", "has no compatible Python version",
        "no compatible Python version among those that matrix.toml lists", _GRAY,
    ),
    CellState.INSTALL_FAILED: State(
        "!", "install failed", "cannot be installed", "what the index delivered cannot be installed", _GRAY
    ),
    CellState.IMPORT_FAILS: State(
        "⊘", "import fails", "does not import", "installs, but the import that the tests need fails", _GRAY, installed=True
    ),
    CellState.TIMEOUT: State("⧖", "timeout", "timed out", "no end within the time limit", _GRAY, installed=True),
    CellState.CRASHED: State(
        "☓", "crashed", "crashed", "the process died or left no complete report", _GRAY, installed=True
    ),
}  # fmt: skip
"""State -> its row. The states' spellings are unique, so that a spelling finds its row too."""
