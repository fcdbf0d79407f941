"""Measures the engine against a plain noxfile and against the floor, in one run on one machine: ratios, not seconds.

Started by `nox -s bench`. Every way runs the same cells and probes with a warm package cache, which a first, unmeasured
round makes sure of. The figures go to the terminal and to reports/bench.md.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import synthetic

ROOT = Path(__file__).parent.parent
FLAX = ["0.12.0", "0.12.1", "0.12.2", "0.12.3"]
JAX = ["0.8.1", "0.8.2"]
WORKERS = 2


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
    only = ["--only", f"flax>={FLAX[0]},<={FLAX[-1]}", "--only", f"jax>={JAX[0]},<={JAX[-1]}"]
    engine = [
        sys.executable,
        "-m",
        "compatmatrix",
        "run",
        "--pairing",
        "grid",
        *only,
        "--fresh",
        "--jobs",
        str(WORKERS),
    ]

    def plain(backend: str, *more: str) -> Callable[[], object]:
        command = [
            sys.executable,
            "-m",
            "nox",
            "-f",
            "bench/noxfile.py",
            "-db",
            backend,
            "--envdir",
            str(scratch / backend),
            *more,
        ]
        return lambda: run(command)

    def ours() -> None:
        # Locks are part of the job: none is taken from an earlier run.
        shutil.rmtree(cache_folder() / "locks", ignore_errors=True)
        run([*engine, "--reports", str(scratch / "reports")])

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
            f"(d) is {mine / floor:.2f} × the floor; beside it {best}",
        )
    )
    return rows


def floor_seconds(environments: Path) -> float:
    """Sum of the plain pytest processes, one after the other, in the environments that the uv way left behind."""
    total = 0.0
    probes = json.loads(
        run([sys.executable, "-c", "import json, noxfile; print(json.dumps(noxfile.selected()))"], cwd=ROOT / "bench")
    )
    for environment in sorted(path for path in environments.iterdir() if (path / "bin").is_dir()):
        command = [str(environment / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--json-report"]
        command += [f"--json-report-file={environment}/report.json", *(f"{path}::{name}" for path, name in probes)]
        total += timed(lambda: run(command))  # noqa: B023 - called at once
    return total


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


def run(command: list[str], cwd: Path = ROOT) -> str:
    """Run to its end; a failure of the measured thing is a failure of the measurement."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"BENCH_FLAX": " ".join(FLAX), "BENCH_JAX": " ".join(JAX), "JAX_PLATFORMS": "cpu"}
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
