"""The probes of this project on invented releases of their subject: whatever the signatures look like, the answer is the same.

The releases are a few modules on numbers alone, written into a folder; the probes are the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import write

PROBES = Path(__file__).parents[2] / "probes"

ASKED = (
    "test_headline.py::test_standalone_variable_optimizer",
    "test_headline.py::test_standalone_param_optimizer",
    "test_headline.py::test_issue_4564_verbatim",
    "test_wrappers.py::test_wrapper_param",
    "test_wrappers.py::test_wrapper_variable_wrt",
    "test_wrappers.py::test_wrapper_variable_as_published",
)

COMPANIONS = {
    "numpy.py": "ndarray = generic = float\n",
    "jax/__init__.py": """
from jax import numpy, tree_util

Array = float


def grad(function):
    return lambda value: (function(value + 0.5) - function(value - 0.5)) / 1.0
""",
    "jax/numpy.py": "array = float\nzeros = lambda count: 0.0\nsum = float\n",
    "jax/tree_util.py": """
def tree_leaves(tree, is_leaf=lambda node: False):
    if isinstance(tree, list) and not is_leaf(tree):
        return [leaf for node in tree for leaf in tree_leaves(node, is_leaf)]
    return [tree]
""",
    "optax.py": """
from collections import namedtuple

GradientTransformation = namedtuple("GradientTransformation", "init update")


def adam(rate):
    def update(slope, state, params=None):
        count, mean, square = state
        count, mean, square = count + 1, 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        step = (mean / (1 - 0.9**count)) / ((square / (1 - 0.999**count)) ** 0.5 + 1e-8)
        return -rate * step, (count, mean, square)

    return GradientTransformation(lambda params: (0, 0.0, 0.0), update)


def apply_updates(params, updates):
    return params + updates
""",
}

SUBJECT = """
import functools
from typing import NamedTuple


class Variable:
    def __init__(self, value):
        self.value = value

    def get_value(self):
        return self.value

    def set_value(self, value):
        self.value = value

    def __getitem__(self, index):
        return self.value


class Param(Variable):
    pass


class Module:
    pass


class DiffState(NamedTuple):
    argnum: int
    filter: type


def variables(thing, kind):
    held = [thing] if isinstance(thing, Variable) else list(vars(thing).values())
    return [one for one in held if isinstance(one, kind)]


def grad(function, argnums=DiffState(0, Param)):
    def slopes(model, *rest):
        found = []
        for var in variables(model, argnums.filter):
            start = var.value
            var.value = start + 0.5
            above = function(model, *rest)
            var.value = start - 0.5
            found.append(above - function(model, *rest))
            var.value = start
        return found

    return slopes


def value_and_grad(function):
    return lambda *arguments: (function(*arguments), grad(function)(*arguments))


class Optimizer:
    def __init__(self, model, tx, *, wrt):
        if isinstance(model, Variable) and not LIFTED:
            raise IndexError("tuple index out of range")
        self.tx, self.wrt = tx, wrt
        self.state = [tx.init(var.value) for var in variables(model, wrt)]

    def update(self, model, grads):
        for number, (var, slope) in enumerate(zip(variables(model, self.wrt), grads)):
            step, self.state[number] = self.tx.update(slope, self.state[number], var.value)
            var.value += step
"""

VARIANTS = {
    "as it is": "",
    "**kwargs": """
real = Optimizer.__init__
def __init__(self, model, tx, **kwargs): real(self, model, tx, **kwargs)
Optimizer.__init__ = __init__
""",
    "*args, **kwargs": """
real = Optimizer.__init__
def __init__(self, model, tx, *args, **kwargs): real(self, model, tx, *args, **kwargs)
Optimizer.__init__ = __init__
""",
    "decorated without wraps": """
def decorated(function): return lambda *args, **kwargs: function(*args, **kwargs)
Optimizer.__init__, Optimizer.update = decorated(Optimizer.__init__), decorated(Optimizer.update)
grad = decorated(grad)
""",
    "decorated with wraps": """
def decorated(function): return functools.wraps(function)(lambda *args, **kwargs: function(*args, **kwargs))
Optimizer.__init__, Optimizer.update = decorated(Optimizer.__init__), decorated(Optimizer.update)
grad = decorated(grad)
""",
    "partial methods": """
Optimizer.__init__ = functools.partialmethod(Optimizer.__init__)
Optimizer.update = functools.partialmethod(Optimizer.update)
""",
    "a partial in the place of the class": "Optimizer = functools.partial(Optimizer)\n",
    "unreadable": """
