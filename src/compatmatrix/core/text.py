"""Helpers for text that this project writes itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Protocol, TypeVar
from urllib.parse import quote

Key = TypeVar("Key")
Value = TypeVar("Value")


def address(base: str, *parts: str) -> str:
    """A web address below another, whether or not ``base`` ends in a slash; empty where there is no base."""
    return "/".join([base.rstrip("/"), *parts]) if base else ""


def upstream(address: str, **versions: str) -> str:
    """A web address with versions in the place of their names in braces."""
    for name, version in versions.items():
        address = address.replace(f"{{{name}}}", quote(version, safe="!+~:"))
    return address


class _Listed(Protocol):
    """What the index lists of a release."""

    @property
    def yanked(self) -> bool: ...
    @property
    def prerelease(self) -> bool: ...


def marks(release: _Listed) -> str:
    """``yanked``, ``pre-release``: why a plain install does not choose the release; nothing where it may."""
    return ", ".join(word for word, holds in (("yanked", release.yanked), ("pre-release", release.prerelease)) if holds)


def aside(text: str) -> str:
    """The text in parentheses after a space; nothing where there is none."""
    return f" ({text})" if text else ""


def counted(number: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def spans(chosen: Collection[str], ordered: Iterable[str]) -> str:
    """``1.0 to 1.6, 2.1``: the chosen of some ordered names, neighbors drawn together."""
    return ", ".join(map(span, runs(chosen, ordered)))


def span(run: Sequence[str]) -> str:
    """``1.0 to 1.6``; of names that begin and end with the same one, that."""
    return run[0] if run[0] == run[-1] else f"{run[0]} to {run[-1]}"


def runs(chosen: Collection[str], ordered: Iterable[str]) -> list[list[str]]:
    """The chosen of some ordered names, in runs of neighbors."""
    return [[*run] for is_chosen, run in groupby(ordered, key=lambda name: name in chosen) if is_chosen]


def alike(names: Sequence[str], said: Callable[[str], Value]) -> Iterator[tuple[str, Value]]:
    """The spans of neighboring names of which the same is said, and that, the last first."""
    for what, group in groupby(reversed(names), key=said):
        yield span([*group][::-1]), what


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Key -> the values that it is given with, both in their order."""
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean x?`` for the known name that is nearest to a word; nothing where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def alternatives(word: str, known: Iterable[str], most: int = 12) -> str:
    """The end of a message about a name that is none of those known: the nearest, and all of them if they are not many."""
    names = list(known)
    near, listed = suggestion(word, names), f"here are {shortened(names, most)}"
    if near:
        return near if len(names) > most else f"{near} T{listed}"
    return f"; t{listed}"


def shortened(names: Iterable[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def without_credentials(text: str) -> str:
    """The text without the user and password of the addresses in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)
