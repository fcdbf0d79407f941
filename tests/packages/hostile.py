"""Releases of ``subject`` that are capable of anything: they hang, crash, flood, lie and litter.

Each may spoil its own cell at most. None does lasting harm to the machine that runs the tests: sizes are bounded,
sleeps end, and litter goes to the environment, HOME, working and temporary folder that the cell was given.
"""

from __future__ import annotations

from collections.abc import Mapping

from .behaviors import Behavior

LONG = 600
"""Seconds that a hanging release hangs: no limit under test is that long, and what escapes a test ends by itself."""

MIB = 64
"""Mebibytes that a flooding release writes, raises or allocates, unless asked for more."""

LITTER = "left-by-the-subject"
"""The name in all that a littering release leaves behind, to look for."""

_PLUGIN = '''\
"""Turns every failure into a pass."""
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    report.longrepr = None
    return report
'''

_FORGE = """\
import atexit, json, os, sys
def forge():
    for argument in sys.argv:
        if argument.startswith("--json-report-file="):
            passed = [{"nodeid": "test_standalone", "outcome": "passed", "call": {"outcome": "passed"}}]
            report = {"exitcode": 0, "summary": {"passed": 1, "total": 1}, "tests": passed}
            with open(argument.split("=", 1)[1], "w") as file:
                json.dump(report, file)
            os._exit(0)
atexit.register(forge)
raise RuntimeError("the true answer is an exception")"""

_LITTER = f"""\
import importlib.util, marshal, pathlib, tempfile
home, here = pathlib.Path.home(), pathlib.Path(__file__).parent.parent
(here / "{LITTER}.pth").write_text("import sys; sys.{LITTER.replace("-", "_")} = True\\n")
(here / "companion" / "{LITTER}.py").write_text("")
source = here / "helper" / "__init__.py"
wrong = compile(source.read_text() + "\\nNOTE = '{LITTER}'\\n", str(source), "exec")
parts = (0, int(source.stat().st_mtime), source.stat().st_size)
cached = pathlib.Path(importlib.util.cache_from_source(str(source)))
cached.parent.mkdir(exist_ok=True)
header = importlib.util.MAGIC_NUMBER + b"".join(part.to_bytes(4, "little") for part in parts)
cached.write_bytes(header + marshal.dumps(wrong))
with (here / "helper" / "__init__.py").open("a") as file:
    file.write("\\n# {LITTER}\\n")
for folder in (home, pathlib.Path(tempfile.gettempdir()), pathlib.Path.cwd()):
    try:
        (folder / "{LITTER}.txt").write_text("")
    except OSError:
        pass
return thing"""

_STUBBORN_CHILD = f"""\
import subprocess, sys, time
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep({LONG})"
subprocess.Popen([sys.executable, "-c", ignore], start_new_session=True)
time.sleep({LONG})"""

_THREAD = f"""\
import threading, time
threading.Thread(target=time.sleep, args=({LONG},)).start()
return thing"""

# Straight to the descriptor, which not every way of capturing output sees.
_FLOOD = """\
import os
for _ in range({mib}):
    os.write(1, b"flood " * 174762 + b"\\n")
return thing"""

_HOSTILE_TEXT = """\
raise NotTrainable(
    "<script>alert(1)</script> </pre> | [x](javascript:y) `\\x1b[2J`"
    " \\u202e ::error::x\\n=cmd() \\ud800 \\0 $(id) %0A"
)"""


