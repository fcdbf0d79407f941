"""Ready-made releases: a subject with a history, the companions that it meets, and the misfits.

The history, in short: the subject lacks the API, then raises, works once in a yanked release, learns nothing, raises
differently, works, and then needs Python 3.12. Meanwhile companion 2.0 breaks the import of subject 0.2.0, and
companion 3.0 that of subject 0.5.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from .behaviors import ORDINARY, Behavior, sources
from .hostile import MIB, hostile
from .index import LocalIndex
from .wheels import PURE, FakeRelease

TOOLS = ("pytest", "pytest-json-report")
"""What a cell needs besides the releases."""


def day(date: str) -> datetime:
    """Noon of a day in UTC, far from the edges that another time zone would move."""
    return datetime.fromisoformat(date).replace(hour=12, tzinfo=UTC)


def subject(behavior: str | Behavior, version: str, uploaded: str, *, mib: int = MIB) -> FakeRelease:
    """Makes a release of ``subject``; ``dataclasses.replace`` makes it an unusual one.

    Args:
        behavior: A name in ``behaviors.ORDINARY`` or ``hostile.hostile()``, or a behavior of the test's own.
        version: Its version.
        uploaded: Its day, as 2024-01-31.
        mib: How much a flooding release floods.
    """
    found = behavior if isinstance(behavior, Behavior) else {**ORDINARY, **hostile(mib)}[behavior]
    return FakeRelease(
        name="subject",
        version=version,
        uploaded=day(uploaded),
        summary=found.why,
        requires_python=">=3.8",
        requires=("companion>=1.0", "helper"),
        modules=sources(found, version),
        entry_points=found.entry_points,
    )


_COMPANION = '''\
"""Numbers, by way of companionlib."""
import companionlib

__version__ = "{version}"
{ancient}

def add(left, right):
    return companionlib.add(left, right)


def checked(thing):
    raise ValueError(f"<{{thing!r}}> is no number")
'''


def companion(
    version: str, uploaded: str, why: str, *, tag: str = PURE, yanked: bool = False
) -> tuple[FakeRelease, FakeRelease]:
    """Makes a release of ``companion``, and the ``companionlib`` of the same version that goes with it.

    Up to 1.x the library comes only with the extra ``cpu``, from 2.0 on by itself.

    Args:
        version: Their version.
        uploaded: Their day.
        why: What a test learns from it.
        tag: The tag of the library's wheel.
        yanked: Whether both are yanked.
    """
    major = int(version.partition(".")[0])
    extra = '; extra == "cpu"' if major < 2 else ""
    library = f'__version__ = "{version}"\n\n\ndef add(left, right):\n    return left + right\n'
    above = FakeRelease(
        name="companion",
        version=version,
        uploaded=day(uploaded),
        summary=why,
        requires_python=">=3.8",
        requires=(f"companionlib=={version}{extra}",),
        yanked=yanked,
        modules={
            "companion/__init__.py": _COMPANION.format(
                version=version, ancient="ancient = True\n" if major < 2 else ""
            ),
            "companion/legacy.py": "kept_until_3 = True\n" if major < 3 else "",
        },
    )
    below = replace(
        above,
        name="companionlib",
        summary=f"Goes with companion {version}.",
        requires=(),
        tags=(tag,),
        modules={"companionlib/__init__.py": library},
    )
    return above, below


def helper(version: str, uploaded: str, why: str) -> FakeRelease:
    """Makes a release of ``helper``, the second companion: the arithmetic of a training step."""
    source = (
        f'import companion\n\n__version__ = "{version}"\n\n\n'
        "def step(number, gradient, rate=0.1):\n    return companion.add(number, -rate * gradient)\n"
    )
    return FakeRelease(
        "helper", version, day(uploaded), why, ">=3.8", ("companion>=0.9",), modules={"helper/__init__.py": source}
    )


SUBJECT: Mapping[str, FakeRelease] = MappingProxyType(
    {
        "lacks-api": replace(subject("lacks-api", "0.1.0", "2024-01-10"), requires=("companion>=0.9", "helper")),
        "raises": subject("needs-ancient", "0.2.0", "2024-03-05"),
        "works-but-yanked": replace(
            subject("works", "0.2.1", "2024-03-20"),
            summary="Works, but is withdrawn: shown, and never the first that is supported.",
            yanked="deletes the user's files",
        ),
        "no-effect": subject("no-effect", "0.3.0", "2024-07-01"),
        "candidate-of-old": replace(
            subject("works", "0.4.0rc1", "2024-08-20"),
            summary="A candidate older than the newest stable release: nobody is to see it.",
        ),
        "raises-differently": subject("raises-differently", "0.4.0", "2024-09-01"),
        "works": subject("needs-legacy", "0.5.0", "2024-12-01"),
        "needs-newer-python": replace(
            subject("works", "0.6.0", "2025-03-01"),
            summary="Works, on Python 3.12 and newer.",
            requires_python=">=3.12",
        ),
        "candidate": replace(
            subject("works", "0.7.0rc1", "2025-06-01"),
            summary="A candidate newer than every stable release: a row of its own.",
            requires_python=">=3.12",
        ),
    }
)
"""The history, oldest first."""

COMPANIONS: Mapping[str, FakeRelease] = MappingProxyType(
    {
        f"{release.name}-{release.version}": release
        for pair in (
            companion("0.9", "2023-06-01", "Its library has a wheel for one Python only.", tag="cp311-none-any"),
            companion("1.0", "2023-12-01", "The oldest that most of the subject's releases admit."),
            companion("1.1", "2024-02-15", "Release day's companion for 0.2.0."),
            companion("1.2", "2024-02-25", "Newer still on that day, but yanked.", yanked=True),
            companion("2.0", "2024-06-01", "Drops a name: an AttributeError at import of subject 0.2.0."),
            companion("3.0", "2025-01-15", "Empties a module: an ImportError at import of subject 0.5.0."),
            companion("3.1rc1", "2025-06-15", "A candidate, which no pairing takes unasked."),
        )
        for release in pair
    }
)
"""By name and version: ``companion-1.0``, ``companionlib-1.0`` …"""

HELPERS: Mapping[str, FakeRelease] = MappingProxyType(
    {
        "helper-0.1": helper("0.1", "2023-12-10", "Release day's helper for the first releases."),
        "helper-0.2": helper("0.2", "2024-08-01", "Newer, and the same: a lock of its own, but no other answer."),
    }
)

MISFITS: Mapping[str, FakeRelease] = MappingProxyType(
    {
        "unresolvable": replace(
            subject("works", "0.8.0", "2025-07-01"),
            summary="Requires a companion that nobody has published.",
            requires=("companion>=99", "helper"),
        ),
        "no-python": replace(
            subject("works", "0.8.1", "2025-07-02"),
            summary="Requires a Python that nobody has.",
            requires_python=">=3.99",
        ),
        "python-conflict": replace(
            subject("works", "0.8.2", "2025-07-03"),
            summary="Requires Python 3.12, and a companion whose library has a wheel for 3.11 alone.",
            requires_python=">=3.12",
            requires=("companion[cpu]==0.9", "helper"),
        ),
        "sdist-only": replace(
            subject("works", "0.8.3", "2025-07-04"),
            summary="Has no wheel, and its sdist is not to be built.",
            tags=(),
            sdist=True,
        ),
        "wheel-and-sdist": replace(
            subject("works", "0.8.4", "2025-07-05"),
            summary="Works from its wheel; its sdist is to be left alone.",
            sdist=True,
        ),
        "foreign-platform": replace(
            subject("works", "0.8.5", "2025-07-06"),
            summary="Has wheels for a platform that is not examined.",
            tags=("cp311-cp311-win_arm64", "cp312-cp312-win_arm64"),
        ),
    }
)
"""Releases that no cell can be made of, each for its own reason, and one that only looks so."""

HOSTILE: Mapping[str, FakeRelease] = MappingProxyType(
    {name: subject(name, f"0.9.{number}", "2025-08-01") for number, name in enumerate(hostile())}
)
"""One release for each hostile behavior; ``subject(name, version, day, mib=…)`` gives it another version or size."""


def fill(index: LocalIndex, *tables: Mapping[str, FakeRelease], tools: bool = True) -> None:
    """Publishes whole tables, by default the history and its companions, and the test tools with them."""
    for table in tables or (SUBJECT, COMPANIONS, HELPERS):
        index.add(*table.values())
    if tools:
        index.add_installed(*TOOLS)
