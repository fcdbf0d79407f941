"""What runs inside a cell: checks that the cell is what it claims, imports what the probes need, runs pytest.

Copied beside the probes, with `tampercheck`, and started as a script by the cell's own interpreter; needs pytest and
pytest-json-report and nothing else of the engine, and keeps to the syntax of the oldest Python that a cell may have.

It writes one JSON object per line to the events file, so that a cell that dies leaves word of what it was at.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import json
import os
import re
import sys
import time
import traceback
from typing import Any

TEXT = 4000
"""Characters kept of any one text that comes out of a package."""

FRAMES = 14
"""Frames kept of a traceback: the outermost few and the innermost."""


def main() -> int:
    """Do the task that the file named by the only argument describes; returns pytest's exit code, 3 or 4."""
    with open(sys.argv[1], encoding="utf-8") as file:
        task: dict[str, Any] = json.load(file)
    events = open(task["events"], "w", encoding="utf-8", buffering=1)

    def tell(event: str, **details: object) -> None:
        events.write(json.dumps({"event": event, "at": time.time(), **details}) + "\n")

    wrong = _differences(task["lock"])
    tell("versions", wrong=wrong, python=list(sys.version_info[:3]))
    if wrong:
        return 3
    describe = Describer(task["probes"], task["packages"])
    # An isolated interpreter does not look for modules beside its script.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tampering = importlib.import_module("tamper_check").TamperCheck(task["probes"])
    finish = tampering.at_the_end  # looked up before the subject can replace it
    sys.path[0] = task["probes"]
    import pytest

    tell("import")
    # Modules are there to stay: to look for garbage among them again and again takes a fifth of a cell's time.
    gc.disable()
    try:
        __import__(task["import"])
    except BaseException as error:
        tell("import-failed", exception=describe(error), sources=_sources())
        return 4
    finally:
        gc.freeze()
        gc.enable()
    tampering.after_the_import(describe.owners(), task["lock"])
    tell("imported")
    # pytest's plugin for unittest turns a SkipTest into a skip of its own, which no longer says who raised it.
    arguments = [*task["pytest"], "-p", "no:unittest"]
    code = int(pytest.main(arguments, plugins=[Plugin(tell, describe, tampering)]))
    finish()
    tell("done", oddities=tampering.found, sources=_sources())
    return code


def _differences(lock: dict[str, str]) -> list[str]:
    """Where what is installed is not the lock: exactly these names in exactly these versions."""
    installed: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        installed[re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()] = distribution.version
    return [
        f"{name}: {lock.get(name, 'not')} in the lock, {installed.get(name, 'not')} installed"
        for name in sorted({*lock, *installed})
        if lock.get(name) != installed.get(name)
    ][:20]


def _sources() -> list[str]:
    """Files of the environment that modules were imported from; what calls itself a module need not be one."""
    found = []
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):
            path = module.__dict__.get("__file__")
            if isinstance(path, str) and path.endswith(".py") and path.startswith(sys.prefix + os.sep):
                found.append(os.path.relpath(path, sys.prefix))
    return found


class Plugin:
    """Tells which probe is at work, and puts into pytest-json-report what it leaves out of an exception."""

    def __init__(self, tell: Any, describe: Describer, tampering: Any) -> None:
        self._tell = tell
        self._describe = describe
        self._tampering = tampering

    def pytest_load_initial_conftests(self) -> None:
        # pytest has put its own finder, for the files with probes, before all others.
        self._tampering.go_first()

    def pytest_runtest_call(self, item: Any) -> None:
        self._tampering.remember_fixtures(item.funcargs)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell("probe", nodeid=nodeid[:TEXT])

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
    """An exception as plain, bounded data: type, message, frames with paths that are the same on every machine."""

    def __init__(self, probes: str, packages: list[str]) -> None:
        self._probes = os.path.realpath(probes)
        self._packages = packages
        self._owners: dict[str, str] | None = None

    def __call__(self, error: BaseException) -> dict[str, object]:
        kind = type(error)
        frames = [self._frame(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        # How pytest came to call the probe is of no interest.
        first = next((number for number, frame in enumerate(frames) if str(frame["path"]).startswith("probes/")), 0)
        frames = frames[first:]
        home = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
        try:
            message = str(error)
        except BaseException:
            message = "(its message cannot be made)"
        return {
            "type": (
                kind.__qualname__
                if kind.__module__ in ("builtins", "__main__")
                else f"{kind.__module__}.{kind.__qualname__}"
            )[:300],
            "own": self._inside(home),
            "message": self._without_places(message[: 2 * TEXT])[:TEXT],
            "frames": frames[:4] + frames[-(FRAMES - 4) :] if len(frames) > FRAMES else frames,
            "left_out": max(0, len(frames) - FRAMES),
        }

    def _frame(self, frame: Any, line: int) -> dict[str, object]:
        import linecache

        filename = frame.f_code.co_filename
        path, package = self._place(filename)
        return {
            "path": path[:300],
            "line": line,
            "function": getattr(frame.f_code, "co_qualname", frame.f_code.co_name)[:200],
            "text": linecache.getline(filename, line).strip()[:300],
            "package": package,
        }

    def _without_places(self, text: str) -> str:
        """Paths of this machine made relative: to site-packages, to the probes, to the standard library."""
        text = re.sub(r"[^\s'\"()<>]*[\\/](?:site|dist)-packages[\\/]", "", text)
        text = text.replace(self._probes, "probes")
        for prefix in sorted({sys.prefix, sys.base_prefix, os.path.expanduser("~")}, key=len, reverse=True):
            if len(prefix) > 1:
                text = text.replace(prefix, "<python>")
        return text

    def _inside(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self._probes + os.sep)

    def _place(self, filename: str) -> tuple[str, str | None]:
        """Path relative to site-packages (or what else it lies in) and the watched package that it belongs to."""
        parts = re.split(r"[\\/]", filename)
        for folder in ("site-packages", "dist-packages"):
            if folder in parts:
                inside = parts[parts.index(folder) + 1 :]
                return "/".join(inside), self._owner(re.sub(r"\.(py|so|pyd).*$", "", inside[0])) if inside else None
        if self._inside(filename):
            return "probes/" + os.path.relpath(os.path.realpath(filename), self._probes).replace(os.sep, "/"), None
        return parts[-1], None

    def _owner(self, top: str) -> str | None:
        return self.owners().get(top)

    def owners(self) -> dict[str, str]:
        """Top-level module -> the watched package that it belongs to."""
        if self._owners is None:
            self._owners = {}
            for name in self._packages:
                try:
                    files = importlib.metadata.files(name) or []
                except importlib.metadata.PackageNotFoundError:
                    continue
                for file in files:
                    self._owners.setdefault(re.sub(r"\.(py|so|pyd).*$", "", file.parts[0]), name)
        return self._owners


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All that counts is written: what packages have registered to run at the interpreter's end would only take time.
    os._exit(code)
