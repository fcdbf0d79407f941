"""Tries built distributions as a user has them: in a clean environment of every Python, from a folder that is no checkout.

python .ci/try_wheels.py DIST DATA SCRATCH, where DIST holds the engine and the data, and DATA is the compatibility.json of the data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from compatmatrix.environment.interpreters import Interpreters

PYTHONS = ("3.11", "3.12", "3.13")
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
    print(f"the wheels work with Python {', '.join(PYTHONS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
