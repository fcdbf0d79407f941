"""Measures the engine against a plain noxfile and against the floor, in one run on one machine: ratios, not seconds.

Started by `nox -s bench`. Every way runs the same cells and probes with a warm package cache, which a first, unmeasured
round makes sure of. Where a cell's time goes is what the engine itself says, and jax of its compilations. The figures go to
the terminal and to reports/bench.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import synthetic

ROOT = Path(__file__).parent.parent
HARNESS = ROOT / "src/compatmatrix/execution/in_cell"
"""Where the pytest plugin `probe_harness` is, with which the probes answer."""

ENVIRONMENT = tomllib.loads((ROOT / "matrix.toml").read_text(encoding="utf-8"))["environment"]
"""What every cell is given; the other ways are given the same."""

FLAX = ["0.12.0", "0.12.1", "0.12.2", "0.12.3"]
JAX = ["0.8.1", "0.8.2"]
WORKERS = 2

PART = ("flax>=0.10.2,<=0.10.6", "jax>=0.5.0,<=0.6.2")
"""A part of the grid in which jax changes often and some pairs do not import, as in the whole."""

PARTS = {
    "environment": "environment: uv brings it to the lock",
    "start": "sandbox, Python and pytest start",
    "import": "import",
    "pytest": "pytest finds the probes",
    "probes": "probes",
    "end": "end: the report is written, the sandbox removed",
    "record": "record",
}
"""Part of a cell's time, as the engine names it -> in words."""


