"""Cells apart from the machine: each thing that they are kept from is tried, on this machine's own system."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from compatmatrix.core import launcher
from compatmatrix.core.states import OutcomeState
from compatmatrix.execution import sandbox
from compatmatrix.execution.sandbox import Isolation
from fixtures import Ready, ask
from platforms import NEEDS_SANDBOX, skip_module_without

NOTHING: frozenset[Isolation] = frozenset()

skip_module_without(NEEDS_SANDBOX)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("apart")


@pytest.fixture(scope="session")
def apart(root: Path) -> frozenset[Isolation]:
    """All that there is, or no test of it."""
    found = sandbox.available(root)
    if found != frozenset(sandbox.ALL):
        pytest.skip(f"this system allows {sorted(found) or 'nothing'} of {sandbox.ALL}")
    return found


@pytest.fixture
def open_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that allows nothing of it."""
    monkeypatch.setattr(sandbox, "_available", lambda root: NOTHING)


class Tried:
    """Runs a script as a cell would be run."""

    def __init__(self, folder: Path, apart: frozenset[Isolation]) -> None:
        self._sandbox = sandbox.create(folder, folder / "environment", apart)
        self.environment, self.scratch, self.layer = folder / "environment", self._sandbox.scratch, self._sandbox.layer
        self.environment.mkdir()

    def command(self, script: str) -> list[str | Path]:
        return self._sandbox.command_line(sys.executable, "-I", "-S", "-c", script)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(script), cwd=self.scratch, capture_output=True, text=True, timeout=30, check=False
        )


