"""Faults of the machine: full disks, folders that cannot be written, a clock set back, several runs at once, long use."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from compatmatrix.environment import disk
from compatmatrix.results import ledger
from compatmatrix.results import records as lines_of
from faults.engine import Figures, Site

RUNS = int(os.environ.get("COMPATMATRIX_RUNS", "200"))


def mounted(site: Site, mount: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the engine where folders are mounted otherwise than for everybody else."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system allows no namespaces of one's own")
    script = f"{mount} && exec {shlex.join(site.command(*arguments))}"
    return subprocess.run(
        [unshare, "-rm", "sh", "-c", script],
        env=site.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
    )


def read_only(folder: Path) -> str:
    place = shlex.quote(str(folder))
    return f"mount --bind {place} {place} && mount -o remount,ro,bind {place}"


def full(folder: Path, size: str) -> str:
    """A small disk in the place of the folder, with what is in it."""
    place = shlex.quote(str(folder))
    keep = f"cp -a {place} {place}.kept && mount -t tmpfs -o size={size} tmpfs {place} && cp -a {place}.kept/. {place}"
    return f"{keep} && rm -rf {place}.kept && head -c 1G /dev/zero > {place}/filler 2>/dev/null; true"


@pytest.fixture
def settled(site: Site) -> Site:
    """A project with one cell on record and its cache warm."""
    assert site.run("run", "--only", "subject==1.0.0").returncode == 0
    return site


@pytest.mark.parametrize("fault", ["disk of the reports full", "reports read-only", "cache read-only", "cache full"])
def test_a_disk_that_takes_nothing(settled: Site, figures: Figures, fault: str) -> None:
    before = settled.files()
    folder = settled.cache if "cache" in fault else settled.project.reports
    mount = full(folder, "96m" if folder == settled.cache else "2m") if "full" in fault else read_only(folder)
    said = mounted(settled, mount, "run", "--only", "subject>=1.0,<1.3")
    assert said.returncode == 1, said.stdout
    assert "Traceback" not in said.stdout
    assert any(word in said.stdout for word in ("No space left", "Read-only file system", "cannot be written")), said
    assert settled.files() == before, "nothing was changed"
    assert settled.damage() == []
    after = settled.run("run", "--only", "subject>=1.0,<1.3")
    assert after.returncode == 0, after.stdout
    assert len(ledger.read(settled.project.records).records) == 3
    assert settled.quiet() == []
    figures.tell(fault, "once, in the middle of use; clear message, exit 1, and the next run completes")


def test_a_clock_that_was_set_back(settled: Site, figures: Figures) -> None:
    """What is on disk comes from the future, lists of releases and locks included."""
    folder = settled.project.records
    for path in folder.glob("?.*.jsonl"):
        lines = lines_of.read_lines(path, lines_of.read_pins(folder))
        later = [
            msgspec.structs.replace(record, recorded=record.recorded.replace("20", "21", 1)) for record in lines.records
        ]
        path.write_bytes(lines_of.file_content(later, (), ()))
    assert min(record.recorded for record in ledger.read(folder).records.values()) > "2100"
    for path in [*settled.cache.glob("index/*.json"), *settled.cache.glob("locks/*.json")]:
        tree = json.loads(path.read_text())
        for key in ("read", "resolved"):
            if key in tree:
                tree[key] += 10**9
        path.write_text(json.dumps(tree))
    future = time.time() + 10**9
    for path in settled.cache.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.suffix in (".json", ".lock"):
            os.utime(path, (future, future))
    said = settled.run("run")
    assert said.returncode == 0, said.stdout
    assert settled.damage() == []
    assert len(ledger.read(settled.project.records).records) == 4
    figures.tell("the clock set back by a century", "once; lists and locks from the future are asked for again")


def test_two_runs_at_once(site: Site, figures: Figures) -> None:
    times = 5
    for number in range(times):
        shutil.rmtree(site.project.reports, ignore_errors=True)
        running = [
            site.start("run", "--jobs", "2", "--only", only) for only in ("subject>=1.0,<1.3", "subject>=1.2,<1.5")
        ]
        said = [process.communicate(timeout=200)[0] for process in running]
        assert [process.returncode for process in running] == [0, 0], said
        assert site.damage() == [], number
        subjects = {record.subject for record in ledger.read(site.project.records).records.values()}
        assert subjects == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}
        written = site.files()
        assert site.run("report").returncode == 0
        assert site.files() == written, "the reports were those of all records"
    figures.tell("two runs at once on one reports/", f"{times} times two runs, one cell in common")


def test_long_use(settled: Site, figures: Figures, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def size() -> tuple[int, int, int]:
        files = sum(1 for path in settled.cache.rglob("*") if path.is_file())
        return len(list(temporary.rglob("*"))), files, disk.used(settled.cache)

    again = ("run", "--fresh", "--only", "subject>=1.0,<1.2")
    for _ in range(3):
        assert settled.run(*again, TMPDIR=str(temporary)).returncode == 0
    first = size()
    for number in range(RUNS - 3):
        said = settled.run(*again, TMPDIR=str(temporary))
        assert said.returncode == 0, (number, said.stdout)
    last = size()
    assert settled.quiet() == []
    assert settled.damage() == []
    assert last[0] == first[0], "temporary files"
    assert last[1] <= first[1] + 5, "files in the cache"
    assert last[2] <= first[2] * 1.02 + 100_000, "bytes in the cache"
    figures.tell(
        "long use",
        f"{RUNS} runs of 2 cells in a loop; temporary files {first[0]} -> {last[0]}, files in the cache {first[1]} -> "
        f"{last[1]}, bytes {first[2] / 1e6:.1f} -> {last[2] / 1e6:.1f} MB, processes left 0",
    )
