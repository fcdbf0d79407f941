"""Each fake release is a valid wheel, always of the same bytes, and behaves as its name says."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from platforms import NEEDS_SIGNALS

from . import world
from .behaviors import ORDINARY
from .hostile import LITTER, hostile
from .installed import CannotRebuildError, rebuild_with_requirements
from .wheels import FakeRelease, build_wheel

ASK = """
import sys
sys.path.insert(0, sys.argv[1])
def trained(wrap):
    value = subject.Value(0.0)
    trainer = subject.Trainer(wrap(value))
    for _ in range(10):
        trainer.step(2 * (value.number - 3.0))
    return value.number
try:
    import companion, helper, subject
    if not hasattr(subject, "Trainer"):
        answer = "lacks Trainer"
    else:
        expected = 0.0
        for _ in range(10):
            expected = helper.step(expected, 2 * (expected - 3.0))
        control, bare = trained(subject.Holder), trained(lambda value: value)
        answer = "control" if abs(control - expected) > 1e-5 else "works" if abs(bare - expected) < 1e-5 else "wrong"
        answer += "" if bare else ", nothing learned"
except Exception as error:
    answer = "import " * ("subject" not in globals()) + type(error).__name__
print(answer, flush=True)
"""
"""What a probe asks, without the tools of one."""


def unpack(folder: Path, *releases: FakeRelease) -> None:
    """Lays wheels out as an installer does."""
    for release in releases:
        with zipfile.ZipFile(io.BytesIO(build_wheel(release))) as archive:
            archive.extractall(folder)


def ask(folder: Path, seconds: float = 20) -> tuple[int, str]:
    """Asks in a process of its own; returns its status and the last line that it wrote."""
    home = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    (folder / "home").mkdir()
    command = [sys.executable, "-c", ASK, str(folder)]
    done = subprocess.run(
        command, cwd=folder / "home", env=home, capture_output=True, text=True, timeout=seconds, check=False
    )
    return done.returncode, (done.stdout.splitlines() or [""])[-1]


def with_companions(version: str) -> Iterable[FakeRelease]:
    return (
        world.COMPANIONS[f"companion-{version}"],
        world.COMPANIONS[f"companionlib-{version}"],
        *world.HELPERS.values(),
    )


@pytest.mark.parametrize(
    ("behavior", "companion", "expected"),
    [
        ("works", "3.0", "works"),
        ("warns", "3.0", "works"),
        ("lacks-api", "3.0", "lacks Trainer"),
        ("raises", "3.0", "NotTrainable"),
        ("raises-differently", "3.0", "TypeError"),
        ("raises-in-companion", "3.0", "ValueError"),
        ("no-effect", "3.0", "wrong, nothing learned"),
        ("wrong-number", "3.0", "wrong"),
        ("control-fails", "3.0", "NotTrainable"),
        ("import-error", "3.0", "import ImportError"),
        ("attribute-error", "3.0", "import AttributeError"),
        ("needs-ancient", "1.1", "NotTrainable"),
        ("needs-ancient", "2.0", "import AttributeError"),
        ("needs-legacy", "2.0", "works"),
        ("needs-legacy", "3.0", "import ImportError"),
    ],
)
def test_ordinary_behaviors(tmp_path: Path, behavior: str, companion: str, expected: str) -> None:
    unpack(tmp_path, *with_companions(companion), world.subject(behavior, "1.0", "2024-01-01"))
    assert ask(tmp_path) == (0, expected)


SIGSEGV, SIGABRT = -signal.SIGSEGV, -signal.SIGABRT


@NEEDS_SIGNALS
@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        ("segfaults", (SIGSEGV, "")),
        ("segfaults-at-import", (SIGSEGV, "")),
        ("aborts", (SIGABRT, "")),
        ("overflows-stack", (SIGSEGV, "")),
        ("exits-at-import", (0, "")),
        ("exits-in-call", (0, "")),
        ("raises-system-exit", (0, "")),
        ("eats-memory", (0, "works")),
        ("floods-stdout", (0, "works")),
        ("huge-message", (0, "NotTrainable")),
        ("hostile-text", (0, "NotTrainable")),
        ("lies-about-version", (0, "works")),
        ("brings-plugin", (0, "NotTrainable")),
        ("replaces-tools", (0, "NotTrainable")),
        ("patches-helper", (0, "wrong, nothing learned")),
        ("forges-report", (0, "RuntimeError")),
        ("litters", (0, "works")),
    ],
)
def test_hostile_behaviors(tmp_path: Path, behavior: str, expected: tuple[int, str]) -> None:
    unpack(tmp_path, *with_companions("3.0"), world.subject(behavior, "1.0", "2024-01-01", mib=1))
    assert ask(tmp_path) == expected
    assert bool(list(tmp_path.rglob(f"{LITTER}*"))) == (behavior == "litters")


# The one with a stubborn child is left out: it would outlive this test by ten minutes.
@pytest.mark.parametrize("behavior", ["hangs-at-import", "hangs-in-call", "hangs-in-thread"])
def test_hanging_behaviors(tmp_path: Path, behavior: str) -> None:
    unpack(tmp_path, *with_companions("3.0"), world.subject(behavior, "1.0", "2024-01-01"))
    with pytest.raises(subprocess.TimeoutExpired):
        ask(tmp_path, seconds=1)


@pytest.mark.parametrize("behavior", [*ORDINARY, *hostile()])
def test_every_release_says_why_it_exists_and_compiles(behavior: str) -> None:
    release = world.subject(behavior, "1.0", "2024-01-01")
    assert release.summary.endswith(".")
    for path, source in release.modules.items():
        compile(source, path, "exec")


def test_wheels_are_valid_and_the_same_bytes_each_time() -> None:
    release = replace(world.HOSTILE["brings-plugin"], files={"subject/data, with comma.bin": b"\0"})
    content = build_wheel(release, "cp311.cp312-none-any")
    assert content == build_wheel(replace(release), "cp311.cp312-none-any")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        info = f"subject-{release.version}.dist-info"
        assert "Tag: cp311-none-any\nTag: cp312-none-any\n" in archive.read(f"{info}/WHEEL").decode()
        assert archive.read(f"{info}/entry_points.txt") == b"[pytest11]\nsubject = subject_plugin\n"
        rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode()))}
        assert set(rows) == set(archive.namelist())
        for path, (digest, size) in rows.items():
            if path != f"{info}/RECORD":
                expected = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).rstrip(b"=")
                assert (digest, size) == (f"sha256={expected.decode()}", str(len(archive.read(path))))


def test_what_is_not_installed_cannot_be_rebuilt() -> None:
    with pytest.raises(CannotRebuildError, match="no-such-thing is not installed"):
        rebuild_with_requirements("no-such-thing")
