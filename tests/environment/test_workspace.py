"""Environments: brought from lock to lock by the real uv; a broken wheel is the release's fault, a lost one is not."""

from __future__ import annotations

import io
import os
import py_compile
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Cell, Pin
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import InstallFailed, Workspace
from fixtures import NOWHERE, Project
from packages import world
from packages.index import Fault, LocalIndex
from packages.wheels import Artifact, artifacts, build_wheel

HELPER = world.HELPERS["helper-0.1"]
INFO = "helper-0.1.dist-info/"


def installed(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    told = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    return dict(sorted(part.split("==") for part in told.split()))


def rezipped(change: Callable[[str, bytes], list[tuple[str, bytes]]]) -> bytes:
    """The helper's wheel with each member changed, left out or joined by others."""
    source, target = zipfile.ZipFile(io.BytesIO(build_wheel(HELPER))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            for new, content in change(name, source.read(name)):
                archive.writestr(new, content)
    return target.getvalue()


def without(part: str) -> bytes:
    return rezipped(lambda name, content: [] if part in name else [(name, content)])


def with_text(old: bytes, new: bytes) -> bytes:
    return rezipped(lambda name, content: [(name, content.replace(old, new))])


def with_member(part: str, text: bytes) -> bytes:
    return rezipped(lambda name, content: [(name, text if part in name else content)])


BROKEN: dict[str, bytes] = {
    "no zip at all": b"this is no zip file at all" * 10,
    "nothing in it": b"",
    "half a zip": build_wheel(HELPER)[:400],
    "a member that is not what its checksum says": build_wheel(HELPER).replace(b"rate=0.1", b"rate=9.9"),
    "no METADATA": without("/METADATA"),
    "no WHEEL": without("/WHEEL"),
    "no RECORD": without("/RECORD"),
    "no dist-info": without(INFO),
    "two dist-infos": rezipped(
        lambda name, content: [(one, content) for one in dict.fromkeys([name, name.replace(INFO, "x-1.dist-info/")])]
    ),
    "a RECORD that is no table": with_member("/RECORD", b'a,b,c,d,e\n"'),
    "METADATA of another version": with_text(b"Version: 0.1", b"Version: 0.9"),
    "METADATA of another name": with_text(b"Name: helper", b"Name: other"),
    "METADATA that is none": with_member("/METADATA", b"\xff\xfe\x00"),
    "WHEEL of a later standard": with_text(b"Wheel-Version: 1.0", b"Wheel-Version: 9.0"),
    "WHEEL that is none": with_member("/WHEEL", b"nonsense"),
    "a script in Python's place": rezipped(
        lambda name, content: [
            (name, content),
            *(
                [(f"{INFO}entry_points.txt", b"[console_scripts]\npython = helper:step\n")]
                if "METADATA" in name
                else []
            ),
        ]
    ),
    "a file where a folder is": rezipped(
        lambda name, content: [*([("helper", b"")] if name.endswith("__init__.py") else []), (name, content)]
    ),
}


def publish(index: LocalIndex, content: bytes) -> Artifact:
    """Puts a wheel of these bytes on the index, listed with their own hash."""
    (good,) = artifacts(HELPER)
    made = replace(good, content=content)
    index._publish([made])
    return made


@pytest.fixture
def workspace(tmp_path: Path, index: LocalIndex, interpreters: Interpreters) -> Iterator[Workspace]:
    yield Workspace(Project.make(tmp_path / "p", index.url).config, tmp_path / "environments", interpreters)


@pytest.fixture
def project(tmp_path: Path, index: LocalIndex) -> Project:
    return Project.make(tmp_path / "p", index.url)


def cell_of(project: Project, *pins: Pin) -> Cell:
    """A cell of a lock that nobody resolved."""
    wanted = project.request("0.1.0")
    return Cell(subject="0.1.0", python=wanted.pythons[0], platform=wanted.platform, lock=pins, versions={}, named=())


def pin(artifact: Artifact) -> Pin:
    return Pin(name=artifact.project, version=artifact.version, sha256=(artifact.sha256,))


def test_an_environment_is_brought_from_lock_to_lock(project: Project, index: LocalIndex, workspace: Workspace) -> None:
    world.fill(index, tools=False)
    old = project.cell("0.2.0", "companion[cpu]<2", "helper", bound="2024-03-10T00:00:00Z", tools=False)
    python = workspace.bring_to(old)
    assert installed(python) == {"companion": "1.1", "companionlib": "1.1", "helper": "0.1", "subject": "0.2.0"}

    new = project.cell("0.5.0", "companion", tools=False)
    assert workspace.bring_to(new) == python
    assert installed(python) == {"companion": "3.0", "companionlib": "3.0", "helper": "0.2", "subject": "0.5.0"}

    index.requests.clear()
    assert workspace.bring_to(new) == python
    assert index.requests == [], "the same lock again needs nothing"

    workspace.discard(new.python)
    assert not python.exists()
    assert installed(workspace.bring_to(new)) == {pin.name: pin.version for pin in new.lock}


def test_defect_byte_code_of_a_module_was_taken_for_that_of_its_next_version(
    project: Project, index: LocalIndex, workspace: Workspace
) -> None:
    """Where both sources have one size and were unpacked in one second; uv leaves byte code that no package has."""
    world.fill(index, tools=False)
    releases = [
        replace(HELPER, version=version, requires=(), modules={"lone.py": f"VERSION = {version!r}\n"})
        for version in ("8.1", "8.2")
    ]
    index.add(*releases)
    old, new = (cell_of(project, pin(artifacts(release)[0])) for release in releases)
    python = workspace.bring_to(old)
    module = next(python.parents[1].glob("lib/python*/site-packages/lone.py"))
    py_compile.compile(str(module), doraise=True)
    status = module.stat()
    workspace.bring_to(new)
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert module.stat().st_size == status.st_size
    told = subprocess.run([python, "-I", "-c", "import lone; print(lone.VERSION)"], capture_output=True, text=True)
    assert told.stdout.split() == ["8.2"]


def test_an_environment_without_its_interpreter_is_made_anew(
    project: Project, index: LocalIndex, workspace: Workspace
) -> None:
    world.fill(index, tools=False)
    cell = cell_of(project, pin(artifacts(HELPER)[0]))
    python = workspace.bring_to(cell)
    python.unlink()
    assert installed(workspace.bring_to(cell)) == {"helper": "0.1"}


def test_defect_half_an_environment_was_taken_for_a_whole_one(
    project: Project, index: LocalIndex, workspace: Workspace, tmp_path: Path, interpreters: Interpreters
) -> None:
    """What was left when its making, or its removal, was broken off: without pyvenv.cfg, the base interpreter itself."""
    world.fill(index, tools=False)
    cell = cell_of(project, pin(artifacts(HELPER)[0]))
    python = workspace.bring_to(cell)
    (python.parents[1] / "pyvenv.cfg").unlink()
    again = Workspace(project.config, tmp_path / "environments", interpreters)
    assert installed(again.bring_to(cell)) == {"helper": "0.1"}
    assert (python.parents[1] / "pyvenv.cfg").exists()


def test_defect_an_environment_whose_making_was_broken_off_was_gone_on_with(
    project: Project, index: LocalIndex, workspace: Workspace, tmp_path: Path, interpreters: Interpreters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    world.fill(index, tools=False)
    cell = cell_of(project, pin(artifacts(HELPER)[0]))
    python = workspace.bring_to(cell)
    (module,) = python.parents[1].rglob("helper/__init__.py")

    def killed(*arguments: object) -> str:
        module.unlink()
        raise KeyboardInterrupt

    broken_off = Workspace(project.config, tmp_path / "environments", interpreters)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("compatmatrix.environment.workspace.uv.run", killed)
        broken_off.bring_to(cell)
    Workspace(project.config, tmp_path / "environments", interpreters).bring_to(cell)
    assert module.exists()


def test_defect_the_content_of_another_index_was_kept_where_its_version_was_the_same(
    project: Project, tmp_path: Path, interpreters: Interpreters, byte_code: ByteCode
) -> None:
    """Environments outlive a run and are shared by projects; the byte code of the earlier content must go, too."""
    answers = {}
    for number in ("1", "2", "1"):
        release = replace(HELPER, modules={"helper/__init__.py": f"number = {number}\n"})
        with LocalIndex() as other:
            other.add(release)
            config = Project.make(tmp_path / "p", other.url).config
            workspace = Workspace(config, tmp_path / "environments", interpreters, byte_code)
            cell = cell_of(project, pin(artifacts(release)[0]))
            byte_code.learn(cell.python, ["lib/python" + cell.python + "/site-packages/helper/__init__.py"])
            python = workspace.bring_to(cell)
        printed = subprocess.run([python, "-c", "import helper; print(helper.number)"], capture_output=True, text=True)
        answers[number] = printed.stdout.strip()
        assert list(python.parents[1].rglob("helper/__pycache__/*.pyc")), "the byte code was compiled"
    assert answers == {"1": "1", "2": "2"}


def test_defect_a_wheel_that_brings_a_file_of_another_package_broke_the_next_cell(
    project: Project, index: LocalIndex, workspace: Workspace
) -> None:
    """uv removed the file with the wheel that had brought it, and the release after was recorded as `import-fails`."""
    intruder = replace(HELPER, name="intruder", requires=(), modules={"helper/__init__.py": "raise SystemExit(1)\n"})
    for release in (HELPER, intruder):
        index.add(release)
    pins = [pin(*artifacts(release)) for release in (HELPER, intruder)]
    workspace.bring_to(cell_of(project, *pins))
    python = workspace.bring_to(cell_of(project, pins[0]))
    source = next(python.parents[1].rglob("helper/__init__.py"))
    assert source.read_text() == HELPER.modules["helper/__init__.py"]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_wheel_that_is_broken_as_published_is_the_releases_fault(
    project: Project, index: LocalIndex, workspace: Workspace, kind: str
) -> None:
    cell = cell_of(project, pin(publish(index, BROKEN[kind])))
    with pytest.raises(InstallFailed) as caught:
        workspace.bring_to(cell)
    assert "helper" in str(caught.value)
    assert "/tmp" not in str(caught.value)
    assert len(str(caught.value)) <= 500


@pytest.mark.parametrize(
    "fault", [Fault.UNREACHABLE, Fault.ERROR, Fault.CUT, Fault.TRUNCATED, Fault.TAMPERED, Fault.MISSING]
)
def test_a_wheel_that_is_lost_on_the_way_is_not(
    project: Project, index: LocalIndex, workspace: Workspace, fault: Fault
) -> None:
    cell = cell_of(project, pin(publish(index, build_wheel(HELPER))))
    index.fault(fault, "*.whl")
    with pytest.raises(InfrastructureError):
        workspace.bring_to(cell)
    index.heal()
    assert installed(workspace.bring_to(cell)) == {"helper": "0.1"}, "and the next try succeeds"


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.ERROR, Fault.TRUNCATED])
def test_an_index_that_does_not_answer_is_not(
    project: Project, index: LocalIndex, workspace: Workspace, fault: Fault
) -> None:
    cell = cell_of(project, pin(publish(index, build_wheel(HELPER))))
    index.fault(fault, "/simple/*")
    with pytest.raises(InfrastructureError):
        workspace.bring_to(cell)


def test_a_wheel_that_is_not_the_locked_one_is_not_installed(
    project: Project, index: LocalIndex, workspace: Workspace
) -> None:
    publish(index, build_wheel(HELPER))
    with pytest.raises(InfrastructureError, match="Hash mismatch"):
        workspace.bring_to(cell_of(project, Pin(name="helper", version="0.1", sha256=("0" * 64,))))


def test_defect_uv_ran_what_a_release_installs_to_be_run_at_pythons_start(
    project: Project, index: LocalIndex, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of any cell: it asked the environment's interpreter what it is, once its cache was gone."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    ran = tmp_path / "ran"
    line = f"import os; open({str(ran)!r}, 'w').close(); os._exit(0)\n".encode()
    more = {"helper/__init__.py": [("started.pth", line)]}
    started = publish(index, rezipped(lambda name, content: [(name, content), *more.get(name, [])]))
    python = workspace.bring_to(cell_of(project, pin(started)))
    subprocess.run([python, "-I", "-c", ""], check=True)
    assert ran.exists(), "it is what Python runs"
    ran.unlink()
    shutil.rmtree(tmp_path / "uv")
    world.fill(index, tools=False)
    cell = project.cell("0.5.0", tools=False)
    assert workspace.bring_to(cell) == python
    assert not ran.exists()
    assert installed(python) == {one.name: one.version for one in cell.lock}


def test_a_release_that_was_deleted_after_it_was_locked_is_not_its_fault(
    project: Project, index: LocalIndex, workspace: Workspace
) -> None:
    locked = pin(publish(index, build_wheel(HELPER)))
    index.remove("helper", "0.1")
    with pytest.raises(InfrastructureError):
        workspace.bring_to(cell_of(project, locked))


def test_without_the_python_there_is_no_environment(project: Project, workspace: Workspace) -> None:
    cell = msgspec.structs.replace(cell_of(project), python=NOWHERE)
    with pytest.raises(InfrastructureError, match=r"needs Python 3\.99: install it, or `uv python install 3\.99`"):
        workspace.bring_to(cell)


def test_a_folder_that_cannot_be_written_is_our_trouble(
    tmp_path: Path, project: Project, index: LocalIndex, interpreters: Interpreters
) -> None:
    (tmp_path / "file").write_text("")
    blocked = Workspace(project.config, tmp_path / "file", interpreters)
    with pytest.raises(InfrastructureError):
        blocked.bring_to(cell_of(project, pin(publish(index, build_wheel(HELPER)))))
