"""uv's messages are read into typed results; a message that also names an infrastructure error blames no release."""

from __future__ import annotations

import pytest

from compatmatrix.resolve import uv_errors

UNRESOLVABLE = """error: No solution found when resolving dependencies
  cause: Because only other<2 is available and subject==1.0 depends on
      other>=2, we can conclude that subject==1.0 cannot be used.

hint: Pre-releases are available for `other`"""
UNBUILDABLE = """Building wheel...
RuntimeError: no compiler in /tmp/x/checkout
error: Failed to build `/tmp/x/checkout`
  cause: The build backend returned an error
  cause: Call to `b.build_wheel` failed (exit status: 1)

hint: Build failures usually indicate a problem with the package or the build environment"""
BROKEN = """uv pip sync failed (2): error: Failed to install: subject-1.0-py3-none-any.whl (subject==1.0)
  cause: failed to open file `/home/user/.cache/uv/archive-v0/x/subject-1.0.dist-info/METADATA`: No such file or directory"""


def test_no_solution_has_a_reason_in_one_line_and_the_packages_that_it_names() -> None:
    result = uv_errors.no_solution(UNRESOLVABLE)
    assert result is not None
    assert result.reason == (
        "Because only other<2 is available and subject==1.0 depends on other>=2, "
        "we can conclude that subject==1.0 cannot be used."
    )
    assert {"other", "subject"} <= result.packages
    assert uv_errors.no_solution(UNRESOLVABLE + "\nother-1.0 is missing an upload date") is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Because subject==1.0 depends on other>=2 and only other<2 is available, we can", "subject==1.0 depends on other>=2"),
        ("Because only other<2 is available, we can conclude", "Because only other<2 is available, we can conclude"),
    ],
)  # fmt: skip
def test_the_requirement_that_decides_comes_first(reason: str, expected: str) -> None:
    assert uv_errors.deciding_requirement(reason) == expected


def test_a_broken_wheel_is_named_with_the_file_that_it_lacks_and_without_this_machines_folders() -> None:
    result = uv_errors.broken_wheel(BROKEN)
    assert result is not None
    assert (result.package, result.missing) == ("subject", "subject-1.0.dist-info/METADATA")
    assert "/root" not in result.reason


def test_what_the_build_printed_last_is_the_reason() -> None:
    assert uv_errors.unbuildable(UNBUILDABLE, "/tmp/x/checkout") == (
        "The build backend returned an error: RuntimeError: no compiler in the checkout"
    )


def test_defect_the_reason_of_an_unbuildable_commit_is_lost() -> None:
    text = """\
uv build --wheel failed (2): Building wheel...
error: Failed to build `/tmp/x/checkout`
  cause: Invalid `pyproject.toml`
  cause: TOML parse error at line 4, column 9"""
    assert uv_errors.unbuildable(text, "/tmp/x/checkout") == (
        "Invalid `pyproject.toml`: TOML parse error at line 4, column 9"
    )


@pytest.mark.parametrize("sign", ["error sending request", "timed out", "No space left", "Permission denied"])
def test_an_infrastructure_error_blames_no_release(sign: str) -> None:
    assert uv_errors.broken_wheel(f"{BROKEN}\n{sign}") is None
    assert uv_errors.unbuildable(f"{UNBUILDABLE}\n{sign}", "") is None


@pytest.mark.parametrize(
    "hint",
    [
        "An index (https://pypi.org/simple) returned a 403 Forbidden error. Check that the index URL is correct",
        "An index URL (https://pypi.org/simple) could not be queried due to a lack of valid authentication credentials",
    ],
)
def test_defect_a_page_that_the_index_forbids_was_a_statement_about_the_release(hint: str) -> None:
    assert uv_errors.no_solution(f"{UNRESOLVABLE}\n\nhint: {hint}") is None
    assert uv_errors.unbuildable(f"{UNBUILDABLE}\n\nhint: {hint}", "") is None
