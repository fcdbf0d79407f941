"""An engine in processes of its own over a small world, and what is left of it after a fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from compatmatrix.results import ledger
from fixtures import Project

FIGURES = "COMPATMATRIX_FAULT_FIGURES"
"""Names the file that the runner wants the figures in, one line of JSON a fault."""

NOW = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Site:
    """A project, and the cache of the engine that runs it."""

    project: Project
    cache: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "COMPATMATRIX_CACHE": str(self.cache), "UV_CACHE_DIR": str(self.cache / "uv")}

    def command(self, *arguments: str) -> list[str]:
        named, *rest = arguments
        config = str(self.project.folder / "matrix.toml")
        return [sys.executable, "-m", "compatmatrix", named, "--config", config, *rest]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # Whoever runs the tests in the background has SIGINT ignored, and so would all that they start.
        return subprocess.Popen(
            self.command(*arguments),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environ | environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )

    def alive(self) -> list[psutil.Process]:
        """Processes that have to do with this site: named after its folders, or at work in them."""
        mark, found = str(self.cache.parent), []
        for process in psutil.process_iter():
            try:
                told = [*process.cmdline(), process.cwd()]
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(mark in part for part in told):
                found.append(process)
        return found

    def quiet(self, seconds: float = 5) -> list[psutil.Process]:
        """What is still alive when processes that were told to end have had the time to."""
        until = time.monotonic() + seconds
        while (left := self.alive()) and time.monotonic() < until:
            time.sleep(0.05)
        return left

    def files(self) -> Mapping[str, bytes]:
        """Every report and record, but for the instants at which cells were run."""
        return {
            str(path.relative_to(self.project.reports)): path.read_bytes()
            for path in sorted(self.project.reports.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def damage(self) -> Sequence[str]:
        """All that is wrong with the ledger: damaged lines, keys that are there twice, lines without an end."""
        found = [str(one) for one in ledger.read(self.project.records).damage]
        for path in self.project.records.glob("*.jsonl"):
            content = path.read_bytes()
            keys = [json.loads(line).get("key", line) for line in content.splitlines()]
            found += [f"{path.name}: twice"] if len(set(keys)) < len(keys) else []
            found += [f"{path.name}: no end"] if content and not content.endswith(b"\n") else []
        return found


class Figures:
    """One line a fault, for whoever runs them all."""

    def tell(self, fault: str, done: str, lost: str = "nothing") -> None:
        if file := os.environ.get(FIGURES):
            with Path(file).open("a", encoding="utf-8") as opened:
                opened.write(json.dumps({"fault": fault, "done": done, "lost": lost}) + "\n")
