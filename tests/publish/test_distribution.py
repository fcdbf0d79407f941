"""Published data read back, the distribution of it, and the action that uses a checkout's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

import compatmatrix
from compatmatrix.analysis import support
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.support import View
from compatmatrix.cli.main import main
from compatmatrix.publish import constraints, distribution, json_data
from fixtures import Project
from packages.server import Server
from packages.simple_api import Answer
from platforms import NEEDS_SHELL
from sample import make_config, make_ledger, make_probes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return support.view(make_ledger(), make_config(tmp_path_factory.mktemp("distribution")), make_probes())


@pytest.fixture
def published(view: View, tmp_path: Path) -> Path:
    path = tmp_path / "compatibility.json"
    path.write_bytes(json_data.compatibility_json(view))
    return path


def test_published_data_answers_as_the_records_do(view: View, published: Path) -> None:
    known, loaded = Compatibility(view), compatmatrix.load(published)
    for release in view.releases:
        for motor in (1, 20, 40, 50, 99):
            versions = {"gadget": release.version, "motor": f"{motor}.0"}
            assert loaded.pair(**versions) == known.pair(**versions)
    for probe in view.probes:
        assert loaded.supported(probe.id).specifier == known.supported(probe.id).specifier
    for text in ("TypeError: no bare Value", "ValueError: =cmd|' /C calc'!A0"):
        assert loaded.explain(text) == known.explain(text)
    assert constraints.files(loaded) == constraints.files(known) != {}


def test_compact_data_fits_the_schema_and_is_read_back(view: View, tmp_path: Path) -> None:
    files = distribution.files(view)
    data = next(content for name, content in files.items() if name.endswith("compatibility.json"))
    schema = next(content for name, content in files.items() if name.endswith("schema.json"))
    Draft202012Validator(json.loads(schema)).validate(json.loads(data))
    known, loaded = Compatibility(view), Compatibility(json_data.read(data))
    assert loaded.pair(gadget="0.9.0", motor="50.0") == known.pair(gadget="0.9.0", motor="50.0")
    assert constraints.files(loaded) == constraints.files(known)


def test_data_says_nothing_of_where_packages_came_from(view: View) -> None:
    assert b"index" not in json.dumps(json.loads(json_data.compact_json(view))["configuration"]).encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 100_000, b'{"schema": 99}', b"\xff", b'{"schema": 1, "subject": "a", "as_of": null}'],
)
def test_what_is_no_data_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "compatibility.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"compatibility\.json"):
        compatmatrix.load(str(path))
    with pytest.raises(OSError):
        compatmatrix.load(tmp_path / "none.json")


def test_older_data_without_the_configuration_says_so(published: Path) -> None:
    tree = json.loads(published.read_bytes())
    del tree["configuration"]
    published.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ValueError, match="of another version of this program"):
        compatmatrix.load(published)


def test_defect_published_data_with_a_version_that_is_none_ended_in_a_traceback(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published.write_bytes(published.read_bytes().replace(b'"29.0"', b'"new"'))
    with pytest.raises(ValueError, match="new"):
        compatmatrix.load(published)
    for command in (["check", "pyproject.toml"], ["bounds", "held-value"]):
        assert main([command[0], "--data", str(published), *command[1:]]) == 2
        assert "Invalid version: 'new'" in capsys.readouterr().err


def test_defect_data_were_read_however_long_they_are(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatmatrix, "_MOST", published.stat().st_size)
    server = Server(lambda method, path, headers: Answer(200, body=published.read_bytes()))
    server.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/"
        assert compatmatrix.load(address).pair(gadget="0.20.0", motor="50.0")
        published.write_bytes(published.read_bytes() + b" ")
        for source in (published, address):
            with pytest.raises(ValueError, match=r"is longer than \d+ MB"):
                compatmatrix.load(source)
    finally:
        server.stop()


def test_load_is_all_that_is_public() -> None:
    assert compatmatrix.__all__ == ["load"]


def test_data_takes_the_place_of_a_checkout(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("gadget==0.20.0\nmotor==29.0\nhelper==1.20\n", encoding="utf-8")
    assert main(["check", "--data", str(published), "--platform", "linux-x86_64"]) == 0
    assert "requirements.txt:1: gadget 0.20.0 with motor 29.0: known good" in capsys.readouterr().out
    assert main(["constraints", "--data", str(published), "gadget==0.20.0"]) == 0
    assert main(["recipe", "--data", str(published), "--only", "gadget==0.20.0"]) == 0
    assert main(["bounds", "--data", str(published), "held-value"]) == 0
    for wrong in (
        ["--data", "none.json"],
        ["--data", str(tmp_path / "requirements.txt")],
        ["--data", str(published), "--reports", "x"],
        ["--data", str(published), "--config", "x"],
    ):
        assert main(["check", *wrong]) == 2


def test_defect_a_recipe_was_said_to_work_where_not_even_the_import_does(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "--data", str(published), "--only", "gadget==0.11.0"]) == 0
    assert "recipe held-value (ran as it is, supported at release):" in capsys.readouterr().out
    assert main(["recipe", "--data", str(published), "--only", "gadget==0.26.0"]) == 0
    assert "also supported at release and with the latest motor: held-value\n" in capsys.readouterr().out


def test_the_project_of_the_data_names_the_subject_and_its_day(view: View, tmp_path: Path) -> None:
    files = distribution.files(view)
    assert set(files) == {"pyproject.toml", "README.md", *(f"gadget_compatibility/{name}" for name in (
        "__init__.py", "py.typed", "compatibility.json", "compatibility.schema.json"))}  # fmt: skip
    assert b'name = "gadget-compatibility"\nversion = "2026.11.20"\n' in files["pyproject.toml"]
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    code = (
        "import sys, gadget_compatibility as data\n"
        "print(data.load().pair(gadget='0.20.0', motor='29.0').standing.value)\n"
        "sys.argv = ['gadget-compatibility', 'bounds', 'held-value']\nsys.exit(data.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("known good\ngadget>=")


def test_defect_the_help_of_the_data_named_another_command(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = distribution.files(view)["gadget_compatibility/__init__.py"].decode()
    names: dict[str, Any] = {"__name__": "gadget_compatibility", "__file__": str(tmp_path / "__init__.py")}
    exec(module, names)
    for words in ([], ["check"]):
        monkeypatch.setattr(sys, "argv", ["x", *words, "--help"])
        with pytest.raises(SystemExit):
            names["main"]()
        said = capsys.readouterr().out
        assert said.startswith(f"usage: {' '.join(['gadget-compatibility', *words])} [-h]")
        assert "compatmatrix" not in said


def documented() -> dict[str, str]:
    """What the workflow of the documentation passes to the action."""
    text = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    inputs: dict[str, str] = yaml.safe_load(block)["jobs"]["compatibility"]["steps"][-1]["with"]
    return inputs


@NEEDS_SHELL
@pytest.mark.parametrize(
    ("inputs", "code", "said"),
    [
        (documented(), 1, "::warning file=uv.lock,title=gadget 0.20.0 with motor 29.0%3A seen elsewhere,"),
        ({"files": "good.txt"}, 0, "::notice file=good.txt,"),
        ({"files": "good.txt bad.txt"}, 3, "::error file=bad.txt,"),
        ({"files": "unknown.txt"}, 1, "::warning file=unknown.txt,"),
        ({"files": "unknown.txt", "allow-unknown": "true"}, 0, "::warning file=unknown.txt,"),
        ({"files": "good.txt", "needs": "bare-value held-value"}, 3, "::error file=good.txt,"),
        ({"files": "$(touch x) ; touch y"}, 2, ""),
    ],
)
def test_the_action_checks_with_the_data_of_its_checkout(
    tmp_path: Path, published: Path, inputs: dict[str, str], code: int, said: str
) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    step = action["runs"]["steps"][-1]
    checkout, work = tmp_path / "checkout", tmp_path / "work"
    Project.make(checkout, "https://example.org/simple/")
    make_config(checkout)
    work.mkdir()
    probes = checkout / "probes"
    for path in probes.iterdir():
        path.unlink()
    python = tmp_path / "compatmatrix" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # What the first step installs; the data stands for the records of a checkout.
    python.write_text(
        f'#!/bin/sh\nshift 5\nexec "{sys.executable}" -m compatmatrix check --data "{published}" --platform linux-x86_64 "$@"\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    for name, motor in (("good", "29"), ("bad", "50"), ("unknown", "99")):
        (work / f"{name}.txt").write_text(f"gadget==0.20.0\nmotor=={motor}.0\n", encoding="utf-8")
    lock = "version = 1\n" + "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
        for name, version in (("gadget", "0.20.0"), ("motor", "29.0"))
    )
    (work / "uv.lock").write_text(lock, encoding="utf-8")
    assert inputs.keys() <= action["inputs"].keys()
    given = {name: str(settings["default"]) for name, settings in action["inputs"].items()} | inputs
    environ = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], text)
        for name, text in step["env"].items()
    }
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=work,
        env={**os.environ, **environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stdout
    assert sorted(path.name for path in work.iterdir()) == ["bad.txt", "good.txt", "unknown.txt", "uv.lock"]