def hostile(mib: int = MIB) -> Mapping[str, Behavior]:
    """Makes the table, with floods of so many mebibytes."""
    return {
        "hangs-at-import": Behavior("Never finishes its import.", at_import=f"import time; time.sleep({LONG})"),
        "hangs-in-call": Behavior("Never returns from the call.", on_bare=f"import time; time.sleep({LONG})"),
        "hangs-in-thread": Behavior("Answers, but leaves a thread that keeps the process alive.", on_bare=_THREAD),
        "hangs-with-child": Behavior(
            "Hangs, with a child in a session of its own that ignores SIGTERM.", on_bare=_STUBBORN_CHILD
        ),
        "segfaults": Behavior("Reads address zero: SIGSEGV.", on_bare="import ctypes; ctypes.string_at(0)"),
        "segfaults-at-import": Behavior(
            "SIGSEGV before any probe ran.", at_import="import ctypes; ctypes.string_at(0)"
        ),
        "aborts": Behavior("SIGABRT.", on_bare="import os; os.abort()"),
        "overflows-stack": Behavior("Recurses in C until the stack is gone.", on_bare=_overflow()),
        "exits-at-import": Behavior(
            "Leaves with status 0 before any probe ran: never a pass.", at_import="import os; os._exit(0)"
        ),
        "exits-in-call": Behavior(
            "Leaves with status 0 in the middle of a probe: never a pass.", on_bare="import os; os._exit(0)"
        ),
        "raises-system-exit": Behavior(
            "Leaves politely, by SystemExit(0), which no `except Exception` sees.", on_bare="raise SystemExit(0)"
        ),
        "ends-session": Behavior(
            "Ends pytest's session with status 0 in the middle of a probe: never a pass.",
            on_bare="import pytest\npytest.exit('that is all', returncode=0)",
        ),
        "skips": Behavior(
            "Calls what does not work a test to skip: never absent.",
            on_bare="import unittest\nraise unittest.SkipTest('not here')",
        ),
        "eats-memory": Behavior("Allocates and touches more and more.", on_bare=_eat(mib)),
        "floods-stdout": Behavior(
            "Works, and writes to the file descriptor of stdout.", on_bare=_FLOOD.format(mib=mib)
        ),
        "huge-message": Behavior(
            "An exception message as long as a film.", on_bare=f'raise NotTrainable("long " * ({mib} * 209715))'
        ),
        "hostile-text": Behavior(
            "An exception message with markup, escapes, commands and half a surrogate.", on_bare=_HOSTILE_TEXT
        ),
        "lies-about-version": Behavior("Its __version__ is not the one that was installed.", claims="99.0"),
        "brings-plugin": Behavior(
            "Registers a pytest plugin by entry point, which turns failures into passes.",
            on_bare='raise NotTrainable("cannot train a bare Value")',
            modules={"subject_plugin.py": _PLUGIN},
            entry_points={"pytest11": {"subject": "subject_plugin"}},
        ),
        "replaces-tools": Behavior(
            "Puts its own pytest and json in place at import.",
            at_import='import sys, types\nsys.modules["pytest"] = sys.modules["json"] = types.ModuleType("fake")',
            on_bare='raise NotTrainable("cannot train a bare Value")',
        ),
        "patches-helper": Behavior(
            "Learns nothing, and patches the arithmetic that the expected number comes from.",
            on_bare="helper.step = lambda number, gradient: number\nreturn Value(thing.number)",
        ),
        "patches-probes": Behavior(
            "Learns nothing, and replaces the function of the probes that says what is expected.",
            on_bare="import subject_api\nsubject_api.expected = lambda: 0.0\nreturn Value(thing.number)",
        ),
        "forges-report": Behavior(
            "Writes a report of passes where the real one is expected, and leaves.", on_bare=_FORGE
        ),
        "litters": Behavior(
            "Works, and leaves files in the environment, HOME and elsewhere to mislead the next cell.", on_bare=_LITTER
        ),
    }


def _overflow() -> str:
    # Through C, because the interpreter's own limit would turn it into a RecursionError.
    return "import sys\nsys.setrecursionlimit(10**9)\nnest = ()\nfor _ in range(10**6):\n    nest = (nest,)\nhash(nest)"


def _eat(mib: int) -> str:
    return f"eaten = []\nfor _ in range({mib}):\n    eaten.append(bytearray(b'x' * 2**20))\nreturn thing"
