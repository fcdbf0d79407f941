"""Sessions: each a few lines that call the engine or a tool. `nox` alone runs the matrix; only nox must be installed.

The engine and everything it needs, uv included, is installed from PyPI into the session's environment, again only
after a change of pyproject.toml or constraints.txt.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "constraints.txt"  # what the tests run with; users of the package have pyproject's bounds
KNOWN = ROOT / "reports" / "records" / "releases.jsonl"
ENGINE = ROOT / ".nox" / "engine"
PYTHON = ENGINE / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def subject() -> str:
    """The subject's name in matrix.toml; ends with a line and exit code 2 where this Python or a file will not do."""
    file = PYPROJECT
    try:
        import tomllib

        tomllib.loads(file.read_text(encoding="utf-8"))
        file = ROOT / "matrix.toml"
        return str(tomllib.loads(file.read_text(encoding="utf-8"))["subject"]["name"])
    except ModuleNotFoundError:
        problem = (
            f"nox runs in Python {sys.version.split()[0]}, and this project needs 3.11 or newer: install nox there"
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{file.name}: {'has no [subject] name' if isinstance(error, (KeyError, TypeError)) else error}"
    print(problem, file=sys.stderr)
    sys.exit(2)


SUBJECT = subject()

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["matrix"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "uv|virtualenv"


def recorded_releases() -> list[str]:
    """The subject's releases on record, newest first; read from disk, so that `nox -l` needs no network."""
    text = KNOWN.read_text(encoding="utf-8", errors="replace") if KNOWN.exists() else ""
    return re.findall(r'^{.*"version":"([^"]+)"', text, re.MULTILINE)[::-1]  # the engine tells of damaged lines


def state(*groups: str) -> str:
    """What an installation depends on, as a digest."""
    return hashlib.sha256(PYPROJECT.read_bytes() + CONSTRAINTS.read_bytes() + repr(groups).encode()).hexdigest()


def install(session: nox.Session, *groups: str) -> None:
    """Install the engine and dependency groups, unless this environment has them already."""
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state(*groups):
        return
    session.install(
        "-c", str(CONSTRAINTS), "-e", ".", *nox.project.dependency_groups(nox.project.load_toml(PYPROJECT), *groups)
    )
    stamp.write_text(state(*groups), encoding="utf-8")


def install_engine(session: nox.Session) -> None:
    """The environment that all sessions share that need the engine alone; made once, of which nox has no notion."""
    stamp = ENGINE / "installed"
    if stamp.exists() and PYTHON.exists() and stamp.read_text(encoding="utf-8") == state():
        return
    if uv := shutil.which("uv"):
        session.run(uv, "venv", "--clear", "--quiet", str(ENGINE), external=True)
    else:  # pip brings uv alone, and uv the rest: in a third of the time
        session.run(sys.executable, "-m", "virtualenv", "--clear", "--quiet", str(ENGINE), external=True)
        session.run(str(PYTHON), "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS), "uv", external=True)
    program = [uv] if uv else [str(PYTHON), "-m", "uv"]
    pip = [*program, "pip", "install", "--quiet", "--python", str(PYTHON)]
    session.run(*pip, "-c", str(CONSTRAINTS), "-e", ".", external=True)
    stamp.write_text(state(), encoding="utf-8")


def github_files() -> dict[str, list[Path]]:
    """The files below .github/ by the schema of check-jsonschema that describes them."""
    folder = ROOT / ".github"
    workflows = sorted(folder.glob("workflows/*.yml"))
    forms = folder / "ISSUE_TEMPLATE"
    config = forms / "config.yml"
    return {
        "vendor.github-workflows": workflows,
        "custom.github-workflows-require-timeout": workflows,
        "vendor.github-actions": [ROOT / "action.yml"],
        "vendor.github-issue-forms": sorted({*forms.glob("*.yml")} - {config}),
        "vendor.github-issue-config": [config],
        "vendor.dependabot": [folder / "dependabot.yml"],
    }


def engine(session: nox.Session, command: str, *arguments: str) -> None:
    """Run one command of the engine; nox ends with its exit code."""
    install_engine(session)
    given = f"python -m nox -s {'matrix' if command == 'run' else command} --"  # as the engine tells how to go on
    environ = {**os.environ, "COMPATMATRIX_COMMAND": given}
    process = subprocess.Popen([PYTHON, "-m", "compatmatrix", command, *arguments], env=environ)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # The terminal interrupts the engine too, which then ends within seconds.
        code = process.wait(timeout=15)
    if code:
        sys.exit(code)


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """Run the missing cells, record them, write the reports and show the answer."""
    engine(session, "run", *session.posargs)


@nox.session(venv_backend="none")
def report(session: nox.Session) -> None:
    """Rebuild all reports from the records; no probe is run."""
    engine(session, "report", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the project's own tests, on every core (`-- -n 0`: on one); their only use of the network is the installation."""
    install(session, "tests")
    session.run("pytest", "-n", "logical", *session.posargs)


@nox.session
def story(session: nox.Session) -> None:
    """Run the scheduled job's workflow day after day, on fake releases."""
    install(session, "tests")
    session.run("pytest", "-m", "story", "tests/ci", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Test the pages in the system's Chromium, without scripts too, in both themes; `-- --picture` makes docs/page.png."""
    install(session, "browser")
    if session.posargs == ["--picture"]:
        session.run("python", "-m", "browser.picture", env={"PYTHONPATH": str(ROOT / "tests")})
    elif session.posargs:
        session.run("pytest", "tests/browser", *session.posargs)
    else:
        session.run("pytest", "tests/browser", "-n", "logical", "-m", "not timed")
        session.run("pytest", "tests/browser", "-m", "timed")


@nox.session
def faults(session: nox.Session) -> None:
    """Provoke every fault, some of them hundreds of times; writes reports/faults.md. Takes half an hour."""
    install(session, "tests")
    session.run("python", "tests/faults/report.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, strict types, and the files that GitHub reads: their schemas, and the workflows' security."""
    install(session, "tests", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")
    for schema, files in github_files().items():
        session.run("check-jsonschema", "--builtin-schema", schema, *map(str, files))
    session.run("zizmor", "--offline", "--no-progress", "--strict-collection", ".")


@nox.session
def style(session: nox.Session) -> None:
    """Format Python files and fix what ruff can fix by itself: those named after `--`, else all. pre-commit runs this."""
    install(session, "lint")
    files = session.posargs or ["."]
    session.run("ruff", "check", "--fix", "--force-exclude", *files)
    session.run("ruff", "format", "--force-exclude", *files)


@nox.session(venv_backend="none")
def watch(session: nox.Session) -> None:
    """Examine what is not released: the sources and nightly builds of [watch] in matrix.toml."""
    engine(session, "watch", *session.posargs)


@nox.session(venv_backend="none")
def bisect(session: nox.Session) -> None:
    """Find the commit, or the companion's release, at which a probe's outcome changes."""
    engine(session, "bisect", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the engine against a plain noxfile and against the floor; writes reports/bench.md."""
    install(session, "bench")
    session.run("python", "bench/measure.py", *session.posargs)


@nox.session(venv_backend="none")
def examples(session: nox.Session) -> None:
    """Run the small matrices of examples/, and compare their outcomes with those that were found by hand."""
    folders = sorted(path.parent for path in ROOT.glob("examples/*/matrix.toml"))
    for folder in folders:
        engine(session, "run", "--config", str(folder / "matrix.toml"), *session.posargs)
    session.run(str(PYTHON), ".ci/compare_examples.py", *map(str, folders), external=True)


@nox.session
def package(session: nox.Session) -> None:
    """Build the engine and the data into dist/, check them, and try their wheels in clean environments of every Python."""
    install(session, "package")
    folder, dist = Path(session.create_tmp()).absolute(), ROOT / "dist"
    for old in (dist, folder / "data"):
        shutil.rmtree(old, ignore_errors=True)
    session.run("python", "-m", "compatmatrix", "package", str(folder / "data"), *session.posargs)
    session.run("python", "-m", "uv", "build", "--quiet", str(ROOT), "--out-dir", str(dist))  # the wheel from the sdist
    session.run("python", "-m", "uv", "build", "--quiet", "--wheel", str(folder / "data"), "--out-dir", str(dist))
    session.run("twine", "check", "--strict", *map(str, sorted(dist.glob("[!.]*"))))
    data = next((folder / "data").glob("*/compatibility.json"))
    session.run("python", ".ci/try_wheels.py", str(dist), str(data), str(folder))


@nox.session(venv_backend="none")
@nox.parametrize(SUBJECT, recorded_releases())
def probe(session: nox.Session, **release: str) -> None:
    """Run one release of the subject."""
    engine(session, "run", "--only", f"{SUBJECT}=={release[SUBJECT]}", *session.posargs)
