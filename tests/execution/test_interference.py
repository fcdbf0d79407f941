"""Releases that end pytest's session, skip, or mark a probe: what they say of themselves is no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import Workspace
from compatmatrix.results.interpretation import Reading
from fixtures import Project, Ready
from packages import world
from packages.behaviors import Behavior
from packages.index import LocalIndex

Examine = Callable[..., Reading]


@pytest.fixture(scope="module")
def examine(
    tmp_path_factory: pytest.TempPathFactory, interpreters: Interpreters, byte_code: ByteCode
) -> Iterator[Examine]:
    """Examines a release that a test makes up, with the probes of the fake world."""
    folder = tmp_path_factory.mktemp("made-up")
    with LocalIndex() as index:
        world.fill(index, world.COMPANIONS, world.HELPERS)
        project = Project.make(folder / "project", index.url)
        workspace = Workspace(project.config, folder / "environments", interpreters, byte_code)
        count = 0

        def examine(**parts: Any) -> Reading:
            nonlocal count
            count += 1
            index.add(world.subject(Behavior("A release of the test's own.", **parts), f"1.{count}.0", "2025-08-01"))
            cell = project.cell(f"1.{count}.0")
            return Ready(project, cell, workspace.bring_to(cell)).read(project.folder / "probes")

        yield examine


ITEM = """\
import sys
frame = sys._getframe()
while "item" not in frame.f_locals:
    frame = frame.f_back
item = frame.f_locals["item"]
"""
"""How a release gets at the probe that runs it, and so at the session."""

IN_STANDALONE = "ended without a complete report, exit code {} (in standalone)"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("import pytest\npytest.exit('that is all', returncode=0)", 0),
        ("import pytest\npytest.exit('that is all', returncode=1)", 1),
        ("import pytest\npytest.exit('that is all', returncode=5)", 5),
        ("raise KeyboardInterrupt", 2),
        (f"{ITEM}item.session.shouldfail = 'enough'\nreturn thing", 1),
        (f"{ITEM}item.session.shouldstop = 'enough'\nreturn thing", 2),
    ],
)
def test_defect_a_release_that_ended_the_session_was_supported(examine: Examine, body: str, code: int) -> None:
    """`pytest.exit(returncode=0)` inside the trainer: the probe that it was called in had passed its setup."""
    reading = examine(on_bare=body)
    assert (reading.state, reading.detail) == (CellState.CRASHED, IN_STANDALONE.format(code))
    assert reading.outcomes == {}


@pytest.mark.parametrize(
    "body",
    [
        "import unittest\nraise unittest.SkipTest('not here')",
        "import pytest\npytest.skip('not here')",
        "import pytest\npytest.xfail('not here')",
        "import pytest\nclass Mine(pytest.skip.Exception):\n    pass\nraise Mine('not here')",
        "raise SystemExit('not here')",
    ],
)
def test_defect_a_release_that_skipped_was_absent(examine: Examine, body: str) -> None:
    """It can say so of what does not work: only a probe knows what its question is about."""
    outcome = examine(on_bare=body).outcomes["standalone"]
    assert (outcome.state, outcome.message) == (OutcomeState.RAISES, "not here")
    assert (outcome.where or "").startswith("subject/core.py:")


@pytest.mark.parametrize("file", ["top_level.txt", "PKG-INFO"])
def test_defect_a_folder_of_metadata_in_a_wheel_was_taken_for_an_installed_package(examine: Examine, file: str) -> None:
    """Packaging left it there. The cell crashed before the import, or was never recorded for not being the lock."""
    reading = examine(modules={f"left.egg-info/{file}": "Metadata-Version: 1.0\nName: left\nVersion: 1.0\n"})
    assert reading.outcomes["standalone"].state is OutcomeState.SUPPORTED


def test_a_skip_by_the_probes_helper_is_absent(examine: Examine) -> None:
    reading = examine(lacks_trainer=True)
    assert {reading.outcomes[name].state for name in ("held", "standalone")} == {OutcomeState.ABSENT}


def test_a_mark_that_a_release_puts_on_a_probe_is_no_pass(examine: Examine) -> None:
    mark = f"{ITEM}import pytest\nitem.add_marker(pytest.mark.xfail)\nreturn "
    assert examine(on_bare=f"{mark}thing").outcomes["standalone"].state is OutcomeState.INCONCLUSIVE
    assert examine(on_bare=f"{mark}1 / 0").outcomes["standalone"].state is OutcomeState.RAISES


MARKING = {
    "item.add_marker": "next(later for later in item.session.items if later.name == 'test_standalone').add_marker(skip)",
    "a hook": "mark = pytest.hookimpl(tryfirst=True)(lambda item: item.add_marker(skip))\n"
    "item.config.pluginmanager.register(type('Marks', (), {'pytest_runtest_setup': mark}))",
}


@pytest.mark.parametrize("way", MARKING)
def test_defect_a_release_that_marked_a_probe_as_skipped_made_it_absent(examine: Examine, way: str) -> None:
    """In a probe that runs before: pytest takes the mark at the setup of the one that it is on."""
    body = f"{ITEM}import pytest\nskip = pytest.mark.skip(reason='not here')\n{MARKING[way]}"
    reading = examine(on_anything=body)
    assert (reading.outcomes["standalone"].state, reading.outcomes["standalone"].message) == (
        OutcomeState.INCONCLUSIVE,
        "not here",
    )


def test_defect_a_plugin_that_a_release_registered_with_pytest_was_not_reported(examine: Examine) -> None:
    hook = "make = pytest.hookimpl(trylast=True)(lambda item, call: setattr(call, 'excinfo', None))\n"
    register = "item.config.pluginmanager.register(type('Passes', (), {'pytest_runtest_makereport': make}))"
    reading = examine(on_bare=f"{ITEM}import pytest\n{hook}{register}\nreturn thing")
    assert reading.tampering == ("registered or removed a plugin of pytest",)


def test_defect_a_release_that_replaced_the_probes_arithmetic_was_caught_at_nothing(examine: Examine) -> None:
    body = "import subject_api\nsubject_api.expected = lambda: 0.0\nreturn Value(thing.number)"
    reading = examine(on_bare=body)
    assert reading.outcomes["standalone"].state is OutcomeState.SUPPORTED
    assert reading.tampering == ("put something else in the place of subject_api.expected",)
