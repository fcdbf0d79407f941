"""Cells run in processes of their own: limits hold, nothing of ours gets in, nothing half-done comes out as an answer."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from io import BytesIO
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from compatmatrix.config import probe_files
from compatmatrix.core import launcher
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import SCRATCH_PREFIX
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.execution import cell_runner, limits
from compatmatrix.results.interpretation import Reading, ended_early, interpret
from fixtures import Project, Ready, ask
from hostile import soon
from platforms import NEEDS_SIGNALS


def told(folder: Path, works: Ready, body: str) -> object:
    """What a probe tells of its surroundings, as JSON by way of its note."""
    body = f"import json, os, sys\nfound = {body}\nraise AssertionError(json.dumps(found))"
    outcome = works.read(ask(folder, body)).outcomes["it"]
    assert outcome.message, outcome
    return json.loads(outcome.message)


def test_a_cell_that_runs_leaves_events_and_a_report(tmp_path: Path, works: Ready) -> None:
    raw = works.run(ask(tmp_path, "check.close(subject_api.expected(), subject_api.expected())"))
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
    allowed = {*cell_runner._INHERITED, "HOME", "USERPROFILE", "TMPDIR", "PLANTED", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
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
def test_a_process_that_kills_itself_may_have_been_killed_from_outside(tmp_path: Path, works: Ready) -> None:
    folder = ask(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    raw = works.run(folder)
    reading = interpret(raw, probe_files.read(folder))
    assert (reading.state, reading.detail) == (CellState.CRASHED, "ended by SIGKILL (in it)")
    assert ended_early(raw, reading, probe_files.read(folder)) == "in it", "a second try has to confirm it"


def started_by(folder: Path, works: Ready, line: str) -> Ready:
    """The cell in an environment of its own that runs a line at Python's start, as a release can have it do."""
    environment = folder / "environments" / "3"
    shutil.copytree(works.python.parents[1], environment, symlinks=True)
    next(environment.glob("[Ll]ib/**/site-packages")).joinpath("left.pth").write_text(f"{line}\n")
    return Ready(works.project, works.cell, environment / works.python.relative_to(works.python.parents[1]))