def main() -> int:
    """Measure all, print and write the table."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        rows = cells(Path(scratch)) + starts(Path(scratch)) + scale(Path(scratch))
    text = table(rows)
    print(text)
    (ROOT / "reports" / "bench.md").write_text(text, encoding="utf-8")
    return 0


def cells(scratch: Path) -> list[tuple[str, str, str]]:
    """The block of cells, each way; and the floor: pytest alone in environments that are there with bytecode."""
    block, told = (f"flax>={FLAX[0]},<={FLAX[-1]}", f"jax>={JAX[0]},<={JAX[-1]}"), [""]

    def plain(backend: str, *more: str) -> Callable[[], object]:
        options = ["-f", "bench/noxfile.py", "-db", backend, "--envdir", str(scratch / backend), *more]
        return lambda: run([sys.executable, "-m", "nox", *options])

    def ours() -> None:
        told[0] = engine(scratch, block)

    ways: dict[str, Callable[[], object]] = {
        "(a) plain noxfile, virtualenv and pip": plain("virtualenv"),
        "(b) plain noxfile, uv backend": plain("uv"),
        "(c) as (b), `nox -j 2 --allow-parallel`": plain("uv", "-j", str(WORKERS), "--allow-parallel"),
        f"(d) this engine, `--jobs {WORKERS} --fresh`, locks included": ours,
    }
    for way in (ways["(a) plain noxfile, virtualenv and pip"], ways["(b) plain noxfile, uv backend"], ours):
        way()
    seconds = {name: timed(way) for name, way in ways.items()}
    floor = floor_seconds(scratch / "uv") / WORKERS
    mine = list(seconds.values())[-1]
    count = len(FLAX) * len(JAX)
    rows = [
        (name, f"{value:.1f} s, {value / count:.2f} s a cell", f"{value / mine:.1f} × (d)")
        for name, value in seconds.items()
    ]
    # How far ahead the bare processes are: about as far as anything can be that gives each cell one of its own.
    best = ", ".join(f"{name[:3]} {value / floor:.1f} ×" for name, value in list(seconds.items())[:-1])
    rows.append(
        (
            f"floor: pytest alone, environments ready, divided by {WORKERS}",
            f"{floor:.1f} s",
            f"(d) is {mine / floor:.2f} × the floor, goal: at most 1.10; beside it {best}",
        )
    )
    return [*rows, part_of_grid(scratch, floor / count), *parts(told[0]), *compilations(scratch / "uv")]


def engine(scratch: Path, specifiers: Sequence[str]) -> str:
    """Run the cells that the specifiers admit, and return what was said. No lock is taken from an earlier run."""
    shutil.rmtree(cache_folder() / "locks", ignore_errors=True)
    only = [word for specifier in specifiers for word in ("--only", specifier)]
    options = ["--pairing", "grid", *only, "--fresh", "--jobs", str(WORKERS), "--timings"]
    return run([sys.executable, "-m", "compatmatrix", "run", *options, "--reports", str(scratch / "reports")])


def part_of_grid(scratch: Path, floor: float) -> tuple[str, str, str]:
    """A part of the grid that stands for the whole; ``floor`` is that of one cell."""
    engine(scratch, PART)
    began = time.perf_counter()
    told = engine(scratch, PART)
    seconds, number = time.perf_counter() - began, int(re.findall(r"(\d+) cells run and recorded", told)[-1])
    return (
        f"{number} cells of the grid as (d): {', '.join(PART)}",
        f"{seconds:.1f} s, {seconds / number:.2f} s a cell",
        f"{seconds / number / floor:.2f} × the floor a cell, goal: at most 1.3",
    )


def parts(told: str) -> list[tuple[str, str, str]]:
    """Where the time of a cell goes, as `--timings` of (d) says."""
    found = re.findall(r"^  (\w+) +([\d.]+) s a cell +(\d+%)", told, re.MULTILINE)
    return [(f"of a cell of (d): {PARTS.get(name, name)}", f"{value} s", share) for name, value, share in found]


def compilations(environments: Path) -> list[tuple[str, str, str]]:
    """How much of the probes' time jax compiles, on average of the block's cells; measured apart from the floor."""
    heard = environments / "compilations.json"
    found = []
    for command in floor_commands(environments):
        command[3:3] = ["-p", "compilations"]
        run(command, BENCH_COMPILATIONS=str(heard))
        found.append(json.loads(heard.read_bytes()))
    number, seconds = (sum(column) / len(found) for column in zip(*found, strict=True))
    return [("of a cell's probes: compilation", f"{seconds:.2f} s", f"{number:.0f} compilations")]


def floor_seconds(environments: Path) -> float:
    """Sum of the plain pytest processes, one after the other, in the environments that the uv way left behind."""
    total = 0.0
    for command in floor_commands(environments):
        total += timed(lambda: run(command))  # noqa: B023 - called at once
        report = Path(next(word for word in command if word.startswith("--json-report-file=")).partition("=")[2])
        if json.loads(report.read_bytes())["summary"].get("error"):
            sys.exit(f"{' '.join(command)}: the probes were not put, so this is no floor")
    return total


def floor_commands(environments: Path) -> list[list[str]]:
    """The plain pytest process of each environment."""
    code = "import json, noxfile, pathlib; print(json.dumps(noxfile.arguments(pathlib.Path('REPORT'))))"
    arguments = json.loads(run([sys.executable, "-c", code], cwd=ROOT / "bench"))
    return [
        [str(path / "bin" / "python"), *(word.replace("REPORT", str(path / "report.json")) for word in arguments)]
        for path in sorted(environments.iterdir())
        if (path / "bin").is_dir()
    ]


def starts(scratch: Path) -> list[tuple[str, str, str]]:
    """What a person waits for when there is nothing to do."""
    shutil.copytree(ROOT / "reports" / "records", scratch / "nothing" / "records")
    nothing = [sys.executable, "-m", "compatmatrix", "run", "--reports", str(scratch / "nothing")]
    run(nothing)
    hours_later = []
    for _ in range(3):
        grown_older(2 * 3600)
        hours_later.append(timed(lambda: run(nothing)))
    rows = [
        (
            "nothing new in all of the matrix, index last looked at 2 h ago",
            f"{min(hours_later):.2f} s",
            "goal: under 10 s",
        )
    ]
    for name, command, goal in [
        ("the same, index looked at within the hour", nothing, 2.0),
        ("`nox -l`", [sys.executable, "-m", "nox", "-l"], 1.0),
        ("`python -m compatmatrix --help`", [sys.executable, "-m", "compatmatrix", "--help"], 0.3),
    ]:
        value = min(timed(lambda: run(command)) for _ in range(3))  # noqa: B023 - called at once
        rows.append((name, f"{value:.2f} s", f"goal: under {goal} s"))
    return rows


def scale(scratch: Path) -> list[tuple[str, str, str]]:
    """Reports from synthetic ledgers of two sizes: time and peak memory of the `report` command."""
    measured = []
    for count in (1_000, 10_000):
        reports = scratch / f"synthetic-{count}"
        synthetic.write(ROOT, reports, count)
        measured.append(measured_report(reports))
    (small, _), (large, memory) = measured
    return [
        ("report from 1,000 records", f"{small:.2f} s", ""),
        (
            "report from 10,000 records",
            f"{large:.2f} s, {memory:.0f} MB",
            f"{large / small:.1f} × the time for 10 × the records; goal: under 5 s, 300 MB",
        ),
    ]


def measured_report(reports: Path) -> tuple[float, float]:
    """Seconds and peak resident MB of one rebuild."""
    # Not what getrusage says: its peak is that of whoever started the process, if that was higher.
    code = (
        "import pathlib, re, sys; from compatmatrix.cli.main import main; code = main(); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]); sys.exit(code)"
    )
    began = time.perf_counter()
    output = run([sys.executable, "-c", code, "report", "--reports", str(reports)])
    return time.perf_counter() - began, int(output.split()[-1]) / 1024


def grown_older(seconds: int) -> None:
    """Make the engine's lists of releases and its locks older than they are: time passes."""
    for folder, field in (("index", "read"), ("locks", "resolved")):
        for path in (cache_folder() / folder).glob("*.json"):
            tree = json.loads(path.read_bytes())
            tree[field] -= seconds
            path.write_text(json.dumps(tree), encoding="utf-8")


def cache_folder() -> Path:
    """The engine's own."""
    from compatmatrix.core.files import cache_folder

    return cache_folder()


def timed(work: Callable[[], object]) -> float:
    """Wall seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(command: list[str], cwd: Path = ROOT, **more: str) -> str:
    """Run to its end; a failure of the measured thing is a failure of the measurement."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"BENCH_FLAX": " ".join(FLAX), "BENCH_JAX": " ".join(JAX)} | ENVIRONMENT
    environ |= {"PYTHONPATH": os.pathsep.join(map(str, (HARNESS, ROOT / "bench")))} | more
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True)
    if done.returncode not in (0, 1) or (done.returncode == 1 and "pytest" not in command):
        sys.exit(
            f"{' '.join(command[:6])} … ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )
    return done.stdout


def table(rows: list[tuple[str, str, str]]) -> str:
    """The figures as Markdown."""
    lines = [
        "# Bench",
        "",
        f"`nox -s bench` on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}. "
        f"Cells: Flax {', '.join(FLAX)} × jax {', '.join(JAX)}, the grid's probes, package caches warm. Seconds depend on the machine; "
        "the ratios are of one run.",
        "",
        "| what | measured | ratio |",
        "| --- | --- | --- |",
        *(f"| {name} | {value} | {ratio} |" for name, value, ratio in rows),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
