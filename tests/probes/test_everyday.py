"""The everyday probes against libraries that do nothing, or the wrong thing.

Flax is not installed beside these tests. `COMPATMATRIX_FLAX_PYTHON` names the interpreter of an environment that has Flax,
jax, optax, orbax-checkpoint and pytest; without it, only what needs none of them is tested.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sabotage import SABOTAGES

from compatmatrix.config import matrix_file, probe_files

ROOT = Path(__file__).parents[2]
PROBES = ROOT / "probes"
HERE = Path(__file__).parent
PYTHON = os.environ.get("COMPATMATRIX_FLAX_PYTHON")


def test_each_everyday_probe_is_tried_against_sabotage() -> None:
    everyday = {probe.id for probe in probe_files.read(PROBES) if probe.group == "everyday"}
    assert everyday == set(SABOTAGES)
    assert all(SABOTAGES.values())


def test_a_broken_library_is_never_supported(tmp_path: Path) -> None:
    if not PYTHON:
        pytest.skip("COMPATMATRIX_FLAX_PYTHON names no interpreter with Flax")
    report = tmp_path / "report.xml"
    subprocess.run(
        [
            *(PYTHON, "-m", "pytest", *map(str, sorted(PROBES.glob("test_everyday_*.py"))), f"--rootdir={PROBES}"),
            *("-c", os.devnull, "-q", "-p", "no:cacheprovider", "-p", "probe_harness", "-p", "sabotage"),
            f"--junit-xml={report}",
        ],
        env=os.environ
        | matrix_file.load(ROOT / "matrix.toml", environ={}).environment
        | {"PYTHONPATH": f"{HERE}{os.pathsep}{ROOT}/src/compatmatrix/execution/in_cell"}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    cases = {case.attrib["name"]: case for case in ElementTree.parse(report).iter("testcase")}
    passed = {name for name, case in cases.items() if all(part.tag in ("properties", "system-out") for part in case)}
    assert any("[as it is]" in name for name in passed)
    assert not {name for name in passed if "[as it is]" not in name}
    noted = {name for name, case in cases.items() if case.find("properties/property[@name='note']") is not None}
    assert not {name for name in noted if "[as it is]" not in name}, "a hint at what does not work either"
