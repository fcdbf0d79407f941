"""Helpers for text that this project writes itself."""

from __future__ import annotations

from typing import Protocol


def address(base: str, *parts: str) -> str:
    """A web address below another, whether or not ``base`` ends in a slash; empty where there is no base."""
    return "/".join([base.rstrip("/"), *parts]) if base else ""


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
