"""The probes of this project on invented releases of their subject: whatever the signatures look like, the answer is the same.

The releases are those of `tiny_flax`, written into a folder; the probes are the real ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.config.probe_files import HARNESS
from fixtures import write
from tiny_flax import BARE, BY_INDEX_ONLY, COMPANIONS, NO_WRT, SUBJECT, UNTOLD, VARIANTS

pytest_plugins = "pytester"

PROBES = Path(__file__).parents[2] / "probes"

ASKED = (
    "test_headline.py::test_standalone_variable_optimizer",
    "test_headline.py::test_standalone_param_optimizer",
    "test_headline.py::test_issue_4564_verbatim",
    "test_ladder.py::test_standalone_grad_variable",
    "test_wrappers.py::test_wrapper_param",
    "test_wrappers.py::test_wrapper_variable_wrt",
    "test_wrappers.py::test_wrapper_variable_as_published",
)


class Asked:
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in ASKED]


Answers = Callable[[bool, str], dict[str, str]]


@pytest.fixture
def answers(pytester: pytest.Pytester, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the real probes find on a release: passed, skipped, or the type of the exception."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(sys, "pycache_prefix", str(cache / "probes"))  # the probes are compiled once for all tests

    def put(lifted: bool, variant: str) -> dict[str, str]:
        modules = {**COMPANIONS, "flax/__init__.py": "", "flax/nnx.py": f"LIFTED = {lifted}\n{SUBJECT}\n{variant}"}
        folder = pytester.mkdir(f"lifted-{lifted}")
        write(folder, modules)
        options = ("-c", os.devnull, "-q", "-p", "no:cacheprovider", "-p", "probe_harness", f"--rootdir={PROBES}")
        with pytest.MonkeyPatch.context() as patch:
            for path in (folder, HARNESS.parent):
                patch.syspath_prepend(path)
            # To pytest, each test that is named is another search of the folder.
            run = pytester.inline_run(
                *sorted({PROBES / one.partition("::")[0] for one in ASKED}), *options, plugins=[Asked()]
            )
        reports: Sequence[Any] = run.getreports("pytest_runtest_logreport")
        return {
            report.nodeid.rpartition("::test_")[2]: (
                report.longrepr.reprcrash.message.partition(":")[0] if report.failed else report.outcome
            )
            for report in reports
            if report.when == "call" or not report.passed
        }

    return put


LIMITED = {
    "standalone_variable_optimizer": "IndexError",
    "standalone_param_optimizer": "IndexError",
    "issue_4564_verbatim": "skipped",
    "standalone_grad_variable": "passed",
    "wrapper_param": "passed",
    "wrapper_variable_wrt": "passed",
    "wrapper_variable_as_published": "skipped",
}
"""What a release with the limitation answers."""

LIFTED = {**LIMITED, "standalone_variable_optimizer": "passed", "standalone_param_optimizer": "passed"}
"""What one without it answers."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_defect_a_lifted_release_was_called_raises(answers: Answers, variant: str) -> None:
    """Signatures were believed: behind **kwargs, `wrt` was not passed, and our own TypeError was the answer."""
    assert answers(True, VARIANTS[variant]) == LIFTED


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_release_with_the_limitation_raises_what_it_raises_whatever_its_signatures(
    answers: Answers, variant: str
) -> None:
    assert answers(False, VARIANTS[variant]) == LIMITED


@pytest.mark.parametrize("variant", BARE)
def test_defect_a_lifted_release_that_takes_a_bare_variable_in_a_form_of_its_own_was_called_raises(
    answers: Answers, variant: str
) -> None:
    """A bare Variable was asked about in the form that trains a module, and in no other."""
    lifted, limited = (answers(lifted, BARE[variant]) for lifted in (True, False))
    told = {"standalone_grad_variable": "ValueError" if "gradient" in variant or "both" in variant else "passed"}
    assert lifted == {**LIFTED, **told}
    assert limited["standalone_variable_optimizer"] in ("IndexError", "ValueError")


