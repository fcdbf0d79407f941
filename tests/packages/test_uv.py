"""The test ground holds: uv takes the fake releases and the local index for real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from packages import world
from packages.index import Fault, LocalIndex

Uv = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as opened:
        yield opened


@pytest.fixture
def uv(tmp_path: Path) -> Uv:
    """Runs uv with an empty cache and nothing of the user's settings."""
    bare = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    bare |= {"HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1"}
    bare |= {"UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_RETRIES": "0"}

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [find_uv_bin(), *map(str, arguments)], env=bare | environment, capture_output=True, text=True, check=False
        )

    return run


def lock(uv: Uv, index: LocalIndex, folder: Path, *requirements: str, before: str = "2025-12-31") -> str:
    """Locks as the engine does; returns what uv wrote, or said."""
    wanted = folder / "wanted.in"
    wanted.write_text("\n".join(requirements))
    options = ("--no-build", "--generate-hashes", "--no-header", "--no-annotate", "--exclude-newer", before)
    done = uv("pip", "compile", wanted, "--default-index", index.url, *options, "--python", sys.executable)
    return done.stdout if done.returncode == 0 else done.stderr


def test_uv_locks_and_installs_the_world_and_the_suites_own_pytest(uv: Uv, index: LocalIndex, tmp_path: Path) -> None:
    world.fill(index)
    wanted = ("subject==0.5.0", "companion[cpu]", "pytest", "pytest-json-report")
    locked = lock(uv, index, tmp_path, *wanted, before="2024-12-15")
    assert "companion==2.0" in locked
    assert "companionlib==2.0" in locked
    assert f"pytest=={pytest.__version__}" in locked
    (tmp_path / "locked.txt").write_text(locked)

    uv("venv", tmp_path / "cell", "--python", sys.executable)
    python = tmp_path / "cell" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    synced = uv(
        "pip", "sync", tmp_path / "locked.txt", "--require-hashes", "--python", python, UV_DEFAULT_INDEX=index.url
    )
    assert synced.returncode == 0, synced.stderr
    probe = tmp_path / "test_probe.py"
    probe.write_text("import subject\n\ndef test_it():\n    subject.Trainer(subject.Value(0.0)).step(-6.0)\n")
    report = tmp_path / "report.json"
    ran = subprocess.run(
        [python, "-m", "pytest", "-q", "--json-report", f"--json-report-file={report}", probe],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert json.loads(report.read_text())["summary"]["passed"] == 1


@pytest.mark.parametrize(
    ("wanted", "before", "expected"),
    [
        ("subject", "2024-03-10", "subject==0.2.0"),
        ("subject", "2024-03-30", "subject==0.2.0"),  # 0.2.1 is yanked
        ("subject==0.2.1", "2024-03-30", "subject==0.2.1"),  # asked for by name, a yanked release is to be had
        ("subject", "2024-08-25", "subject==0.3.0"),  # 0.4.0rc1 is a candidate
        ("companion[cpu]", "2024-02-28", "companionlib==1.1"),  # 1.2 is yanked, and the library follows
        ("subject", "2023-01-01", "no version"),
    ],
)
def test_uv_sees_the_world_as_it_was(
    uv: Uv, index: LocalIndex, tmp_path: Path, wanted: str, before: str, expected: str
) -> None:
    world.fill(index, tools=False)
    assert expected in lock(uv, index, tmp_path, wanted, before=before).replace("\n", " ")


@pytest.mark.parametrize("name", [name for name in world.MISFITS if name != "wheel-and-sdist"])
def test_misfits_cannot_be_locked_and_no_sdist_is_fetched(uv: Uv, index: LocalIndex, tmp_path: Path, name: str) -> None:
    world.fill(index, world.SUBJECT, world.COMPANIONS, world.HELPERS, world.MISFITS, tools=False)
    said = lock(uv, index, tmp_path, f"subject=={world.MISFITS[name].version}", "companion[cpu]")
    assert "No solution found" in said
    assert not [request for request in index.requests if request.path.endswith(".tar.gz")]


def test_uv_would_take_the_sdist_if_it_were_let(uv: Uv, index: LocalIndex, tmp_path: Path) -> None:
    index.add(world.MISFITS["sdist-only"])
    done = uv("pip", "install", "--target", tmp_path / "x", "--dry-run", "subject==0.8.3", "--default-index", index.url)
    assert done.returncode != 0
    # The index has no setuptools, so the build fails before it runs setup.py; either way the sdist was asked for.
    assert [request for request in index.requests if request.path.endswith(".tar.gz")]


def test_a_second_lock_of_uv_revalidates_and_sees_what_is_new(uv: Uv, index: LocalIndex, tmp_path: Path) -> None:
    index.add(world.HELPERS["helper-0.1"], *world.COMPANIONS.values())
    assert "helper==0.1" in lock(uv, index, tmp_path, "helper")
    index.requests.clear()
    assert "helper==0.1" in lock(uv, index, tmp_path, "helper")
    assert {request.status for request in index.requests} == {304}
    index.add(world.HELPERS["helper-0.2"])
    assert "helper==0.2" in lock(uv, index, tmp_path, "helper")


def test_faults_of_files(uv: Uv, index: LocalIndex, tmp_path: Path) -> None:
    world.fill(index, tools=False)
    install = ("pip", "install", "--target", tmp_path / "x", "companionlib==3.0", "--default-index", index.url)

    index.fault(Fault.TAMPERED)
    done = uv(*install)
    assert "Hash mismatch" in done.stderr
    index.heal()

    index.fault(Fault.MISSING, "*.whl")
    done = uv(*install)
    assert "404" in done.stderr
    index.heal()

    assert uv(*install).returncode == 0
