"""Wheel tags (PEP 425, 600): whether a wheel fits a Python on a platform, which need not be this machine's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from packaging import tags
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from compatmatrix.core.model import Release

_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def admits(release: Release, python: str, target: str) -> bool:
    """Whether the release can be installed from a wheel: Requires-Python and some wheel's tags admit the Python.

    Args:
        python: ``X.Y``.
        target: uv's name of a platform, as in ``[platform]`` of matrix.toml.
    """
    return admits_python(release, python) and any(fits(wheel, python, target) for wheel in release.wheels)


def admits_python(release: Release, python: str) -> bool:
    """Requires-Python alone; one that cannot be read is ignored, as installers do."""
    try:
        return SpecifierSet(release.requires_python or "").contains(f"{python}.99")
    except InvalidSpecifier:
        return True


def fits(wheel: str, python: str, target: str) -> bool:
    """Whether a Python (X.Y) on a platform (uv's name) supports one of the wheel's tags."""
    try:
        return not parse_wheel_filename(wheel)[3].isdisjoint(_supported(python, target))
    except InvalidWheelFilename:
        return False


def pythons_of(wheels: Iterable[str]) -> str:
    """The Python tags that the wheels carry, for a message: ``cp39, cp310, cp311``."""
    interpreters = {tag.interpreter for wheel in wheels for tag in parse_wheel_filename(wheel)[3]}
    return ", ".join(sorted(interpreters, key=lambda tag: (len(tag), tag))) or "none"


@cache
def _supported(python: str, target: str) -> frozenset[tags.Tag]:
    major, minor = (int(part) for part in python.split("."))
    interpreter = f"cp{major}{minor}"
    platforms = list(_platforms(target))
    return frozenset(
        [
            *tags.cpython_tags((major, minor), abis=[interpreter], platforms=platforms),
            *tags.compatible_tags((major, minor), interpreter=interpreter, platforms=platforms),
        ]
    )


def _platforms(target: str) -> Iterable[str]:
    if linux := re.fullmatch(r"(\w+?)-manylinux_2_(\d+)", target):
        architecture = linux[1]
        for glibc in range(int(linux[2]), 4, -1):
            yield f"manylinux_2_{glibc}_{architecture}"
            if glibc in _LEGACY_MANYLINUX:
                yield f"{_LEGACY_MANYLINUX[glibc]}_{architecture}"
        yield f"linux_{architecture}"
    elif target.endswith("-apple-darwin"):
        architecture = {"aarch64": "arm64"}.get(target.split("-")[0], target.split("-")[0])
        yield from tags.mac_platforms((14, 0), architecture)
    elif "windows" in target:
        yield {"x86_64": "win_amd64", "aarch64": "win_arm64"}.get(target.split("-")[0], "win32")
