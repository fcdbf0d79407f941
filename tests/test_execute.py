"""Cells run in processes of their own: limits hold, nothing of ours gets in, nothing half-done comes out as an answer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compatmatrix import execute
from compatmatrix.model import CellState, OutcomeState, Trouble
from ground import Ready, ask
from platforms import NEEDS_SIGNALS

Make = Callable[[str], Ready]


@pytest.fixture
def works(ready: Make) -> Ready:
    return ready("works")


def told(folder: Path, works: Ready, body: str) -> object:
    """What a probe tells of its surroundings, as JSON by way of its note."""
    body = f"import json, os, sys\nfound = {body}\nraise AssertionError(json.dumps(found))"
    outcome = works.read(ask(folder, body)).outcomes["it"]
    assert outcome.message, outcome
    return json.loads(outcome.message)


def test_a_cell_that_runs_leaves_events_and_a_report(tmp_path: Path, works: Ready) -> None:
    raw = works.run(ask(tmp_path, "check(subject_api.expected(), subject_api.expected())"))
    assert raw.exit_code == 0
    assert raw.killed_for is None
    assert [event["event"] for event in raw.events][:3] == ["versions", "import", "imported"]
    assert raw.report is not None
    assert [test["outcome"] for test in raw.report["tests"]] == ["passed"]


def test_a_probe_sees_nothing_of_the_parents_environment_but_what_a_process_needs(
    tmp_path: Path, works: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    found = told(tmp_path, works, "sorted(os.environ)")
    allowed = {*execute._INHERITED, "HOME", "USERPROFILE", "TMPDIR", "PLANTED", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    allowed.add("PYTHONDONTWRITEBYTECODE")
    assert isinstance(found, list)
    assert set(found) - allowed <= {"LC_CTYPE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST"}
    assert told(tmp_path, works, "os.environ['PLANTED']") == "by matrix.toml"


def test_a_secret_is_in_nothing_that_a_cell_can_read_of_itself(
    tmp_path: Path, works: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret-s3cret")
    body = "'s3cret' in repr(os.environ) + repr(sys.argv) + repr(vars(sys.modules['__main__']))"
    assert told(tmp_path, works, body) is False


def test_a_cell_is_isolated_from_the_user_and_from_the_working_folder(tmp_path: Path, works: Ready) -> None:
    found = told(tmp_path, works, "[sys.flags.isolated, sys.flags.no_user_site, os.getcwd(), os.path.expanduser('~')]")
    assert isinstance(found, list)
    assert found[:2] == [1, 1]
    assert found[2] == found[3] != str(Path.cwd())
    assert not Path(found[2]).exists(), "and its home is gone when it has ended"


def test_probes_run_from_a_copy(tmp_path: Path, works: Ready) -> None:
    folder = ask(tmp_path, "open(subject_api.__file__, 'a').write('raise SystemExit')")
    before = (folder / "subject_api.py").read_text()
    assert works.read(folder).outcomes["it"].state is OutcomeState.SUPPORTED
    assert (folder / "subject_api.py").read_text() == before
    assert not list(folder.rglob("*.pyc"))


def test_a_cell_that_does_not_end_is_ended_with_its_children(tmp_path: Path, works: Ready) -> None:
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    mark = f"mark-of-{tmp_path.name}-{os.getpid()}"
    body = f"""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", {child!r}, {mark!r}], start_new_session=True)
        time.sleep(600)
    """
    began = time.monotonic()
    reading = works.read(ask(tmp_path, body), seconds=4)
    assert reading.state is CellState.TIMEOUT
    assert reading.detail == "no end within the time limit (in it)"
    assert time.monotonic() - began < 15
    assert not [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]


def test_a_thread_that_is_left_running_keeps_no_answer_back(tmp_path: Path, works: Ready) -> None:
    body = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"
    began = time.monotonic()
    assert works.read(ask(tmp_path, body)).outcomes["it"].state is OutcomeState.SUPPORTED
    assert time.monotonic() - began < 10


def test_a_thread_that_a_probe_waits_for_is_a_timeout(tmp_path: Path, works: Ready) -> None:
    body = (
        "import threading\nwaiting = threading.Thread(target=threading.Event().wait)\nwaiting.start()\nwaiting.join()"
    )
    assert works.read(ask(tmp_path, body), seconds=4).state is CellState.TIMEOUT


def test_memory_is_bounded(tmp_path: Path, works: Ready) -> None:
    body = (
        "import time\neaten = []\nfor _ in range(600):\n    eaten.append(bytearray(b'x' * 2**20))\n    time.sleep(.002)"
    )
    reading = works.read(ask(tmp_path, body), memory_mb=200)
    assert reading.state is CellState.CRASHED
    assert reading.detail == "took more memory than the limit (in it)"


def test_a_flood_of_output_neither_blocks_the_cell_nor_is_kept(tmp_path: Path, works: Ready) -> None:
    body = "import os\nfor _ in range(64):\n    os.write(1, b'flood ' * 174762)\nos.write(1, b'the end')"
    raw = works.run(ask(tmp_path, body), output_kb=4)
    assert raw.exit_code == 0
    assert len(raw.output.encode()) <= 4096


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param("import ctypes\nctypes.string_at(0)", "ended by SIGSEGV (in it)", marks=NEEDS_SIGNALS),
        pytest.param("import os\nos.abort()", "ended by SIGABRT (in it)", marks=NEEDS_SIGNALS),
        ("import os\nos._exit(0)", "ended without a complete report, exit code 0 (in it)"),
        ("import os\nos._exit(7)", "ended without a complete report, exit code 7 (in it)"),
    ],
)
def test_a_crash_is_a_crash_and_leaving_early_is_no_pass(tmp_path: Path, works: Ready, body: str, detail: str) -> None:
    reading = works.read(ask(tmp_path, body))
    assert (reading.state, reading.detail) == (CellState.CRASHED, detail)
    assert reading.outcomes == {}


@NEEDS_SIGNALS
def test_a_process_that_is_killed_from_outside_is_our_trouble(tmp_path: Path, works: Ready) -> None:
    with pytest.raises(Trouble, match=r"killed from outside \(in it\)"):
        works.read(ask(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))


def test_to_stop_ends_the_cell_at_once(tmp_path: Path, works: Ready) -> None:
    began = time.monotonic()
    with pytest.raises(Trouble, match="stopped"):
        works.run(ask(tmp_path, "import time\ntime.sleep(600)"), stop=lambda: time.monotonic() - began > 0.5)
    assert time.monotonic() - began < 10


def test_a_report_that_is_no_report_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tmp_path / "report.json"
    assert execute._read_report(report) is None
    for content in (b'{"tests": [', b"[1]", b"\xff", b""):
        report.write_bytes(content)
        assert execute._read_report(report) is None
    report.write_bytes(b'{"tests": []}')
    assert execute._read_report(report) == {"tests": []}
    monkeypatch.setattr(execute, "REPORT_BYTES", 4)
    assert execute._read_report(report) is None, "larger than any honest one"


def test_events_end_where_a_line_is_cut(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b'{"event": "versions"}\n{"event": "import"}\n{"event": "impor')
    assert [event["event"] for event in execute._read_events(events)] == ["versions", "import"]


def test_a_python_that_cannot_be_started_is_our_trouble(tmp_path: Path, works: Ready) -> None:
    gone = Ready(works.project, works.cell, tmp_path / "gone")
    with pytest.raises(Trouble, match="could not be run"):
        gone.run(ask(tmp_path, "pass"))


def test_defect_half_a_surrogate_in_a_message_cost_the_whole_cell_its_answers(tmp_path: Path, works: Ready) -> None:
    """The report was no valid JSON to a strict reader, and so none at all."""
    body = 'raise AssertionError("before \\ud800 after")'
    more = {"test_other.py": 'def test_other():\n    """Does it?"""\n'}
    reading = works.read(ask(tmp_path, body, **more))
    assert reading.state is CellState.RAN
    assert reading.outcomes["it"].message == "before after"
    assert reading.outcomes["other"].state is OutcomeState.SUPPORTED


def test_defect_a_flood_of_output_was_held_in_the_cells_memory_until_it_was_too_much(
    tmp_path: Path, works: Ready
) -> None:
    """pytest kept all of it for a report that nobody reads."""
    body = "import os\nfor _ in range(256):\n    os.write(1, b'flood ' * 174762)"
    assert works.read(ask(tmp_path, body), memory_mb=150).outcomes["it"].state is OutcomeState.SUPPORTED
