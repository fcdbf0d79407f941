"""Runs inside a cell: compares what is installed with the lock, imports the subject, and runs pytest.

It is copied to the folder that holds the probes' copy, with its neighbors, and started as a script by the cell's
interpreter. It needs pytest and pytest-json-report, nothing of the engine, and keeps to the syntax of the oldest Python
that a cell may have. It writes one JSON object a line to the events file, so that a crash shows at which probe it was.
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
from typing import Any


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
    # An isolated interpreter does not search its script's folder for modules.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tampering = importlib.import_module("tamper_check").TamperCheck.start(task["probes"])
    harness, cell_report = map(importlib.import_module, ("probe_harness", "cell_report"))
    describe = cell_report.Describer(task["probes"], task["packages"], harness)
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
    tampering.check_after_import(task["packages"], task["lock"])
    report("imported")
    # pytest's plugin for unittest turns a SkipTest into a skip of its own, which hides where it was raised.
    arguments = [*task["pytest"], "-p", "no:unittest"]
    plugin = cell_report.Plugin(report, describe, tampering, task["tests"])
    code = int(pytest.main(arguments, plugins=[harness, plugin]))
    check_at_end()
    report("done", tampering=tampering.changes, sources=_sources())
    return code


def _lock_differences(lock: dict[str, str]) -> list[str]:
    """Where the installed packages are not exactly the names and versions of the lock.

    Each was installed from a wheel. A folder of metadata without WHEEL is a file of one of them, left by its packaging.
    """
    installed: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        if distribution.read_text("WHEEL") is not None:
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


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is written: exit handlers of packages would only take time.
    os._exit(code)