class Unreadable:
    __signature__ = "no signature"
    def __init__(self, function): self.function = function
    def __call__(self, *args, **kwargs): return self.function(*args, **kwargs)
    def __get__(self, instance, owner=None): return self if instance is None else functools.partial(self, instance)
Optimizer.__init__, Optimizer.update = Unreadable(Optimizer.__init__), Unreadable(Optimizer.update)
grad = Unreadable(grad)
""",
    "a name that misleads": """
real = Optimizer.update
def update(self, pytree, slopes): real(self, pytree, slopes)
Optimizer.update = update
""",
}

NO_WRT = """
real = Optimizer.__init__
def __init__(self, model, tx): real(self, model, tx, wrt=Variable)
Optimizer.__init__ = __init__
"""


def answers(folder: Path, lifted: bool, variant: str) -> dict[str, str]:
    """What the real probes find on a release: passed, skipped, or the type of the exception."""
    modules = {**COMPANIONS, "flax/__init__.py": "", "flax/nnx.py": f"LIFTED = {lifted}\n{SUBJECT}\n{variant}"}
    write(folder / "modules", modules)
    report = folder / "report.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *(str(PROBES / one) for one in ASKED), f"--rootdir={PROBES}"),
            *("-c", os.devnull, "-q", "-p", "no:cacheprovider", "-p", "pytest_jsonreport.plugin"),
            *("--json-report", f"--json-report-file={report}"),
        ],
        env={**os.environ, "PYTHONPATH": str(folder / "modules"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    found = {}
    for test in json.loads(report.read_text(encoding="utf-8"))["tests"]:
        failure = test.get("call", {}).get("crash", {}).get("message", "").partition(":")[0]
        found[test["nodeid"].rpartition("::test_")[2]] = failure or test["outcome"]
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_defect_a_lifted_release_was_called_raises(tmp_path: Path, variant: str) -> None:
    """Signatures were believed: behind **kwargs, `wrt` was not passed, and our own TypeError was the answer."""
    assert answers(tmp_path, lifted=True, variant=VARIANTS[variant]) == {
        "standalone_variable_optimizer": "passed",
        "standalone_param_optimizer": "passed",
        "issue_4564_verbatim": "skipped",
        "wrapper_param": "passed",
        "wrapper_variable_wrt": "passed",
        "wrapper_variable_as_published": "skipped",
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_release_with_the_limitation_raises_what_it_raises_whatever_its_signatures(
    tmp_path: Path, variant: str
) -> None:
    assert answers(tmp_path, lifted=False, variant=VARIANTS[variant]) == {
        "standalone_variable_optimizer": "IndexError",
        "standalone_param_optimizer": "IndexError",
        "issue_4564_verbatim": "skipped",
        "wrapper_param": "passed",
        "wrapper_variable_wrt": "passed",
        "wrapper_variable_as_published": "skipped",
    }


def test_a_form_of_call_that_no_recipe_has_is_asked_about_all_the_same(tmp_path: Path) -> None:
    """A lifted release that trains all Variables, without being told which."""
    assert answers(tmp_path, lifted=True, variant=NO_WRT) == {
        "standalone_variable_optimizer": "passed",
        "standalone_param_optimizer": "passed",
        "issue_4564_verbatim": "skipped",
        "wrapper_param": "passed",
        "wrapper_variable_wrt": "skipped",
        "wrapper_variable_as_published": "skipped",
    }


def test_a_method_that_was_renamed_is_absent(tmp_path: Path) -> None:
    found = answers(tmp_path, lifted=True, variant="Optimizer.step = Optimizer.update\ndel Optimizer.update\n")
    assert set(found.values()) == {"skipped"}


def test_where_no_form_trains_a_module_the_control_fails(tmp_path: Path) -> None:
    found = answers(tmp_path, lifted=True, variant="Optimizer.update = lambda self, model, grads: None\n")
    assert found["wrapper_param"] == "yardstick.NoEffect"
    assert found["standalone_variable_optimizer"] == "yardstick.NoEffect"


def test_an_old_call_that_fits_again_is_asked(tmp_path: Path) -> None:
    """A release that gives `wrt` a default and takes the gradients alone, as releases of long ago did."""
    variant = """
real, step = Optimizer.__init__, Optimizer.update
def __init__(self, model, tx, wrt=Param):
    self.model = model
    real(self, model, tx, wrt=wrt)
def update(self, grads): step(self, self.model, grads)
Optimizer.__init__, Optimizer.update = __init__, update
"""
    found = answers(tmp_path, lifted=True, variant=variant)
    assert found["standalone_variable_optimizer"] == "passed"
    assert found["issue_4564_verbatim"] == "yardstick.NoEffect"
    assert found["wrapper_variable_as_published"] == "yardstick.NoEffect"
