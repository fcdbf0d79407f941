"""The files of a new matrix: what is tested, a first probe with its control, sessions, a workflow, a README."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from compatmatrix.config.toml_errors import toml
from compatmatrix.publish.markdown import BEGIN, END


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a library before anything was run.

    Attributes:
        name: of the distribution.
        module: that it is imported as.
        releases: specifier of the releases to start with.
        pythons: X.Y, in order of preference.
        index: address of the package index; empty for the default.
        engine: requirement of the engine on this machine, without spaces; ``engine_in_ci`` on another one.
        workflows: ``owner/name@reference`` of the reusable workflows on GitHub.
    """

    name: str
    module: str
    releases: str
    pythons: tuple[str, ...]
    index: str
    engine: str
    engine_in_ci: str
    workflows: str


def files(start: Start) -> Mapping[str, bytes]:
    """Path -> bytes of the project."""
    repository, _, reference = start.workflows.partition("@")
    words = {
        "name": start.name,
        "module": start.module,
        "imports": "\n".join(sorted(("import pytest", f"import {start.module}"))),
        "releases": toml(start.releases),
        "pythons": toml(start.pythons),
        "index": f"\n[index]\nurl = {toml(start.index)}\n" if start.index else "",
        "engine": toml(start.engine),  # a text of TOML is one of Python and of YAML
        "engine_in_ci": toml(start.engine_in_ci),
        "repository": repository,
        "reference": reference,
        "begin": BEGIN,
        "end": END,
    }
    return {path: text.format_map(words).encode() for path, text in _FILES.items()}


_MATRIX = """\
# What is tested.

[subject]
name = "{name}"
releases = {releases}
import = "needed"  # the module of probes/ that imports what the probes need: where it fails, the cell is import-fails
headline = "version"  # the probe that the verdict is about
control = "import"  # the probe that must work for another's "no" to mean anything

# A package whose version matters: each release is tested with that of its own day, and with the latest.
# [[companion]]
# name = "…"

[python]
versions = {pythons}  # the first that a release and its companions admit is taken
{index}
[groups]  # order and titles of the table's column groups
start = "To start with"
"""

_NEEDED = '''\
"""Imports what the probes need."""

import {module}  # noqa: F401
'''

_PROBE = '''\
"""To start with: a question that any library answers, and a control. Put your own in their place."""

import importlib.metadata
from pathlib import Path

{imports}


@pytest.mark.probe(title="The release is imported", group="start", control=True)
def test_import(check):
    """Does `import {module}` import a file of the release that is installed?"""
    files = importlib.metadata.files("{name}") or []
    imported = Path({module}.__file__).resolve()
    check.that(imported in [Path(file.locate()).resolve() for file in files], "another file was imported")


@pytest.mark.probe(title="{module}.__version__", group="start")
def test_version(check):
    """Does `{module}.__version__` say which release is installed?"""
    if not hasattr({module}, "__version__"):
        pytest.skip("{module} has no __version__")
    check.equal({module}.__version__, importlib.metadata.version("{name}"))
'''

_NOXFILE = '''\
"""`nox -s matrix` runs what is not on record and shows the answers; `nox -s report` makes the reports anew."""

import nox

nox.options.sessions = ["matrix"]
nox.options.reuse_existing_virtualenvs = True


def engine(session: nox.Session, command: str) -> None:
    """Give a command of the engine, of exactly this version."""
    session.install({engine})
    given = {{"COMPATMATRIX_COMMAND": f"nox -s {{session.name}} --"}}  # as the engine tells how to go on
    session.run("compatmatrix", command, *session.posargs, env=given, interrupt_timeout=15)


@nox.session
def matrix(session: nox.Session) -> None:
    """Run what is not on record, and show the answers."""
    engine(session, "run")


@nox.session
def report(session: nox.Session) -> None:
    """Make all reports anew from the records."""
    engine(session, "report")
'''

_WORKFLOW = """\
# Looks for new releases every day, runs the missing cells, publishes the reports and the page, and opens an issue when an
# answer changes.
name: Compatibility

on:
  schedule:
    - cron: "17 5 * * *"
  workflow_dispatch:

permissions: {{}}

jobs:
  compatibility:
    permissions:
      contents: write # commits reports/
      issues: write # opens, updates and closes the alarm
      pages: write # deploys the site
      id-token: write # proves to Pages which workflow deploys
    uses: {repository}/.github/workflows/compatibility.yml@{reference}
    with:
      engine: {engine_in_ci}

  # What is not released, once matrix.toml has a table [watch]:
  # watch:
  #   permissions:
  #     contents: write
  #   uses: {repository}/.github/workflows/watch.yml@{reference}
  #   with:
  #     engine: {engine_in_ci}
"""

_README = """\
# {name}: compatibility matrix

{begin}
{end}

The table is [reports/compatibility.md](reports/compatibility.md), the page `reports/site/index.html`. Each question is a test in
`probes/`, which is run in every release.

```console
python -m pip install nox
nox -s matrix  # run what is not on record, and show the answers
nox -s matrix -- --only '{name}==VERSION' --fresh  # run one release again
nox -s report  # make the reports anew
```
"""

_IGNORED = """\
.nox/
__pycache__/
reports/records/.lock
reports/site/
"""

_FILES = {
    "matrix.toml": _MATRIX,
    "probes/needed.py": _NEEDED,
    "probes/test_start.py": _PROBE,
    "noxfile.py": _NOXFILE,
    ".github/workflows/compatibility.yml": _WORKFLOW,
    "README.md": _README,
    ".gitignore": _IGNORED,
}
