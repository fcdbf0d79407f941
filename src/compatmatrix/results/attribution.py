"""Whose an exception is: the subject's or a companion's, the probe's own, or that of a check that failed."""

from __future__ import annotations

from typing import Any

import msgspec

from compatmatrix.core import sanitize

_PROBES = "probes/"
"""How the paths of the probes' frames begin; those of packages are relative to site-packages."""

_PYTEST = ("_pytest/", "pluggy/")

_SUBJECT_IMPORT_ERRORS = ("ImportError", "ModuleNotFoundError", "AttributeError")
"""What the probes' own import raises where a release lacks something."""


class Frame(msgspec.Struct, frozen=True):
    """One frame of a traceback; ``package`` is the subject or the companion that its file belongs to."""

    path: str = ""
    line: Any = None
    function: str = ""
    text: str = ""
    package: str | None = None

    def __str__(self) -> str:
        return f"{sanitize.line(self.path, 200)}:{self.line} in {sanitize.line(self.function, 100)}"


class RaisedError(msgspec.Struct, frozen=True):
    """An exception as the cell describes it.

    Attributes:
        package: The subject or the companion that its class belongs to.
        unknown_module: The module that was not found, if it is none of the subject or a companion.
        check: Whether the fixture `check` raised it.
        answer: Whether it left a `check.answer()`.
    """

    type: str = ""
    message: str = ""
    package: str | None = None
    unknown_module: str | None = None
    check: bool = False
    answer: bool = False
    frames: tuple[Frame, ...] = ()
    left_out: int = 0

    def __str__(self) -> str:
        return f"{self.kind}: {sanitize.line(self.message)}"

    @property
    def kind(self) -> str:
        return sanitize.line(self.type, 100)

    def traceback(self) -> str:
        """The text that is stored as evidence."""
        lines = ["Traceback (most recent call last):"]
        for number, frame in enumerate(self.frames):
            if number == 4 and self.left_out:
                lines.append(f"  [{self.left_out} frames left out]")
            lines.append(f"  {frame}")
            if frame.text:
                lines.append(f"    {sanitize.line(frame.text, 200)}")
        lines.append(f"{self.kind}: {sanitize.block(self.message, 1000)}")
        return sanitize.block("\n".join(lines))


def parse(description: object) -> RaisedError:
    """The exception that a cell describes; one without type and frames where the description is malformed."""
    try:
        return msgspec.convert(description, RaisedError)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return RaisedError()


def subject_frame(error: RaisedError) -> Frame | None:
    """The innermost frame in the subject or a companion; None where the exception came up through neither."""
    return next((frame for frame in reversed(error.frames) if frame.package), None)


def is_answer(error: RaisedError) -> bool:
    """Whether it is the subject's or a companion's: it came up through one, its class is theirs, or the probe says so."""
    return bool(subject_frame(error) or error.package or error.answer)


def is_failed_assert(error: RaisedError, test: str) -> bool:
    """Whether the probe's own `assert` failed, it called `pytest.fail`, or its `pytest.raises` saw nothing.

    An `assert` in a helper is not the probe's: it says that something is wrong with the probes.

    Args:
        test: The name of the probe's function.
    """
    frame = _innermost(error)
    if error.type == "Failed":
        return frame.path.startswith(_PROBES) and frame is not error.frames[-1]
    in_probe = frame.path.startswith(_PROBES) and frame.function.rpartition(".")[2] == test
    return error.type == "AssertionError" and in_probe


def is_probes_skip(error: RaisedError) -> bool:
    """Whether the probe or a helper of it called for the skip. A package can raise one, and put a mark on any probe."""
    return _innermost(error).path.startswith(_PROBES)


def _innermost(error: RaisedError) -> Frame:
    """The innermost frame outside pytest."""
    return next((frame for frame in reversed(error.frames) if not frame.path.startswith(_PYTEST)), Frame())


def is_probes_import_error(error: RaisedError) -> bool:
    """Whether the import failed in the probes' helpers, by something else than what a release lacks."""
    in_probes = bool(error.frames) and error.frames[-1].path.startswith(_PROBES)
    return in_probes and (error.unknown_module is not None or error.type not in _SUBJECT_IMPORT_ERRORS)
