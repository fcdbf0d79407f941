"""The probes of this project on invented releases of their subject: whatever the signatures look like, the answer is the same.

The releases are those of `tiny_flax`, written into a folder; the probes are the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compatmatrix.config.probe_files import HARNESS
from fixtures import write
from tiny_flax import BARE, BY_INDEX_ONLY, COMPANIONS, NO_WRT, SUBJECT, UNTOLD, VARIANTS

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


def answers(folder: Path, lifted: bool, variant: str) -> dict[str, str]:
    """What the real probes find on a release: passed, skipped, or the type of the exception."""
    modules = {**COMPANIONS, "flax/__init__.py": "", "flax/nnx.py": f"LIFTED = {lifted}\n{SUBJECT}\n{variant}"}
    write(folder / "modules", modules)
    report = folder / "report.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *(str(PROBES / one) for one in ASKED), f"--rootdir={PROBES}"),
            *(
                "-c",
                os.devnull,
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "pytest_jsonreport.plugin",
                "-p",
                "probe_harness",
            ),
            *("--json-report", f"--json-report-file={report}"),
        ],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(folder / "modules"), str(HARNESS.parent)]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        # The probes and their helpers are compiled once for all tests.
        | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{os.environ['COMPATMATRIX_CACHE']}/probes"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    found = {}
    for test in json.loads(report.read_text(encoding="utf-8"))["tests"]:
        failure = test.get("call", {}).get("crash", {}).get("message", "").partition(":")[0]
        found[test["nodeid"].rpartition("::test_")[2]] = failure or test["outcome"]
    return found


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
def test_defect_a_lifted_release_was_called_raises(tmp_path: Path, variant: str) -> None:
    """Signatures were believed: behind **kwargs, `wrt` was not passed, and our own TypeError was the answer."""
    assert answers(tmp_path, lifted=True, variant=VARIANTS[variant]) == LIFTED


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_release_with_the_limitation_raises_what_it_raises_whatever_its_signatures(
    tmp_path: Path, variant: str
) -> None:
    assert answers(tmp_path, lifted=False, variant=VARIANTS[variant]) == LIMITED


@pytest.mark.parametrize("variant", BARE)
def test_defect_a_lifted_release_that_takes_a_bare_variable_in_a_form_of_its_own_was_called_raises(
    tmp_path: Path, variant: str
) -> None:
    """A bare Variable was asked about in the form that trains a module, and in no other."""
    lifted, limited = (answers(tmp_path / str(lifted), lifted, BARE[variant]) for lifted in (True, False))
    told = {"standalone_grad_variable": "ValueError" if "gradient" in variant or "both" in variant else "passed"}
    assert lifted == {**LIFTED, **told}
    assert limited["standalone_variable_optimizer"] in ("IndexError", "ValueError")


def test_defect_the_code_of_the_issue_was_absent_where_it_runs(tmp_path: Path) -> None:
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
    found = answers(tmp_path, lifted=True, variant=variant)
    assert found["issue_4564_verbatim"] == "passed"
    assert found["wrapper_variable_as_published"] == "skipped"


def test_defect_the_control_failed_where_a_variable_is_read_by_index_alone(tmp_path: Path) -> None:
    """`.value` was tried where there is no `get_value`, though newer code reads and writes `variable[...]`."""
    assert answers(tmp_path, lifted=True, variant=BY_INDEX_ONLY) == LIFTED


@pytest.mark.parametrize("untold", UNTOLD)
def test_defect_what_cannot_be_told_was_called_raises_or_no_effect(tmp_path: Path, untold: str) -> None:
    """A bare Variable was asked about without a filter, and that nothing came of it was the answer."""
    cannot_tell = "calibration.CannotTell"
    answer = {
        "optimizer": {"wrapper_variable_wrt": "skipped"},
        "gradient": {"wrapper_variable_wrt": cannot_tell, "standalone_grad_variable": cannot_tell},
    }[untold]
    lifted, limited = tmp_path / "lifted", tmp_path / "limited"
    expected = {**LIFTED, **answer, "standalone_variable_optimizer": cannot_tell}
    assert answers(lifted, lifted=True, variant=UNTOLD[untold]) == expected
    assert answers(limited, lifted=False, variant=UNTOLD[untold]) == {**LIMITED, **answer}


def test_defect_the_control_passed_where_no_form_trains(tmp_path: Path) -> None:
    """The gradient by `argnums` has the right number in a place that `update` does not take; the recipe gives no `argnums`."""
    variant = """
by_argnums = grad
def grad(function, argnums=None):
    slopes = by_argnums(function, argnums or DiffState(0, Param))
    return slopes if argnums is None else lambda *arguments: [slopes(*arguments)]
"""
    assert answers(tmp_path, lifted=True, variant=variant)["wrapper_param"] == "probe_harness.NoEffect"


def test_a_form_of_call_that_no_recipe_has_is_asked_about_all_the_same(tmp_path: Path) -> None:
    """A lifted release that trains all Variables, without being told which."""
    assert answers(tmp_path, lifted=True, variant=NO_WRT) == {**LIFTED, "wrapper_variable_wrt": "skipped"}


def test_a_method_that_was_renamed_is_absent(tmp_path: Path) -> None:
    found = answers(tmp_path, lifted=True, variant="Optimizer.step = Optimizer.update\ndel Optimizer.update\n")
    assert found == {**dict.fromkeys(LIFTED, "skipped"), "standalone_grad_variable": "passed"}


def test_where_no_form_trains_a_module_the_control_fails(tmp_path: Path) -> None:
    found = answers(tmp_path, lifted=True, variant="Optimizer.update = lambda self, model, grads: None\n")
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


def test_an_old_call_that_fits_again_is_asked(tmp_path: Path) -> None:
    found = answers(tmp_path, lifted=True, variant=OLD_CALLS)
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
def test_defect_the_issues_own_code_was_judged_by_another_gradient(tmp_path: Path, variant: str) -> None:
    """It calls `nnx.value_and_grad`; whether older code fits was found out with `nnx.grad` alone."""
    assert answers(tmp_path, lifted=True, variant=OLD_CALLS + variant)["issue_4564_verbatim"] == "skipped"