@pytest.fixture(params=["apart", "open"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Tried:
    return Tried(tmp_path, request.getfixturevalue("apart") if request.param == "apart" else NOTHING)


@pytest.fixture
def tried(tmp_path: Path, apart: frozenset[Isolation]) -> Tried:
    return Tried(tmp_path, apart)


def marked(text: str) -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cmdline"]) if text in (one.info["cmdline"] or ())]


def there(text: str, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not marked(text):
        assert time.monotonic() < until, f"{text} never started"
        time.sleep(0.05)


def gone(text: str, seconds: float = 5) -> bool:
    until = time.monotonic() + seconds
    while marked(text) and time.monotonic() < until:
        time.sleep(0.05)
    return not marked(text)


def test_a_cell_talks_to_itself_and_to_nobody_else(tried: Tried) -> None:
    said = tried.run(
        "import socket\n"
        "own = socket.create_server(('127.0.0.1', 0)); socket.create_connection(own.getsockname()); print('itself')\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), timeout=5)\nexcept OSError as error:\n    print(error.errno)"
    )
    assert said.stdout.split() == ["itself", "101"], said.stderr


def test_a_server_on_this_machine_is_not_reached(tried: Tried) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as ours:
        script = f"import socket; socket.create_connection(('127.0.0.1', {ours.getsockname()[1]}), timeout=5)"
        assert "ConnectionRefusedError" in tried.run(script).stderr


def test_no_other_process_is_seen_or_reached(tried: Tried) -> None:
    said = tried.run(
        "import os, json\n"
        "seen = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())\n"
        f"try:\n    os.kill({os.getpid()}, 0)\n    seen.append('reached')\nexcept ProcessLookupError:\n    pass\n"
        "print(json.dumps(seen))"
    )
    assert json.loads(said.stdout) == [1, 2], said.stderr


def test_what_the_parent_keeps_in_its_environment_is_not_read_by_way_of_proc(
    tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    clean = {name: value for name, value in os.environ.items() if name != "SECRET_TOKEN"}
    script = (
        "import glob\nfound = b''\n"
        "for name in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\n"
        "    try:\n        found += open(name, 'rb').read()\n    except OSError:\n        pass\n"
        "print(b's3' + b'cret' in found)"
    )
    done = subprocess.run(
        tried.command(script), env=clean, cwd=tried.scratch, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "False\n", done.stderr


def test_nothing_is_changed_but_in_the_scratch_folder_and_the_layer(tried: Tried, tmp_path: Path) -> None:
    (tried.environment / "there").write_text("as it was")
    places = [tmp_path / "beside", Path.home() / "left", tried.environment / "new", tried.environment / "there"]
    script = f"""
import pathlib
for place in {list(map(str, places))}:
    try:
        pathlib.Path(place).write_text("changed"); print("yes")
    except OSError as error:
        print(error.errno)
pathlib.Path("mine").write_text("changed"); pathlib.Path("/dev/null").write_text("x")
"""
    said = tried.run(script)
    assert said.stdout.split() == ["30", "30", "yes", "yes"], said.stderr
    assert [path.name for path in tried.environment.iterdir()] == ["there"]
    assert (tried.environment / "there").read_text() == "as it was"
    assert (tried.scratch / "mine").read_text() == "changed"
    assert sorted(path.name for path in (tried.layer / "changes").iterdir()) == ["new", "there"]


def test_defect_the_layer_of_changes_was_within_a_cells_reach(tried: Tried) -> None:
    """A cell could move it away and put a link in its place: then the host's files were named as its changes."""
    script = f"""
import os
layer = {str(tried.layer)!r}
for change in (
    lambda: os.rename(layer + "/changes", layer + "/moved"),
    lambda: os.rename(layer, layer + "-moved"),
    lambda: os.symlink("/usr", layer + "/link"),
    lambda: open(layer + "/changes/hidden", "w"),
    lambda: open({str(tried.environment / "new")!r}, "w"),
):
    try:
        change(); print("yes")
    except OSError as error:
        print(error.errno)
"""
    assert tried.run(script).stdout.split() == ["30", "30", "30", "30", "yes"]
    assert [path.name for path in (tried.layer / "changes").iterdir()] == ["new"]


def test_a_cell_has_no_privilege_to_undo_it(tried: Tried) -> None:
    script = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.umount2({str(tried.environment)!r}.encode(), 2))
caps = [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapPrm", "CapEff", "CapBnd"))]
print(set(caps))
"""
    assert tried.run(script).stdout.splitlines() == ["-1", "{'0000000000000000'}"]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("raise SystemExit(7)", 7),
        ("import os; os._exit(0)", 0),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_it_ends_as_what_it_started_ended(either: Tried, script: str, code: int) -> None:
    assert either.run(script).returncode == code


def test_what_python_ignores_is_not_ignored_in_the_cell(either: Tried) -> None:
    script = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('SigIgn')])"
    plain = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert either.run(script).stdout == plain.stdout


_DAEMON = """
import os, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child, {mark!r}], start_new_session=True, stdout=subprocess.DEVNULL)
time.sleep(0.3)
"""


def test_what_left_the_group_ends_with_the_cell(either: Tried, tmp_path: Path) -> None:
    mark = f"daemon-of-{tmp_path.name}-{os.getpid()}"
    assert either.run(_DAEMON.format(mark=mark)).returncode == 0
    assert gone(mark, 0)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_all_ends_when_the_minder_is_ended(either: Tried, tmp_path: Path, how: signal.Signals) -> None:
    mark = f"daemon-of-{tmp_path.name}-{os.getpid()}"
    process = subprocess.Popen(
        either.command(_DAEMON.format(mark=mark) + "time.sleep(600)"), cwd=either.scratch, start_new_session=True
    )
    there(mark)
    process.send_signal(how)
    process.wait(10)
    if how is signal.SIGKILL and not (either.layer / "changes").exists():
        # Without namespaces nobody is left to end them: the price of a launcher that was killed itself.
        for left in marked(mark):
            left.kill()
    assert gone(mark)


def test_all_ends_when_the_engine_is_killed(either: Tried, tmp_path: Path) -> None:
    mark = f"daemon-of-{tmp_path.name}-{os.getpid()}"
    script = (
        "import subprocess, sys, os, json\n"
        f"command = json.loads({json.dumps(list(map(str, either.command(_DAEMON.format(mark=mark) + 'time.sleep(600)'))))!r})\n"
        "command[4] = str(os.getpid())\n"
        "subprocess.Popen(command, start_new_session=True).wait()"
    )
    engine = subprocess.Popen([sys.executable, "-c", script], cwd=either.scratch)
    there(mark)
    engine.kill()
    engine.wait()
    assert gone(mark)


def test_a_command_that_is_tied_dies_with_the_engine(tmp_path: Path) -> None:
    mark = f"tied-{tmp_path.name}-{os.getpid()}"
    script = (
        "import subprocess, sys\nfrom compatmatrix.core import processes\n"
        f"subprocess.run(processes.die_with_parent([sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}]))"
    )
    engine = subprocess.Popen([sys.executable, "-c", script])
    there(mark)
    engine.kill()
    engine.wait()
    assert gone(mark)


def test_what_is_not_to_be_had_is_refused_and_starts_nothing(tmp_path: Path, apart: frozenset[Isolation]) -> None:
    tried = Tried(tmp_path, apart)
    tried.environment.rmdir()
    done = tried.run(f"open({str(tried.scratch / 'ran')!r}, 'w')")
    assert done.returncode == launcher.REFUSED
    assert "could not be isolated" in done.stderr
    assert not (tried.scratch / "ran").exists()


def test_a_path_that_cannot_be_a_layer_costs_that_ability_alone(tmp_path: Path, apart: frozenset[Isolation]) -> None:
    odd = tmp_path / "with:colon"
    odd.mkdir()
    assert sandbox.available(odd) == apart - {"environment"}


def test_a_cell_runs_without_network_and_says_so(tmp_path: Path, works: Ready, apart: frozenset[Isolation]) -> None:
    raw = works.run(ask(tmp_path, "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)"))
    assert raw.isolation == apart
    assert raw.report is not None
    assert raw.report["tests"][0]["metadata"]["call"]["message"] == "[Errno 101] Network is unreachable"


@pytest.mark.usefixtures("open_cells")
def test_where_the_system_allows_nothing_a_cell_runs_all_the_same_and_says_so(tmp_path: Path, works: Ready) -> None:
    folder = ask(tmp_path, "check.close(subject_api.expected(), subject_api.expected())")
    assert works.read(folder).outcomes["it"].state is OutcomeState.SUPPORTED
    assert works.run(folder).isolation == NOTHING
