"""What somebody would write by hand: one nox session for each pair, the same probes, no engine.

`nox -s bench` in the project's root measures the engine against it. Run it yourself: `nox -f bench/noxfile.py`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent.parent
HARNESS = ROOT / "src/compatmatrix/execution/in_cell"
"""Where the pytest plugin `probe_harness` is, with which the probes answer."""

MATRIX = tomllib.loads((ROOT / "matrix.toml").read_text(encoding="utf-8"))
GRID = MATRIX["pairings"]["grid"]["probes"]

nox.options.reuse_existing_virtualenvs = False


@nox.session(python="3.11")
@nox.parametrize("jax", os.environ["BENCH_JAX"].split())
@nox.parametrize("flax", os.environ["BENCH_FLAX"].split())
def pair(session: nox.Session, flax: str, jax: str) -> None:
    """Install one pair and run the grid's probes in it."""
    session.install(f"flax=={flax}", f"jax[cpu]=={jax}", "optax", "pytest==8.4.2", "pytest-json-report==1.5.0")
    report = Path(session.create_tmp()) / "report.json"
    session.run(
        *("python", *arguments(report)),
        env={**MATRIX["environment"], "PYTHONPATH": str(HARNESS)},
        success_codes=[0, 1],  # a probe that fails is a finding, not an error of the run
    )


def arguments(report: Path) -> list[str]:
    """What an environment's Python is given to run the grid's probes."""
    # Not with the options of this project's own tests.
    options = ["-m", "pytest", "-c", os.devnull, "-q", "-p", "no:cacheprovider", "-p", "probe_harness", "--json-report"]
    return [*options, f"--json-report-file={report}", *(f"{path}::{name}" for path, name in selected())]


def selected() -> list[tuple[str, str]]:
    """File and test function of each of the grid's probes."""
    found = []
    for path in sorted((ROOT / "probes").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for probe in GRID:
            name = f"test_{probe.replace('-', '_')}"
            if f"def {name}(" in text:
                found.append((str(path), name))
    return found
