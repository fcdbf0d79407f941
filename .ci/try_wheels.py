"""Tries built distributions as a user has them: in a clean environment of every Python, from a folder that is no checkout.

With the last of them, `init` begins a matrix of a library from the package index, and its sessions run it.

python .ci/try_wheels.py DIST DATA SCRATCH, where DIST holds the engine and the data, and DATA is the compatibility.json of the data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from compatmatrix.environment.interpreters import Interpreters

PYTHONS = ("3.11", "3.12", "3.13")
LIBRARY = "pluggy"

FOREIGN = re.compile(r"\b(?:flax|jax|nnx|optax|train\w*|learn\w*|optimi[sz]er\w*)\b", re.IGNORECASE)
"""Words of the matrix that is kept here, which mean nothing for another library."""

TOP = {"LICENSE", "PKG-INFO", "pyproject.toml", "src", "docs", "hatch_build.py", ".gitignore"}
"""All that belongs into the source distribution: neither reports nor what is tested here."""


def main() -> int:
    """Return 0 if all of it works, else 1."""
    dist, data, scratch = (Path(argument).absolute() for argument in sys.argv[1:4])
    with tarfile.open(next(dist.glob("compatmatrix-*.tar.gz"))) as archive:
        found = {Path(name).parts[1] for name in archive.getnames()}
    if found != TOP:
        print(f"the source distribution holds {sorted(found ^ TOP)} too much or too little")
        return 1
    wheels = sorted(map(str, dist.glob("*.whl")))
    control = json.loads(data.read_text(encoding="utf-8"))["configuration"]["subject"]["control"]
    interpreters = Interpreters(scratch / "interpreters")
    for python in PYTHONS:
        interpreter = interpreters.find(python)
        if interpreter is None:
            print(f"Python {python} is neither here nor to be had")
            return 1
        clean = scratch / f"clean-{python}"
        commands = clean / ("Scripts" if os.name == "nt" else "bin")
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", str(interpreter), str(clean)],
            [*uv, "pip", "install", "--quiet", "--python", str(clean), *wheels],
            [str(commands / "compatmatrix"), "--version"],
            [str(commands / data.parent.name.replace("_", "-")), "bounds", control],
        ):
            if code := subprocess.run(command, cwd=scratch).returncode:
                print(f"Python {python}: exit code {code}: {' '.join(command)}")
                return 1
    return begin(commands / "compatmatrix", scratch / "begun")


def begin(command: Path, folder: Path) -> int:
    """Begin a matrix with an installed engine and run it; 1 where that fails, or speaks of another library."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for words in (
        [str(command), "init", LIBRARY],
        [sys.executable, "-m", "nox", "-s", "matrix", "--", "--pairing", "newest"],
    ):
        if code := subprocess.run(words, cwd=folder).returncode:
            print(f"exit code {code}: {' '.join(words)}")
            return 1
    pages = [*folder.glob("reports/site/**/*.html"), folder / "reports" / "compatibility.md", folder / "README.md"]
    foreign = {(path, word) for path in pages for word in FOREIGN.findall(path.read_text(encoding="utf-8"))}
    for path, word in sorted(foreign):
        print(f"{path}: speaks of {word!r}")
    print(f"{len(pages)} pages of a matrix of {LIBRARY}; the wheels work with Python {', '.join(PYTHONS)}")
    return 1 if foreign or len(pages) < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
