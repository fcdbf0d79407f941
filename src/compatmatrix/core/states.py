"""Outcomes and cell states, and the one table of how each is shown and what it says. Readers of reports rely on the spellings."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, Self


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


_GREEN = Color("green", "brightgreen", "#1a7a4b")
_RED = Color("red", "red", "#b3261e")
_VIOLET = Color("bold magenta", "blueviolet", "#5b21b6")
_YELLOW = Color("yellow", "lightgrey", "#59616c")
_GRAY = Color("dim", "lightgrey", "#59616c")


class _Listed(str, Enum):
    """A state that is its row of the table too."""

    _value_: str
    sign: str
    label: str
    clause: str
    meaning: str
    color: Color
    negative: bool
    known: bool
    installed: bool

    def __new__(cls, value: str, row: State) -> Self:
        state = str.__new__(cls, value)
        state._value_ = value
        vars(state).update(row._asdict())
        return state


class OutcomeState(_Listed):
    """What a probe found in a cell."""

    SUPPORTED = "supported", State(
        "✓", "supported", "is supported", "it ran, and what came out is right", _GREEN, known=True
    )  # fmt: skip
    RAISES = "raises", State(
        "✗", "raises", "raises", "an exception came up through the tested library or one beside it",
        _RED, negative=True, known=True,
    )  # fmt: skip
    NO_EFFECT = "no-effect", State(
        "∅", "silently no effect", "silently has no effect",
        "no exception, but what came out is wrong: the dangerous one", _VIOLET, negative=True, known=True,
    )  # fmt: skip
    ABSENT = "absent", State(
        "–", "absent", "is absent", "the API asked about does not exist in this release", _GRAY, known=True
    )  # fmt: skip
    INCONCLUSIVE = "inconclusive", State(
        "?", "inconclusive", "is inconclusive",
        "a basic check (the control) failed here, or the test itself is at fault: no statement", _YELLOW,
    )  # fmt: skip
    NOT_RUN = "not-run", State(
        "·", "not run", "was not run",
        "not examined, or the environment did not get as far as the test: no statement", _GRAY,
    )  # fmt: skip

    @property
    def yes(self) -> bool | None:
        """Whether it says yes; None where it says neither yes nor no."""
        return self is OutcomeState.SUPPORTED if self.known else None


class CellState(_Listed):
    """How far a cell got. Any state but ``ran`` says nothing about a capability."""

    RAN = "ran", State("✓", "ran", "ran", "installed, imported, and the probes ran", _GREEN, installed=True)
    UNRESOLVABLE = "unresolvable", State(
        "∦", "unresolvable", "is unresolvable", "no set of packages meets the requirements", _GRAY
    )  # fmt: skip
    NO_PYTHON = "no-python", State(
        "○", "no compatible Python", "has no compatible Python version",
        "no compatible Python version among those that matrix.toml lists", _GRAY,
    )  # fmt: skip
    INSTALL_FAILED = "install-failed", State(
        "!", "install failed", "cannot be installed", "what the index delivered cannot be installed", _GRAY
    )  # fmt: skip
    IMPORT_FAILS = "import-fails", State(
        "⊘", "import fails", "does not import", "installs, but the import that the tests need fails", _GRAY, installed=True
    )  # fmt: skip
    TIMEOUT = "timeout", State("⧖", "timeout", "timed out", "no end within the time limit", _GRAY, installed=True)
    CRASHED = "crashed", State(
        "☓", "crashed", "crashed", "the process died or left no complete report", _GRAY, installed=True
    )  # fmt: skip


TABLE: Mapping[str, OutcomeState | CellState] = {state: state for kind in (OutcomeState, CellState) for state in kind}
"""Spelling -> state: no two states have the same."""
