"""Every command of the README does what it is there for: on fake releases of the packages that it names, or in `.ci/run`."""

from __future__ import annotations

import io
import re
import shlex
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import PROBES, THIS, Project, matrix, write
from packages import world
from packages.index import LocalIndex
from packages.wheels import FakeRelease

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

NAMES = {"subject": "flax", "companionlib": "jaxlib", "companion": "jax", "helper": "optax"}
PROBE_NAMES = {"held": "wrapper_param", "standalone": "standalone_variable_optimizer", "arithmetic": "standalone_jit"}
JAX = {"1.1": "0.4.30", "2.0": "0.6.0", "3.0": "0.12.0"}


def commands() -> Iterator[str]:
    """The commands of the README, without the comments beside them and what they print."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        lines = [re.sub(r"\s+# .*", "", line).strip() for line in block.splitlines()]
        shown = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield from shown or filter(None, lines)


def of_the_engine(command: str) -> list[str]:
    """The arguments that a command gives to the engine, by way of nox too; none where it gives it none."""
    words = shlex.split(command.partition("<")[0])
    if words[:3] == ["python", "-m", "compatmatrix"]:
        return words[3:]
    if words[:4] != ["python", "-m", "nox", "-s"]:
        return []
    if match := re.fullmatch(r"probe\((\w+)='(.*)'\)", words[4]):
        return ["run", "--only", f"{match[1]}=={match[2]}", *words[6:]]
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = dict(re.findall(r'def (\w+)\(session.*\n.*\n    engine\(session, "(\w+)", \*session.posargs\)', text))
    return [sessions[words[4]], *words[6:]] if words[4] in sessions else []


def renamed(release: FakeRelease, version: str) -> FakeRelease:
    """A release of the fake world under the names of the real packages; what is imported keeps its name."""
    requires = " ; ".join(release.requires)
    for name, real in NAMES.items():
        requires = re.sub(rf"\b{name}\b(?!\[)", real, requires)
    requires = re.sub(r"jax>=[\d.]+", "jax>=0.4.30", requires)
    requires = re.sub(r"jaxlib==[\d.]+", f"jaxlib=={version}", requires)
    return replace(
        release, name=NAMES[release.name], version=version, requires=tuple(filter(None, requires.split(" ; ")))
    )


@pytest.fixture(scope="module")
def renamed_world() -> Iterator[LocalIndex]:
    """Four releases of flax beside three of jax."""
    history = {"0.8.5": "raises", "0.10.4": "raises-differently", "0.10.7": "works"}
    with LocalIndex() as index:
        index.add(*(renamed(world.SUBJECT[key], version) for version, key in history.items()))
        index.add(renamed(world.subject("raises", "0", "2025-05-20"), "0.12.12"))
        for release in (*world.COMPANIONS.values(), *world.HELPERS.values()):
            if release.name == "helper" or release.version in JAX:
                index.add(renamed(release, JAX.get(release.version, release.version)))
        index.add_installed(*world.TOOLS)
        yield index


@pytest.fixture
def project(tmp_path: Path, renamed_world: LocalIndex) -> Project:
    made = Project.make(tmp_path / "project", renamed_world.url, pythons=(THIS,))
    config = matrix(renamed_world.url, (THIS,)).replace('">=1.0"', '">=0.4"')
    probes = PROBES["test_value.py"]
    for name, real in NAMES.items():
        config = re.sub(rf'"{name}(?=["\[])', f'"{real}', config)
    for name, real in PROBE_NAMES.items():
        config = config.replace(f'"{name}"', f'"{real.replace("_", "-")}"')
        probes = probes.replace(f"test_{name}(", f"test_{real}(")
    write(made.folder, {"matrix.toml": config, "probes/test_value.py": probes})
    write(
        made.folder,
        {
            "requirements.txt": "flax==0.10.7\njax==0.6.0\noptax==0.2\n",
            "traceback.txt": "TypeError: Trainer got Value, shape",
        },
    )
    venv.create(made.folder / ".venv", symlinks=True)
    site_packages = next((made.folder / ".venv").rglob("site-packages"))
    for name, version in {"flax": "0.10.7", "jax": "0.6.0", "optax": "0.2"}.items():
        write(site_packages, {f"{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n"})
    return made


def test_every_command_is_run_on_fake_releases_or_by_ci(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    script = [line.strip() for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()]
    listed = list(commands())
    assert len(listed) > 20
    for command in listed:
        arguments = of_the_engine(command)
        if not arguments:
            assert command in script, f"neither a command of the engine nor one of .ci/run: {command}"
            continue
        if "<" in command:
            monkeypatch.setattr(
                "sys.stdin", io.TextIOWrapper(io.BytesIO(Path(command.rpartition("< ")[2]).read_bytes()))
            )
        said = project.main(*arguments)
        assert (said.code, said.err) == (0, ""), (command, said)
        assert said.out.strip(), command


def test_a_command_that_nothing_runs_would_be_found() -> None:
    assert of_the_engine("python -m nox -s matrix -- --table") == ["run", "--table"]
    assert of_the_engine("python -m nox -s tests") == []
    assert of_the_engine("pip install everything") == []
