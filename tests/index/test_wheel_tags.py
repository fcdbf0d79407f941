"""Wheel tags and Requires-Python decide which Python can hold a release, for any platform and not only this one."""

from __future__ import annotations

import pytest

from compatmatrix.core.model import Release
from compatmatrix.index.wheel_tags import admits, admits_python, fits, pythons_of

LINUX, MAC, WINDOWS = "x86_64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"


def release(*wheels: str, requires: str | None = None) -> Release:
    return Release(
        version="1.0",
        released="2025-01-01T00:00:00Z",
        requires_python=requires,
        wheels=tuple(f"lib-1.0-{wheel}.whl" for wheel in wheels),
    )


@pytest.mark.parametrize(
    ("tag", "python", "target", "expected"),
    [
        ("py3-none-any", "3.13", LINUX, True),
        ("py2.py3-none-any", "3.13", WINDOWS, True),
        ("py2-none-any", "3.13", LINUX, False),
        ("cp311-cp311-manylinux2014_x86_64", "3.11", LINUX, True),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "3.11", LINUX, True),
        ("cp311-cp311-manylinux_2_34_x86_64", "3.11", LINUX, False),
        ("cp311-cp311-manylinux2014_x86_64", "3.12", LINUX, False),
        ("cp311-cp311-manylinux2014_aarch64", "3.11", LINUX, False),
        ("cp39-abi3-manylinux2014_x86_64", "3.13", LINUX, True),
        ("cp313-cp313t-manylinux2014_x86_64", "3.13", LINUX, False),
        ("cp311-none-any", "3.12", LINUX, False),
        ("cp311-cp311-macosx_11_0_arm64", "3.11", MAC, True),
        ("cp311-cp311-macosx_11_0_x86_64", "3.11", MAC, False),
        ("cp311-cp311-win_amd64", "3.11", WINDOWS, True),
        ("cp311-cp311-win_amd64", "3.11", LINUX, False),
        ("cp311-cp311-win_arm64", "3.11", "aarch64-pc-windows-msvc", True),
    ],
)
def test_a_wheel_fits_where_its_tags_say(tag: str, python: str, target: str, expected: bool) -> None:
    assert fits(f"lib-1.0-{tag}.whl", python, target) is expected


def test_a_name_that_is_no_wheels_fits_nowhere() -> None:
    assert not fits("lib-1.0.tar.gz", "3.11", LINUX)
    assert not fits("lib.whl", "3.11", LINUX)


@pytest.mark.parametrize(
    ("requires", "python", "expected"),
    [
        (None, "3.11", True),
        (">=3.12", "3.11", False),
        (">=3.11.4", "3.11", True),  # a later patch release of 3.11 will do
        (">=3.9,<3.12", "3.12", False),
        ("!=3.11.0", "3.11", True),
        ("nonsense", "3.11", True),  # installers ignore what they cannot read
    ],
)
def test_requires_python_is_read_as_installers_do(requires: str | None, python: str, expected: bool) -> None:
    assert admits_python(release(requires=requires), python) is expected


def test_both_must_admit_and_a_release_without_a_wheel_is_admitted_nowhere() -> None:
    assert admits(release("py3-none-any", requires=">=3.11"), "3.11", LINUX)
    assert not admits(release("py3-none-any", requires=">=3.12"), "3.11", LINUX)
    assert not admits(release("cp310-cp310-win_amd64", requires=">=3.9"), "3.10", LINUX)
    assert not admits(release(), "3.11", LINUX)


def test_a_message_names_the_pythons_of_the_wheels_in_order() -> None:
    wheels = release("cp310-cp310-win_amd64", "cp39-cp39-win_amd64", "cp310-cp310-macosx_11_0_arm64").wheels
    assert pythons_of(wheels) == "cp39, cp310"
    assert pythons_of([]) == "none"
