"""What uv's error messages mean. uv (0.13.9) has no machine-readable errors, so this module, and no other, reads its text."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from packaging.utils import NormalizedName, canonicalize_name

from compatmatrix.core import sanitize

_WHEEL_BROKEN = (
    "The wheel is invalid",
    "Scripts must not use the reserved name",
    "malformed wheel",
    "`RECORD` file is invalid",
    "Failed to extract archive",
    ".dist-info/METADATA`: No such file",
    ".dist-info/WHEEL`: No such file",
    ".dist-info/RECORD`: No such file",
)
_SOURCE_UNBUILDABLE = (
    "The build backend returned an error",
    "does not appear to be a Python project",
    "No solution found when resolving",
    "Invalid `pyproject.toml`",
    "Failed to parse",
    "does not match",
    "requires a different Python",
    "is incompatible with",
)
_INFRASTRUCTURE = (
    "error sending request",
    "timed out",
    "No space left",
    "Permission denied",
)
_INDEX_AT_FAULT = ("missing an upload date", "returned a 403 Forbidden", "lack of valid authentication credentials")
_INFRASTRUCTURE_OF_INSTALL = (*_INFRASTRUCTURE, "Hash mismatch", "Read-only file system")
_INFRASTRUCTURE_OF_BUILD = (
    *_INFRASTRUCTURE,
    *_INDEX_AT_FAULT,
    "Failed to fetch",
    "Connection refused",
    "Connection reset",
    "name resolution",
)
_MACHINE_PARTS = re.compile(
    r"^uv pip sync failed \(\d+\): |(?<=`)/[^`]*/(?=[^/`]+\.dist-info/)|(?<=`)/[^`]*/(?=[^/`]+`)"
)
"""The command's name, and the folder of this machine that a wheel was unpacked in."""


class NoSolution(msgspec.Struct, frozen=True, kw_only=True):
    """No set of releases meets the requirements.

    Attributes:
        reason: the resolver's chain of reasons in one line, without its hints.
        packages: the packages that the message names; may contain words that only look like one.
    """

    reason: str
    packages: frozenset[NormalizedName]


class BrokenWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel cannot be installed as uv received it.

    Attributes:
        reason: the message without paths of this machine.
        package: the package, None where the message does not name it.
        missing: the file (path in the wheel) that uv did not find in it, None where it complains of something else.
    """

    reason: str
    package: NormalizedName | None
    missing: str | None


def no_solution(text: str) -> NoSolution | None:
    """Read a failure of ``uv pip compile``; None where it says nothing about the releases.

    An index without upload times leaves nothing below a date bound, and one that forbids a page (401, 403) has no
    release for the resolver: that is the index's fault, not the releases'.
    """
    if "No solution found" not in text or any(sign in text for sign in _INDEX_AT_FAULT):
        return None
    body = text.split("\nhint:")[0]
    cause = body.split("cause:", 1)[-1] if "cause:" in body else body.split("\n", 1)[-1]
    names = re.findall(
        r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?(?:[=<>!~]=|[<>])|(?:versions? of|Because) ([A-Za-z0-9][\w.-]*)", text
    )
    return NoSolution(
        reason=" ".join(cause.replace("╰─▶", " ").split()),
        packages=frozenset(canonicalize_name(one or other) for one, other in names),
    )


def not_on_the_index(reason: str, names: Iterable[str], release: str) -> str | None:
    """Which of these packages, or this release (``name==version``), the resolver did not find on the index; None if all."""
    if f"there is no version of {release} " in f"{reason} ":
        return release
    lacking = {
        canonicalize_name(name) for name in re.findall(r"([\w.-]+) was not found in the package registry", reason)
    }
    return next((name for name in names if canonicalize_name(name) in lacking), None)


def undated(text: str) -> frozenset[NormalizedName]:
    """The packages with a wheel for which ``uv pip compile`` found no upload time, where a bound asks for it."""
    return frozenset(map(canonicalize_name, re.findall(r"`([^`-]+)-[^`]*\.whl` is missing an upload date", text)))


def deciding_requirement(reason: str) -> str:
    """The requirement that a chain of reasons (`NoSolution.reason`) begins with; the whole chain where it has another form."""
    first = re.match(r"Because (.{1,120}? depends on .{1,120}?)(?: and | we can conclude|,? ?$)", reason)
    return first[1].rstrip(",") if first else reason


def broken_wheel(text: str) -> BrokenWheel | None:
    """Read a failure of ``uv pip sync``; None where it is not, or not certainly, a wheel's."""
    if not _blames(text, _WHEEL_BROKEN, _INFRASTRUCTURE_OF_INSTALL):
        return None
    package = re.search(r"[`(]([\w.-]+)==", text)
    missing = re.search(r"/([^/`]+\.dist-info/\w+)`: No such file", text)
    return BrokenWheel(
        reason=_MACHINE_PARTS.sub("", " ".join(text.split()))[:500],
        package=canonicalize_name(package[1]) if package else None,
        missing=missing[1] if missing else None,
    )


def unbuildable(text: str, folder: str) -> str | None:
    """Why a source cannot be built, from a failure of ``uv build``; None where it is not certainly the source's fault.

    Args:
        folder: path of the checkout on this machine, which the reason must not contain.
    """
    if not _blames(text, _SOURCE_UNBUILDABLE, _INFRASTRUCTURE_OF_BUILD):
        return None
    output, _, rest = text.split("\nhint:")[0].partition("error: Failed to build")
    said = [line.strip() for line in output.splitlines() if line.strip() and not line.endswith("Building wheel...")]
    causes = [line.strip().removeprefix("cause: ") for line in rest.splitlines()[1:]] or [rest.strip()]
    # What the build backend printed last is the reason; where it printed nothing, all that uv says.
    reason = ": ".join([causes[0], said[-1]] if said else causes)
    return sanitize.line(reason.replace(folder, "the checkout") or text, 300)


def _blames(text: str, fault: tuple[str, ...], infrastructure: tuple[str, ...]) -> bool:
    """Whether the message contains a sign of a release's fault and none of an infrastructure error."""
    return any(sign in text for sign in fault) and not any(sign in text for sign in infrastructure)
