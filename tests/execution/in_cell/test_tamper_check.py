"""Changes to what judges a release are told, whenever and however they are made; and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatmatrix.core.states import CellState, OutcomeState
from fixtures import Ready, ask, question

YARDSTICK = '''\
import functools
import companion


TOLERANCE = 1e-5


class Wrong(AssertionError):
    """The number is wrong."""


@functools.lru_cache
def lands_at():
    return float(companion.add(1, 2))


class Check:
    unit = 1.0
    count = 0

    def __init__(self, check):
        self.that = check.that

    def number(self, found, expected=3.0, *, tolerance=None):
        self.count += 1
        self.that(abs(found - expected) * self.unit <= (tolerance or TOLERANCE), f"found {found}", value=found)
'''

CONFTEST = """\
import pytest
from yardstick import Check


@pytest.fixture
def check(check):
    return Check(check)


@pytest.fixture
def recipe():
    def run(number):
        return number
    return run
"""

TEST = "from yardstick import Check, lands_at\n\n\n"
CHECKS = "check.number(recipe(0.0), lands_at())"
LATE = """\
import subject

last = None


class Thing(subject.Value):
    pass


def expected():
    global last
    last = Thing(3.0)
    return last.number
"""
HELPERS = {"yardstick.py": YARDSTICK, "conftest.py": CONFTEST, "late.py": LATE}


def put(folder: Path, body: str, **more: str) -> Path:
    """A probe `it` with a yardstick of its own: the body, then a check that fails in an honest cell."""
    text = TEST + question("it", f"{body}\n{CHECKS}").replace("(check)", "(check, recipe)")
    return ask(folder, "pass", **{**HELPERS, "test_it.py": text, **more})


REPLACED = {
    "yardstick.Check.number": "import yardstick\nyardstick.Check.number = lambda *found: None",
    "yardstick.lands_at": "import yardstick\nyardstick.lands_at = lambda: 0.0",
    "yardstick.lands_at ": "import yardstick\nyardstick.lands_at.__wrapped__.__code__ = (lambda: 0.0).__code__",
    "yardstick.Check.number ": "Check.number.__code__ = (lambda self, *found: None).__code__",
    "yardstick.Check.number  ": "Check.number.__kwdefaults__['tolerance'] = 9.0",
    "yardstick.Check.number   ": "Check.number.__defaults__ = (0.0,)",
    "yardstick.Check.number    ": (
        "import functools\nfirst = Check.number\n"
        "Check.number = functools.wraps(first)(lambda self, found, expected: first(self, expected, expected))"
    ),
    "test_it.lands_at": "import sys\nsys.modules['test_it'].lands_at = lambda: 0.0",
    "fixture.check.number": "check.number = lambda *found: None",
    "probe_harness.Check.that": "import probe_harness\nprobe_harness.Check.that = lambda *found, **more: None",
    "probe_harness.Check.that ": (
        "import probe_harness\nprobe_harness.Check.that.__code__ = (lambda self, *found, value=0: None).__code__"
    ),
    "probe_harness.Check.number": "import probe_harness\nprobe_harness.Check.number = lambda *found: None",
    "old_checks.number": "import old_checks\nold_checks.number.__code__ = (lambda check, found, expected: None).__code__",
    "probe_harness.check": "import probe_harness\nprobe_harness.check = None",
    "fixture.recipe": "recipe.__code__ = (lambda number: 3.0).__code__",
    "conftest.check": "import conftest\nconftest.check = None",
    "late.expected": "import late\nlate.expected = lambda: 0.0",
    "_pytest.runner.call_and_report": "import _pytest.runner\n_pytest.runner.call_and_report = None",
    "_pytest.reports.TestReport.from_item_and_call": (
        "import _pytest.reports\nkind = _pytest.reports.TestReport\nmade = kind.from_item_and_call.__func__\n"
        "def passing(cls, item, call):\n    call.excinfo = None\n    return made(cls, item, call)\n"
        "kind.from_item_and_call = classmethod(passing)"
    ),
    "pytest_jsonreport.serialize.make_teststage": (
        "import pytest_jsonreport.serialize as it\nit.make_teststage = lambda *found: {'outcome': 'passed'}"
    ),
    "cell_report.Describer.__call__": "import cell_report\ncell_report.Describer.__call__ = lambda self, error: None",
    "tamper_check.TamperCheck.check_at_end": "import tamper_check\ntamper_check.TamperCheck.check_at_end = lambda self: None",
}
"""What is replaced -> how; what follows the name only tells one way from another."""


@pytest.mark.parametrize("name", REPLACED)
def test_defect_what_judges_was_replaced_and_nobody_was_told(tmp_path: Path, works: Ready, name: str) -> None:
    """What had been imported together with the subject was looked at, and only what stands in a module itself."""
    reading = works.read(put(tmp_path, REPLACED[name]))
    assert f"put something else in the place of {name.strip()}" in reading.tampering


SHADOWED = {
    "yardstick.abs": "import yardstick\nyardstick.abs = lambda number: 0.0",
    "builtins.abs": "import builtins\nbuiltins.abs = lambda number: 0.0",
    "yardstick.TOLERANCE": "import yardstick\nyardstick.TOLERANCE = 9.0",
    "yardstick.companion": "import types, yardstick\nyardstick.companion = types.SimpleNamespace(add=lambda *numbers: 0.0)",
    "yardstick.__class__": "import types, yardstick\nyardstick.__class__ = type('Mine', (types.ModuleType,), {})",
    "yardstick.Check.unit": "Check.unit = 0.0",
    "yardstick.Check.__getattribute__": "Check.__getattribute__ = lambda self, name: lambda *found: None",
    "yardstick.Wrong.__bases__[0]": "import yardstick\nyardstick.Wrong.__bases__ = (SystemError,)",
    "probe_harness.NoEffect.__bases__[0]": "import probe_harness\nprobe_harness.NoEffect.__bases__ = (SystemError,)",
    "probe_harness._numbers": "import probe_harness\nprobe_harness._numbers = lambda *found: iter(())",
    "fixture.check.__class__": "check.__class__ = type('Mine', (), {'number': lambda *found: None})",
    "fixture.check.that": "check.that = lambda *found, **more: None",
    "_pytest.reports.TestReport.passed": "import _pytest.reports\n_pytest.reports.TestReport.passed = True",
}


@pytest.mark.parametrize("name", SHADOWED)
def test_defect_what_judges_was_changed_without_replacing_a_function(tmp_path: Path, works: Ready, name: str) -> None:
    """Only names that held a callable were compared, and none that were added."""
    assert works.read(put(tmp_path, SHADOWED[name])).tampering == (f"put something else in the place of {name}",)


def test_an_honest_probe_that_fails_is_caught_at_nothing(tmp_path: Path, works: Ready) -> None:
    """A helper may keep state in its own globals, its objects and its classes' bases in theirs."""
    kept = "import subject, late\nlate.expected()\nlate.Thing.__len__ = len\nlands_at.cache_clear()"
    reading = works.read(put(tmp_path, kept))
    assert (reading.outcomes["it"].state, reading.tampering) == (OutcomeState.NO_EFFECT, ())


