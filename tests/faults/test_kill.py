"""Killed at any moment: whatever was finished is on record, nothing is left running, and the next run completes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress

import psutil
import pytest

from compatmatrix.results import ledger
from faults.engine import Figures, Site

KILLS = int(os.environ.get("COMPATMATRIX_KILLS", "100"))
TARGETS = ("engine", "worker", "uv", "pytest")


def _victims(engine: psutil.Process, target: str) -> list[psutil.Process]:
    """Processes of that kind below the engine; its workers are threads, each with the launcher of its cell."""
    if target == "engine":
        return [engine]
    signs = {"worker": "launcher.py", "uv": "/uv", "pytest": "run_probes.py"}
    found = []
    for process in engine.children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if any(word.endswith(signs[target]) for word in line[:6]):
            found.append(process)
    return found


def _strike(process: subprocess.Popen[str], target: str) -> bool:
    """Kill one process of that kind, as soon as there is one."""
    engine = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            for victim in _victims(engine, target)[:1]:
                victim.kill()
                return True
    return False


def test_killed_at_any_moment(site: Site, figures: Figures) -> None:
    undisturbed = site.run("run", "--jobs", "2")
    assert undisturbed.returncode == 0, undisturbed.stdout
    expected = {path: content for path, content in site.files().items() if not path.startswith("records/")}
    keys = set(ledger.read(site.project.records).records)
    dice = random.Random(7)
    struck = dict.fromkeys(TARGETS, 0)
    number = 0
    while sum(struck.values()) < KILLS:
        target = TARGETS[number % len(TARGETS)]
        if number % 5 == 0:  # now and then from the beginning; else what is there is run again
            for path in site.project.records.glob("*.jsonl"):
                path.unlink(missing_ok=True)
        number += 1
        before = set(ledger.read(site.project.records).records)
        process = site.start("run", "--jobs", "2", *(["--fresh"] if before == keys else []))
        time.sleep(dice.uniform(0.1, 4.0))
        struck[target] += _strike(process, target)
        said, _ = process.communicate(timeout=120)
        assert site.quiet() == [], f"kill {number} of {target} left processes"
        assert site.damage() == [], f"kill {number} of {target}"
        assert before <= set(ledger.read(site.project.records).records), f"kill {number} of {target} lost a record"
        if target != "engine":
            assert process.returncode in (0, 1), said
    last = site.run("run", "--jobs", "2")
    assert last.returncode == 0, last.stdout
    assert set(ledger.read(site.project.records).records) == keys
    found = {path: content for path, content in site.files().items() if not path.startswith("records/")}
    assert found == expected
    told = ", ".join(f"{name} {count}" for name, count in struck.items())
    figures.tell(
        "killed (SIGKILL) at a random moment",
        f"{number} runs, {sum(struck.values())} processes killed ({told}); afterwards {len(keys)} of "
        f"{len(keys)} cells on record, reports byte for byte those of an undisturbed run",
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [0.6, 1.5, 3.0])
def test_interrupted(site: Site, figures: Figures, how: signal.Signals, moment: float) -> None:
    process = site.start("run", "--jobs", "2")
    time.sleep(moment)
    began = time.monotonic()
    process.send_signal(how)
    said, _ = process.communicate(timeout=30)
    took = time.monotonic() - began
    assert took < 5
    # Before it has begun, and when all is done, it is Python that goes, by the signal or as if there had been none.
    if process.returncode not in (0, -how):
        assert process.returncode == 130, said
        assert "interrupted: " in said
        assert "python -m compatmatrix run --config " in said
    assert site.quiet() == []
    assert site.damage() == []
    assert site.run("run", "--jobs", "2").returncode == 0
    figures.tell(f"{how.name} after {moment} s", f"once; left after {took:.1f} s, exit {process.returncode}")