@NEEDS_SIGNALS
@pytest.mark.parametrize(
    ("line", "ended"),
    [
        ("import os; os._exit(0)", "exit code 0"),
        (f"import os; os._exit({launcher.REFUSED})", f"exit code {launcher.REFUSED}"),
        ("import os; os.remove('../task.json')", "exit code 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_defect_a_release_that_ends_python_at_its_start_was_our_trouble(
    tmp_path: Path, works: Ready, line: str, ended: str
) -> None:
    """And so every run ended with 1, which said that the cell did not start."""
    raw = started_by(tmp_path, works, line).run(ask(tmp_path / "probes", "pass"))
    reading = interpret(raw, ())
    how = f"ended by {ended}" if ended == "SIGKILL" else f"ended with {ended}"
    why = "and left no event: something that is installed ends Python at its start, or deletes what the cell writes"
    assert (reading.state, reading.detail) == (CellState.CRASHED, f"{how} {why}")
    assert ended_early(raw, reading, ()) == "at its start"


@NEEDS_SIGNALS
def test_a_release_that_hangs_at_pythons_start_is_a_timeout(tmp_path: Path, works: Ready) -> None:
    ready = started_by(tmp_path, works, "import os; os.remove('../events.jsonl'); os.mkfifo('../events.jsonl')")
    reading = interpret(ready.run(ask(tmp_path / "probes", "pass"), seconds=1), ())
    assert (reading.state, reading.detail) == (CellState.TIMEOUT, "no end within the time limit (at its start)")


@NEEDS_SIGNALS
def test_a_python_that_does_not_start_is_our_trouble(tmp_path: Path, works: Ready) -> None:
    ready = started_by(tmp_path, works, "")
    ready.python.unlink()
    ready.python.write_text("#!/bin/sh\necho no such library\nexit 127\n")
    ready.python.chmod(0o755)
    with pytest.raises(InfrastructureError, match=r"Python does not start here: .*no such library"):
        ready.run(ask(tmp_path / "probes", "pass"))


def test_to_stop_ends_the_cell_at_once(tmp_path: Path, works: Ready) -> None:
    began = time.monotonic()
    with pytest.raises(InfrastructureError, match="stopped"):
        works.run(ask(tmp_path, "import time\ntime.sleep(600)"), stop=lambda: time.monotonic() - began > 0.5)
    assert time.monotonic() - began < 10


def test_a_report_that_is_no_report_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b'{"tests": [', b"[1]", b"\xff", b"", b"[" * 100_000):
        assert cell_runner._read_report(BytesIO(content)) is None
    report = BytesIO(b'{"tests": []}')
    assert cell_runner._read_report(report) == {"tests": []}
    monkeypatch.setattr(cell_runner, "REPORT_BYTES", 4)
    assert cell_runner._read_report(report) is None, "larger than any honest one"


def test_events_end_where_a_line_is_cut() -> None:
    events = BytesIO(b'{"event": "versions"}\n{"event": "import"}\n{"event": "impor')
    assert [event["event"] for event in cell_runner._read_events(events)] == ["versions", "import"]


BEGIN = b'{"event": "versions"}\n{"event": "probe", "nodeid": "one"}\n'
END = b'\n{"event": "probe", "nodeid": "two"}\n{"event": "don'


@pytest.mark.parametrize(
    "flood",
    [b"x" * 20_000_000, b'{"event": "?"}\n' * 1_000_000, b"{}\n" * 3_000_000, b"\n" * 9_000_000, b"[" * 9_000_000],
)
def test_defect_a_flood_of_events_hid_all_of_them(flood: bytes) -> None:
    """A file that was too long was none, and its cell one that did not start."""
    events = cell_runner._read_events(BytesIO(BEGIN + flood + END))
    assert [event["event"] for event in events if event["event"] != "?"] == [
        "versions",
        "probe",
        cell_runner.LOST,
        "probe",
    ]
    assert len(events) <= 2 * cell_runner.EVENTS_LINES + 1


def test_what_is_no_event_is_left_out() -> None:
    events = BytesIO(b'{"event": []}\n{"event": {}}\n{}\n7\n\xff\n{"event": "import"}\n')
    assert cell_runner._read_events(events) == ({"event": "import"},)


def test_defect_an_instant_that_was_no_such_number_ended_in_an_accident() -> None:
    """Python takes no difference of a float and an integer of that size."""
    raw = cell_runner.Raw(
        exit_code=0,
        killed_for=None,
        events=({"event": "import", "at": 10**400}, {"event": "done", "at": float("inf")}),
        report=None,
        began=0.0,
        seconds=1.0,
    )
    assert "start" not in raw.parts()


HOSTILE = {
    "a FIFO for the report": "os.remove(report)\nos.mkfifo(report)\nos._exit(0)",
    "a FIFO for the events": "os.remove(events)\nos.mkfifo(events)\nos._exit(0)",
    "links": "for name in (report, events):\n    os.remove(name)\n    os.symlink('/dev/zero', name)\nos._exit(0)",
    "folders": "for name in (report, events):\n    os.remove(name)\n    os.mkdir(name)\nos._exit(0)",
    "nothing": "for name in (report, events):\n    os.remove(name)\nos._exit(0)",
    "a report without an end": "os.truncate(report, 1 << 40)\nos._exit(0)",
    "forged files in their place": """
        for name in (report, events):
            os.remove(name)
        tests = [{"nodeid": "test_it.py::test_it", "outcome": "passed"}]
        json.dump({"exitcode": 0, "tests": tests}, open(report, "w"))
        print('{"event": "done"}', file=open(events, "w"))
        os._exit(0)
    """,
    "a flood of events": """
        with open(events, "a") as file:
            for _ in range(1_000_000):
                print('{"event": "flood"}', file=file)
        os._exit(0)
    """,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_defect_what_a_cell_left_in_the_place_of_its_files_was_opened(tmp_path: Path, works: Ready, kind: str) -> None:
    """A FIFO held the engine up for ever; and of what was no file, it was said that the cell had not started."""
    before = (
        "import json, os\nevents, report = (os.path.join('..', name) for name in ('events.jsonl', 'report.json'))\n"
    )
    folder = ask(tmp_path, before + dedent(HOSTILE[kind]))
    reading = soon(lambda: works.read(folder))
    assert isinstance(reading, Reading)
    place = "in it or later" if "flood" in kind else "in it"
    assert (reading.state, reading.outcomes) == (CellState.CRASHED, {})
    assert reading.detail == f"ended without a complete report, exit code 0 ({place})"


def test_defect_a_link_in_a_cells_scratch_folder_had_the_hosts_files_named(tmp_path: Path, works: Ready) -> None:
    """They were taken for what the cell had changed of its environment."""
    body = """
        import os
        for top in ("..", "../.."):
            for name in ("changes", "layer", "layer/changes"):
                path = os.path.join(top, name)
                try:
                    os.rename(path, path + "-moved")
                except OSError:
                    pass
                try:
                    os.symlink("/usr", path)
                except OSError:
                    pass
        open(os.path.join(os.path.dirname(subject.__file__), "left"), "w").close()
    """
    raw = works.run(ask(tmp_path, body))
    if "environment" not in raw.isolation:
        pytest.skip("this system has no layers to offer")
    (changed,) = raw.changed
    assert changed.endswith("site-packages/subject/left"), "nor can it hide what it changes"


def test_a_cell_that_leaves_folders_deeper_than_the_stack_leaves_nothing(tmp_path: Path, works: Ready) -> None:
    body = """
        import os, tempfile
        os.chdir(tempfile.gettempdir())
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        os.chmod(".", 0)
    """
    assert works.read(ask(tmp_path, body)).outcomes["it"].state is OutcomeState.SUPPORTED
    assert not list(works.python.parents[2].glob(f"{SCRATCH_PREFIX}*"))


def test_a_full_disk_is_our_trouble_whatever_the_cell_says(
    tmp_path: Path, works: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(dir: Path) -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cell_runner.tempfile, "TemporaryFile", full)  # type: ignore[attr-defined]
    with pytest.raises(
        InfrastructureError, match=r"the disk takes nothing more \(No space left on device\): make room"
    ):
        works.run(ask(tmp_path, "pass"))


def test_what_the_kernel_ends_for_want_of_memory_meanwhile_is_noted(
    tmp_path: Path, works: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([7, 8, 8, 8])
    monkeypatch.setattr(cell_runner.limits, "oom_kills", lambda: next(counts))  # type: ignore[attr-defined]
    assert works.run(ask(tmp_path / "one", "pass")).starved
    assert not works.run(ask(tmp_path / "other", "pass")).starved


def test_the_kernels_count_is_read() -> None:
    if Path("/proc/vmstat").exists():
        assert f"oom_kill {limits.oom_kills()}\n" in Path("/proc/vmstat").read_text()


def test_a_python_that_cannot_be_started_is_our_trouble(tmp_path: Path, works: Ready) -> None:
    gone = Ready(works.project, works.cell, tmp_path / "gone")
    with pytest.raises(InfrastructureError, match="could not be run"):
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


def test_an_exception_can_be_attributed_to_a_reported_package(tmp_path: Path, works: Ready) -> None:
    """Of another package's exception nothing is said but that the probe is at fault."""
    folder = ask(tmp_path / "probes", "import helper\nhelper.step(0.0, 'a number')")
    companion = '[[companion]]\nname = "helper"\n'
    for table, state in (
        (companion.replace("companion", "reported"), OutcomeState.RAISES),
        ("", OutcomeState.INCONCLUSIVE),
    ):
        project = Project.make(tmp_path / (table or "none")[2:10], "https://example.org/simple/")
        project.set(companion, table)
        outcome = Ready(project, works.cell, works.python).read(folder).outcomes["it"]
        assert outcome.state is state, outcome