AT_THE_IMPORT = {
    "put another module in the place of probe_harness": (
        "import sys, types\nsys.modules['probe_harness'] = types.ModuleType('probe_harness')"
    ),
    "put something else in the place of yardstick.Check.number": (
        "import yardstick\nyardstick.Check.number = lambda *found: None"
    ),
    "put another module in the place of yardstick": (
        "import sys, types\nfake = sys.modules['yardstick'] = types.ModuleType('yardstick')\n"
        "fake.lands_at = lambda: 0.0\n"
        "fake.Check = type('Check', (), {'__init__': lambda *a: None, 'number': lambda *a: None})"
    ),
    "changed the probes' file yardstick.py": (
        "import os\nwith open(os.path.join(os.path.dirname(__file__), 'yardstick.py'), 'a') as file:\n"
        "    file.write('\\nCheck.number = lambda *found: None\\n')"
    ),
    "changed the probes' file pipe": "import os\nos.mkfifo(os.path.join(os.path.dirname(__file__), 'pipe'))",
    "changed the environment variable PYTEST_ADDOPTS": "import os\nos.environ['PYTEST_ADDOPTS'] = '--collect-only'",
    "changed the environment variable PYTEST_DISABLE_PLUGIN_AUTOLOAD": (
        "import os\ndel os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD']"
    ),
}


@pytest.mark.parametrize("told", AT_THE_IMPORT)
def test_what_was_changed_before_pytest_imported_it_is_told(tmp_path: Path, works: Ready, told: str) -> None:
    api = f"import subject\n{AT_THE_IMPORT[told]}\n"
    reading = works.read(put(tmp_path, "", **{"subject_api.py": api}))
    assert (reading.state, reading.tampering) == (CellState.RAN, (told,))
