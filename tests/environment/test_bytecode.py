"""Byte code is made by us of the sources as they stand, for the modules that cells named, and for nothing else."""

from __future__ import annotations

import importlib.util
import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compatmatrix.environment.bytecode import MOST_NAMES, ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import Workspace
from fixtures import THIS, Project, Ready, ask
from platforms import NEEDS_POSIX_FILES

BASE = Path(sys.executable)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environment" / "lib"
    folder.mkdir(parents=True)
    (folder / "good.py").write_text("x = 1\n")
    return folder.parent


@pytest.fixture
def byte_code(tmp_path: Path) -> ByteCode:
    return ByteCode(tmp_path / "bytecode")


def byte_codes(environment: Path) -> list[str]:
    return sorted(path.name.split(".")[0] for path in environment.rglob("*.pyc"))


def stored(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "bytecode").rglob("*") if len(path.name) == 64]


def test_what_was_named_is_compiled_and_the_interpreter_goes_by_it(byte_code: ByteCode, environment: Path) -> None:
    (environment / "lib" / "other.py").write_text("")
    byte_code.provide(BASE, THIS, environment)
    assert byte_codes(environment) == [], "nothing was named"
    byte_code.learn(THIS, ["lib/good.py", "lib/not_there.py"])
    byte_code.provide(BASE, THIS, environment)
    assert byte_codes(environment) == ["good"]
    code = f"import sys; sys.path.insert(0, {str(environment / 'lib')!r}); import good"
    told = subprocess.run([BASE, "-I", "-v", "-c", code], capture_output=True, text=True).stderr
    assert "good.cpython" in told and "matches" in told.split("good.cpython")[1]


def test_a_source_that_changes_gets_other_byte_code(byte_code: ByteCode, environment: Path) -> None:
    byte_code.learn(THIS, ["lib/good.py"])
    byte_code.provide(BASE, THIS, environment)
    (made,) = environment.rglob("*.pyc")
    before = made.read_bytes()
    made.unlink()
    (environment / "lib" / "good.py").write_text("x = 'another'\n")
    byte_code.provide(BASE, THIS, environment)
    assert made.read_bytes() != before
    assert b"another" in made.read_bytes()


def test_one_source_is_compiled_once_for_all_environments(
    byte_code: ByteCode, environment: Path, tmp_path: Path
) -> None:
    """Shown by a kept code object that is not the source's: it is taken as it is."""
    byte_code.learn(THIS, ["lib/good.py"])
    byte_code.provide(BASE, THIS, environment)
    (kept,) = stored(tmp_path)
    (made,) = environment.rglob("*.pyc")
    made.unlink()
    import hashlib

    other = marshal.dumps(compile("x = 'kept'", "good.py", "exec"))
    kept.write_bytes(hashlib.sha256(other).digest() + other)
    os.utime(environment / "lib" / "good.py", (1e9, 1e9))
    byte_code.provide(BASE, THIS, environment)
    assert made.read_bytes()[16:] == other
    assert int.from_bytes(made.read_bytes()[8:12], "little") == 1e9


@pytest.mark.parametrize("damage", [b"", b"\0" * 80], ids=["empty", "other bytes"])
def test_a_damaged_store_is_not_believed(byte_code: ByteCode, environment: Path, tmp_path: Path, damage: bytes) -> None:
    byte_code.learn(THIS, ["lib/good.py"])
    byte_code.provide(BASE, THIS, environment)
    (kept,) = stored(tmp_path)
    (made,) = environment.rglob("*.pyc")
    whole = made.read_bytes()
    kept.write_bytes(damage)
    made.unlink()
    byte_code.provide(BASE, THIS, environment)
    assert made.read_bytes() == whole


@NEEDS_POSIX_FILES
def test_names_lead_nowhere_else_and_bad_sources_cost_nothing(
    byte_code: ByteCode, environment: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("x = 1\n")
    lib = environment / "lib"
    (lib / "linked.py").symlink_to(outside / "secret.py")
    (lib / "folder").symlink_to(outside)
    os.mkfifo(lib / "pipe.py")
    (lib / "broken.py").write_text("x = = 1\n")
    (lib / "deep.py").write_text("(" * 100_000)
    (lib / "nul.py").write_bytes(b"x = 1\0\n")
    (lib / "data.txt").write_text("x = 1\n")
    names = ["linked", "folder/secret", "pipe", "broken", "deep", "nul", "../../outside/secret", "good"]
    byte_code.learn(THIS, [*(f"lib/{name}.py" for name in names), str(outside / "secret.py"), "lib/data.txt", 7, None])
    byte_code.provide(BASE, THIS, environment)
    assert byte_codes(tmp_path) == ["good"]


def test_a_cell_cannot_fill_the_list(byte_code: ByteCode, environment: Path) -> None:
    byte_code.learn(THIS, ["lib/good.py"])
    byte_code.learn(THIS, [f"lib/{number}.py" for number in range(MOST_NAMES)])
    byte_code.learn(THIS, ["lib/" + "x" * 10_000 + ".py"])
    byte_code.provide(BASE, THIS, environment)
    assert byte_codes(environment) == ["good"]


def test_byte_code_that_is_there_stays(byte_code: ByteCode, environment: Path) -> None:
    there = Path(importlib.util.cache_from_source(str(environment / "lib" / "good.py")))
    there.parent.mkdir()
    there.write_bytes(b"whatever")
    byte_code.learn(THIS, ["lib/good.py"])
    byte_code.provide(BASE, THIS, environment)
    assert there.read_bytes() == b"whatever"


@pytest.mark.parametrize("version", ["0.5.0", "0.2.0"], ids=["imports", "fails to import"])
def test_a_cell_names_what_it_imported_and_writes_no_byte_code(
    project: Project, interpreters: Interpreters, tmp_path: Path, version: str
) -> None:
    cell = project.cell(version, "companion[cpu]==2.0", "helper")
    python = Workspace(project.config, tmp_path / "environments", interpreters).bring_to(cell)
    environment = python.parents[1]
    before = byte_codes(environment)
    raw = Ready(project, cell, python).run(ask(tmp_path / "probes", "pass"))
    assert raw.events[-1]["event"] == ("done" if version == "0.5.0" else "import-failed")
    named = [str(name) for name in raw.imported()]
    assert [name for name in named if Path(name).parts[-3:] == ("site-packages", "companion", "__init__.py")]
    assert all((environment / name).is_file() for name in named)
    assert byte_codes(environment) == before
    assert raw.changed == ()