def test_defect_the_code_of_the_issue_was_absent_where_it_runs(answers: Answers) -> None:
    """What trains no module as older code has it was not asked, though it trains the bare Variable that it is about."""
    variant = f"""
{BARE["both refuse a filter"]}
step = Optimizer.update
def update(self, *arguments): step(self, *arguments) if len(arguments) > 1 else step(self, self.model, *arguments)
told = Optimizer.__init__
def __init__(self, model, tx, wrt=None):
    self.model = model
    told(self, model, tx, wrt)
Optimizer.__init__, Optimizer.update = __init__, update
"""
    found = answers(True, variant)
    assert found["issue_4564_verbatim"] == "passed"
    assert found["wrapper_variable_as_published"] == "skipped"


def test_defect_the_control_failed_where_a_variable_is_read_by_index_alone(answers: Answers) -> None:
    """`.value` was tried where there is no `get_value`, though newer code reads and writes `variable[...]`."""
    assert answers(True, BY_INDEX_ONLY) == LIFTED


@pytest.mark.parametrize("untold", UNTOLD)
def test_defect_what_cannot_be_told_was_called_raises_or_no_effect(answers: Answers, untold: str) -> None:
    """A bare Variable was asked about without a filter, and that nothing came of it was the answer."""
    cannot_tell = "calibration.CannotTell"
    answer = {
        "optimizer": {"wrapper_variable_wrt": "skipped"},
        "gradient": {"wrapper_variable_wrt": cannot_tell, "standalone_grad_variable": cannot_tell},
    }[untold]
    expected = {**LIFTED, **answer, "standalone_variable_optimizer": cannot_tell}
    assert answers(True, UNTOLD[untold]) == expected
    assert answers(False, UNTOLD[untold]) == {**LIMITED, **answer}


def test_defect_the_control_passed_where_no_form_trains(answers: Answers) -> None:
    """The gradient by `argnums` has the right number in a place that `update` does not take; the recipe gives no `argnums`."""
    variant = """
by_argnums = grad
def grad(function, argnums=None):
    slopes = by_argnums(function, argnums or DiffState(0, Param))
    return slopes if argnums is None else lambda *arguments: [slopes(*arguments)]
"""
    assert answers(True, variant)["wrapper_param"] == "probe_harness.NoEffect"


def test_a_form_of_call_that_no_recipe_has_is_asked_about_all_the_same(answers: Answers) -> None:
    """A lifted release that trains all Variables, without being told which."""
    assert answers(True, NO_WRT) == {**LIFTED, "wrapper_variable_wrt": "skipped"}


def test_a_method_that_was_renamed_is_absent(answers: Answers) -> None:
    found = answers(True, "Optimizer.step = Optimizer.update\ndel Optimizer.update\n")
    assert found == {**dict.fromkeys(LIFTED, "skipped"), "standalone_grad_variable": "passed"}


def test_where_no_form_trains_a_module_the_control_fails(answers: Answers) -> None:
    found = answers(True, "Optimizer.update = lambda self, model, grads: None\n")
    assert found["wrapper_param"] == "probe_harness.NoEffect"
    assert found["standalone_variable_optimizer"] == "probe_harness.NoEffect"


OLD_CALLS = """
real, step = Optimizer.__init__, Optimizer.update
def __init__(self, model, tx, wrt=Param):
    self.model = model
    real(self, model, tx, wrt=wrt)
def update(self, grads): step(self, self.model, grads)
Optimizer.__init__, Optimizer.update = __init__, update
"""
"""A release that gives `wrt` a default and takes the gradients alone, as releases of long ago did."""


def test_an_old_call_that_fits_again_is_asked(answers: Answers) -> None:
    found = answers(True, OLD_CALLS)
    assert found["standalone_variable_optimizer"] == "passed"
    assert found["issue_4564_verbatim"] == "probe_harness.NoEffect"
    assert found["wrapper_variable_as_published"] == "probe_harness.NoEffect"


@pytest.mark.parametrize(
    "variant",
    [
        "del value_and_grad\n",
        "both = value_and_grad\ndef value_and_grad(function, *, argnums): return both(function)\n",
    ],
)
def test_defect_the_issues_own_code_was_judged_by_another_gradient(answers: Answers, variant: str) -> None:
    """It calls `nnx.value_and_grad`; whether older code fits was found out with `nnx.grad` alone."""
    assert answers(True, OLD_CALLS + variant)["issue_4564_verbatim"] == "skipped"
