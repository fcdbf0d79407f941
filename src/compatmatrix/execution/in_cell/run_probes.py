"""Runs inside a cell: compares what is installed with the lock, imports the subject, and runs pytest.

It is copied to the folder that holds the probes' copy, with `tamper_check`, and started as a script by the cell's
interpreter. It needs pytest and pytest-json-report, nothing of the engine, and keeps to the syntax of the oldest Python
that a cell may have. It writes one JSON object a line to the events file, so that a crash shows at which probe it was.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import json
import linecache
import os
import re
import sys
import time
import traceback
from typing import Any

TEXT = 4000
"""Most characters that are kept of one text."""

FRAMES = 14
"""Most frames that are kept of a traceback: the outermost few and the innermost."""


def main() -> int:
    """Run the task in the file that the argument names.

    Returns:
        pytest's exit code; 3 if what is installed is not the lock, 4 if the subject cannot be imported.
    """
    with open(sys.argv[1], encoding="utf-8") as file:
        task: dict[str, Any] = json.load(file)
    events = open(task["events"], "w", encoding="utf-8", buffering=1)

    def report(event: str, **details: object) -> None:
        events.write(json.dumps({"event": event, "at": time.time(), **details}) + "\n")

    wrong = _lock_differences(task["lock"])
    report("versions", wrong=wrong, python=list(sys.version_info[:3]))
    if wrong:
        return 3
    describe = Describer(task["probes"], task["packages"])
    # An isolated interpreter does not search its script's folder for modules.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tampering = importlib.import_module("tamper_check").TamperCheck.start(task["probes"])
    check_at_end = tampering.check_at_end  # looked up before the subject can replace it
    sys.path[0] = task["probes"]
    import pytest

    report("import")
    # Modules stay alive: looking for garbage among them again and again would take a fifth of a cell's time.
    gc.disable()
    try:
        __import__(task["import"])
    except BaseException as error:
        report("import-failed", exception=describe(error), sources=_sources())
        return 4
    finally:
        gc.freeze()
        gc.enable()
    tampering.check_after_import(describe.owners(), task["lock"])
    report("imported")
    # pytest's plugin for unittest turns a SkipTest into a skip of its own, which hides where it was raised.
    arguments = [*task["pytest"], "-p", "no:unittest"]
    code = int(pytest.main(arguments, plugins=[Plugin(report, describe, tampering)]))
    check_at_end()
    report("done", tampering=tampering.changes, sources=_sources())
    return code


def _lock_differences(lock: dict[str, str]) -> list[str]:
    """Where the installed packages are not exactly the names and versions of the lock."""
    installed: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        installed[re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()] = distribution.version
    return [
        f"{name}: {lock.get(name, 'not')} in the lock, {installed.get(name, 'not')} installed"
        for name in sorted({*lock, *installed})
        if lock.get(name) != installed.get(name)
    ][:20]


def _sources() -> list[str]:
    """Source files of the environment that were imported, relative to it."""
    sources = []
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):  # anything can stand in sys.modules
            path = module.__dict__.get("__file__")
            if isinstance(path, str) and path.endswith(".py") and path.startswith(sys.prefix + os.sep):
                sources.append(os.path.relpath(path, sys.prefix))
    return sources


class Plugin:
    """Reports which probe starts, and adds to pytest-json-report what it leaves out of an exception."""

    def __init__(self, report: Any, describe: Describer, tampering: Any) -> None:
        self._report = report
        self._describe = describe
        self._tampering = tampering
        self._plugins: set[object] = set()

    def pytest_load_initial_conftests(self) -> None:
        # pytest has put its own finder, for the probes' files, before all others.
        self._tampering.go_first()

    def pytest_collection_finish(self, session: Any) -> None:
        self._plugins = session.config.pluginmanager.get_plugins()

    def pytest_sessionfinish(self, session: Any) -> None:
        if session.config.pluginmanager.get_plugins() != self._plugins:
            self._tampering.changes.append("registered or removed a plugin of pytest")

    def pytest_runtest_call(self, item: Any) -> None:
        self._tampering.remember_fixtures(item.funcargs)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._report("probe", nodeid=nodeid[:TEXT])

    def pytest_json_runtest_metadata(self, item: Any, call: Any) -> dict[str, object]:
        if call.excinfo is None:
            return {}
        return {call.when: self._describe(call.excinfo.value)}

    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        for test in json_report.get("tests", ()):
            for phase in ("setup", "call", "teardown"):
                for part in ("crash", "longrepr"):
                    test.get(phase, {}).pop(part, None)


class Describer:
    """Describes an exception as bounded data: type, message, and frames with paths that are the same on every machine."""

    def __init__(self, probes: str, packages: list[str]) -> None:
        self._probes = os.path.realpath(probes)
        self._packages = packages
        self._owners: dict[str, str] | None = None

    def __call__(self, error: BaseException) -> dict[str, object]:
        kind = type(error)
        frames = [self._frame(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        # The frames by which pytest calls the probe are left out.
        first = next((number for number, frame in enumerate(frames) if str(frame["path"]).startswith("probes/")), 0)
        frames = frames[first:]
        home = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
        plain = kind.__module__ in ("builtins", "__main__")
        try:
            message = str(error)
        except BaseException:
            message = "(its message cannot be made)"
        return {
            "type": (kind.__qualname__ if plain else f"{kind.__module__}.{kind.__qualname__}")[:300],
            "own": self._inside(home),
            "message": self._relative_paths(message[: 2 * TEXT])[:TEXT],
            "frames": frames[:4] + frames[-(FRAMES - 4) :] if len(frames) > FRAMES else frames,
            "left_out": max(0, len(frames) - FRAMES),
        }

    def _frame(self, frame: Any, line: int) -> dict[str, object]:
        filename = frame.f_code.co_filename
        path, package = self._location(filename)
        return {
            "path": path[:300],
            "line": line,
            "function": getattr(frame.f_code, "co_qualname", frame.f_code.co_name)[:200],
            "text": linecache.getline(filename, line).strip()[:300],
            "package": package,
        }

    def _relative_paths(self, text: str) -> str:
        """The text with this machine's paths made relative to site-packages, the probes or the Python installation."""
        text = re.sub(r"[^\s'\"()<>]*[\\/](?:site|dist)-packages[\\/]", "", text)
        text = text.replace(self._probes, "probes")
        for prefix in sorted({sys.prefix, sys.base_prefix, os.path.expanduser("~")}, key=len, reverse=True):
            if len(prefix) > 1:
                text = text.replace(prefix, "<python>")
        return text

    def _inside(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self._probes + os.sep)

    def _location(self, filename: str) -> tuple[str, str | None]:
        """The path relative to site-packages or the probes, and the watched package that the file belongs to."""
        parts = re.split(r"[\\/]", filename)
        for folder in ("site-packages", "dist-packages"):
            if folder in parts:
                inside = parts[parts.index(folder) + 1 :]
                return "/".join(inside), self.owners().get(_module_name(inside[0])) if inside else None
        if self._inside(filename):
            return "probes/" + os.path.relpath(os.path.realpath(filename), self._probes).replace(os.sep, "/"), None
        return parts[-1], None

    def owners(self) -> dict[str, str]:
        """Top-level module -> the watched package that it belongs to; read once."""
        if self._owners is None:
            self._owners = {}
            for name in self._packages:
                try:
                    files = importlib.metadata.files(name) or []
                except importlib.metadata.PackageNotFoundError:
                    continue
                for file in files:
                    self._owners.setdefault(_module_name(file.parts[0]), name)
        return self._owners


def _module_name(path: str) -> str:
    """The name of the module in a top-level file or folder."""
    return re.sub(r"\.(py|so|pyd).*$", "", path)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is written: exit handlers of packages would only take time.
    os._exit(code)
