"""Whose an exception is: the subject's or a companion's, the probe's own, or that of the probes' `check`."""

from __future__ import annotations

from typing import Any

import msgspec

from compatmatrix.core import sanitize

CHECK_FAILED = "NoEffect"
"""Name of the exception, defined in a file of probes/, that `check` raises when the number is wrong."""

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
    """An exception as the cell describes it; ``own`` is whether a file of the probes defines its class."""

    type: str = ""
    message: str = ""
    own: bool = False
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
    except msgspec.ValidationError:
        return RaisedError()


def subject_frame(error: RaisedError) -> Frame | None:
    """The innermost frame in the subject or a companion; None where the exception came up through neither."""
    return next((frame for frame in reversed(error.frames) if frame.package), None)


def is_check_failure(error: RaisedError) -> bool:
    """Whether the probes' `check` raised it. A release's exception of the same name is not defined in their files."""
    return error.own and error.kind.rsplit(".", 1)[-1] == CHECK_FAILED


def is_probes_skip(error: RaisedError) -> bool:
    """Whether the probe or a helper of it called for the skip. A package can raise one, and put a mark on any probe."""
    paths = [frame.path for frame in error.frames]
    return next((path for path in reversed(paths) if not path.startswith(_PYTEST)), "").startswith(_PROBES)


def is_probes_import_error(error: RaisedError) -> bool:
    """Whether the import failed in the probes' helpers, by something else than what a release lacks."""
    in_probes = bool(error.frames) and error.frames[-1].path.startswith(_PROBES)
    return in_probes and error.type not in _SUBJECT_IMPORT_ERRORS
