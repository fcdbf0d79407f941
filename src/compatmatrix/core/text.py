"""Helpers for text that this project writes itself."""

from __future__ import annotations


def address(base: str, *parts: str) -> str:
    """A web address below another, whether or not ``base`` ends in a slash; empty where there is no base."""
    return "/".join([base.rstrip("/"), *parts]) if base else ""
