"""What runs inside a cell: it checks what it stands on, and tells of exceptions as bounded data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Cell, Pin
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.execution.in_cell import cell_report, probe_harness
from fixtures import Ready, ask

Make = Callable[[str], Ready]


def with_lock(ready: Ready, lock: tuple[Pin, ...]) -> Ready:
    cell: Cell = msgspec.structs.replace(ready.cell, lock=lock)
    return Ready(ready.project, cell, ready.python)


def test_a_cell_that_is_not_its_lock_is_our_trouble_and_never_a_record(tmp_path: Path, works: Ready) -> None:
    newer = tuple(
        msgspec.structs.replace(pin, version="9.9") if pin.name == "subject" else pin for pin in works.cell.lock
    )
    with pytest.raises(
        InfrastructureError, match=r"the environment is not the lock: subject: 9\.9 in the lock, 0\.5\.0 installed"
    ):
        with_lock(works, newer).read(ask(tmp_path, "pass"))


def test_a_package_too_many_or_too_few_is_a_difference(tmp_path: Path, works: Ready) -> None:
    fewer = tuple(pin for pin in works.cell.lock if pin.name != "helper")
    raw = with_lock(works, fewer).run(ask(tmp_path, "pass"))
    assert raw.exit_code == 3
    assert raw.events[0]["wrong"] == ["helper: not in the lock, 0.2 installed"]
    more = (*works.cell.lock, Pin(name="ghost", version="1", sha256=("0",)))
    assert with_lock(works, more).run(tmp_path).events[0]["wrong"] == ["ghost: 1 in the lock, not installed"]


@pytest.mark.parametrize(
    ("top", "detail"),
    [
        ("from companion import never_there", "ImportError: cannot import name 'never_there' from 'companion'"),
        ("import companion\ncompanion.never_there", "AttributeError: module 'companion' has no attribute"),
        ("import companion.never_there", "ModuleNotFoundError: No module named 'companion.never_there'"),
    ],
)
def test_an_import_that_fails_is_the_cells_state(tmp_path: Path, works: Ready, top: str, detail: str) -> None:
    folder = ask(tmp_path, "pass", **{"subject_api.py": f"{top}\n"})
    reading = works.read(folder)
    assert reading.state is CellState.IMPORT_FAILS
    assert reading.detail.startswith(detail)
    assert reading.outcomes == {}
    (trace,) = reading.evidence.values()
    assert "probes/subject_api.py:" in trace
    assert str(tmp_path) not in trace


def test_defect_a_module_that_nobody_installs_was_the_subjects_import_failure(tmp_path: Path, works: Ready) -> None:
    with pytest.raises(
        InfrastructureError, match=r"No module named 'never_there'; name the package that has never_there"
    ):
        works.read(ask(tmp_path, "pass", **{"subject_api.py": "import never_there\n"}))


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ("space.mine", None),
        ("space.mine.later", None),
        ("space.other", "space.other"),
        ("spacemine", "spacemine"),
        ("flat.later", None),
        ("flatter", "flatter"),
    ],
)
def test_defect_a_module_of_anothers_in_the_subjects_namespace_was_the_subjects_import_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, unknown: str | None
) -> None:
    info = tmp_path / "space.mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: space.mine\nVersion: 1\n")
    files = ("space/mine/__init__.py", "flat.cpython-311-x86_64-linux-gnu.so", f"{info.name}/METADATA")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    monkeypatch.syspath_prepend(tmp_path)
    describe = cell_report.Describer("/probes", ["space.mine"], probe_harness)
    assert describe(ModuleNotFoundError(name=missing))["unknown_module"] == unknown


def test_a_mistake_in_the_probes_own_helper_is_our_trouble(tmp_path: Path, works: Ready) -> None:
    with pytest.raises(InfrastructureError, match="the probes' own import failed: NameError"):
        works.read(ask(tmp_path, "pass", **{"subject_api.py": "import subject\nsubjekt\n"}))


@pytest.mark.parametrize("leaving", ["SystemExit(0)", "KeyboardInterrupt", "pytest.skip.Exception('no')"])
def test_a_release_that_leaves_politely_at_import_fails_to_import(tmp_path: Path, works: Ready, leaving: str) -> None:
    """As if from the subject's code: the last frame is not the helper's."""
    top = f"import pytest\nexec(compile('raise ' + {leaving!r}, '/x/site-packages/subject/core.py', 'exec'))\n"
    reading = works.read(ask(tmp_path, "pass", **{"subject_api.py": top}))
    assert (reading.state, reading.detail.split(":")[0].rsplit(".")[-1]) == (
        CellState.IMPORT_FAILS,
        leaving.split("(")[0].replace("pytest.skip.Exception", "Skipped"),
    )


def test_frames_name_the_same_paths_on_every_machine(tmp_path: Path, ready: Make) -> None:
    outcome = ready("raises").read(ask(tmp_path, "subject_api.trained(subject.Value(0.0), subject.Value(0.0))"))
    assert outcome.outcomes["it"].where is not None
    assert outcome.outcomes["it"].where.startswith("subject/core.py:")
    (trace,) = outcome.evidence.values()
    lines = [line.strip() for line in trace.splitlines()]
    assert lines[1].startswith("probes/test_it.py:")
    assert lines[2] == "subject_api.trained(subject.Value(0.0), subject.Value(0.0))"
    assert "/" not in "".join(lines).replace("probes/", "").replace("subject/", "")


def test_a_message_that_cannot_be_made_and_one_that_is_huge_are_bounded(tmp_path: Path, works: Ready) -> None:
    body = "class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad"
    assert works.read(ask(tmp_path, body)).outcomes["it"].message == "(its message cannot be made)"
    outcome = works.read(ask(tmp_path, "raise ValueError('long ' * 10**6)")).outcomes["it"]
    assert outcome.message is not None
    assert len(outcome.message) <= 300


def test_a_deep_traceback_keeps_its_outermost_and_innermost_frames(tmp_path: Path, works: Ready) -> None:
    body = "def down(n):\n    if n:\n        down(n - 1)\n    else:\n        import companion\n        companion.checked(1)\ndown(50)"
    reading = works.read(ask(tmp_path, body))
    (trace,) = reading.evidence.values()
    assert "frames left out]" in trace
    assert trace.count(".py:") == cell_report.FRAMES
    assert reading.outcomes["it"].state is OutcomeState.RAISES
    assert (reading.outcomes["it"].where or "").startswith("companion/__init__.py:")


def test_it_keeps_to_the_syntax_of_the_oldest_python_that_a_cell_may_have() -> None:
    import ast

    for file in Path(cell_report.__file__).parent.glob("*.py"):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_defect_a_subject_that_put_its_own_pytest_in_place_had_no_answer(tmp_path: Path, works: Ready) -> None:
    """The cell ran on what it had put there."""
    api = 'import sys, types\nsys.modules["pytest"] = sys.modules["json"] = types.ModuleType("fake")\nimport subject\n'
    reading = works.read(ask(tmp_path, "import json\njson.dumps(1)", **{"subject_api.py": api}))
    assert (reading.state, reading.outcomes["it"].state) == (CellState.RAN, OutcomeState.SUPPORTED)
    assert sorted(reading.tampering) == [f"put another module in the place of {name}" for name in ("json", "pytest")]


def test_a_version_that_is_not_the_installed_one_is_told(tmp_path: Path, works: Ready) -> None:
    api = 'import subject\nsubject.__version__ = "99.0"\n'
    reading = works.read(ask(tmp_path, "pass", **{"subject_api.py": api}))
    assert reading.tampering == ("subject 0.5.0 says that it is 99.0",)
    assert reading.outcomes["it"].state is OutcomeState.SUPPORTED


def test_a_helper_of_the_probes_that_was_replaced_is_told(tmp_path: Path, works: Ready) -> None:
    body = "subject_api.expected = lambda: 0.0\ncheck.close(0.0, subject_api.expected())"
    reading = works.read(ask(tmp_path, body))
    assert reading.tampering == ("put something else in the place of subject_api.expected",)


def test_an_honest_cell_is_caught_at_nothing(tmp_path: Path, works: Ready) -> None:
    assert works.read(ask(tmp_path, "check.close(0.0, 0.0)")).tampering == ()


ANSWERS = '''
import pytest
import subject
import subject_api

def raise_from(file, what="ValueError"):
    exec(compile(f"raise {what}", file, "exec"), {})

def test_class_of_the_subject(check):
    """It is raised by C code, of which there is no frame."""
    raise subject.core.NotTrainable("no")

def test_file_of_the_subject(check):
    """One that its distribution installed."""
    raise_from("/x/site-packages/subject/core.py")

def test_file_in_the_subjects_folder(check):
    """As that of another package in the same namespace."""
    raise_from("/x/site-packages/subject/of_another_package.py")

def test_code_that_the_subject_generated(check):
    """It has no file."""
    exec(compile("raise ValueError", "<generated>", "exec"), {"__file__": subject.core.__file__})

def test_inside_an_answer(check):
    """Nothing but the probe knows whose it is."""
    with check.answer():
        int("x")

def test_outside_an_answer(check):
    """The same."""
    int("x")

def test_assert(check):
    """Its own."""
    assert subject.__name__ == "other"

def test_assert_in_a_helper(check):
    """That is a mistake of the helper."""
    subject_api.insist()

def test_fail(check):
    """As pytest has it."""
    pytest.fail("it is wrong")

def test_raises(check):
    """Nothing is raised."""
    with pytest.raises(ValueError):
        pass

def test_raises_with_another_message(check):
    """The wrong one."""
    with pytest.raises(ValueError, match="never"):
        int("x")

def test_equal(check):
    """No."""
    check.equal([1], [2])

def test_old_name(check):
    """No, as a probe of an earlier release asks it."""
    check.number(1.0, 2.0)

@pytest.mark.parametrize(("left", "right"), [(1, 1), pytest.param(1, 2, id="one two")])
def test_case(left, right):
    """Are they equal?"""
    assert left == right
'''
"""Ways to end, and below, the outcome of each."""

OUTCOMES = {
    "class-of-the-subject": OutcomeState.RAISES,
    "file-of-the-subject": OutcomeState.RAISES,
    "file-in-the-subjects-folder": OutcomeState.INCONCLUSIVE,
    "code-that-the-subject-generated": OutcomeState.RAISES,
    "inside-an-answer": OutcomeState.RAISES,
    "outside-an-answer": OutcomeState.INCONCLUSIVE,
    "assert": OutcomeState.NO_EFFECT,
    "assert-in-a-helper": OutcomeState.INCONCLUSIVE,
    "fail": OutcomeState.NO_EFFECT,
    "raises": OutcomeState.NO_EFFECT,
    "raises-with-another-message": OutcomeState.NO_EFFECT,
    "equal": OutcomeState.NO_EFFECT,
    "old-name": OutcomeState.NO_EFFECT,
    "case-1-1": OutcomeState.SUPPORTED,
    "case-one-two": OutcomeState.NO_EFFECT,
    "of-a-broken-file": OutcomeState.INCONCLUSIVE,
    "of-a-file-that-skips": OutcomeState.ABSENT,
}


def test_defect_exceptions_asserts_and_parameters_were_the_probes_own_fault(tmp_path: Path, works: Ready) -> None:
    """Only frames in a folder of the subject's name counted, and only a helper's exception of a certain name."""
    files = {
        "test_it.py": ANSWERS,
        "test_broken.py": 'from subject import never_there\n\ndef test_of_a_broken_file():\n    """?"""\n',
        "test_skips.py": (
            'import pytest\npytest.importorskip(\'never_there\')\n\ndef test_of_a_file_that_skips():\n    """?"""\n'
        ),
        "subject_api.py": "import subject\n\ndef insist():\n    assert not subject\n",
    }
    reading = works.read(ask(tmp_path, "pass", **files))
    assert reading.tampering == ()
    assert {name: outcome.state for name, outcome in reading.outcomes.items()} == OUTCOMES
    assert reading.outcomes["assert"].message == "assert 'subject' == 'other'"
    assert reading.outcomes["equal"].message == "found [1], expected [2]"
    assert reading.outcomes["of-a-broken-file"].exception == "ImportError"
