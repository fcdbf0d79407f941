"""Resolves published constraints files on the real index: each must give exactly the versions that it names.

python .ci/resolve_constraints.py reports/site/constraints/NAME-1.0-py3.11.txt ...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from compatmatrix.config import matrix_file
from compatmatrix.resolve import uv


def main() -> int:
    """Resolve each file; 1 if one does not resolve, or to something else than its pins."""
    failed, index = 0, uv.index_arguments(matrix_file.load(Path("matrix.toml")).index)
    for path in map(Path, sys.argv[1:]):
        match = re.fullmatch(r"(.+)-([^-]+)-py(\d+\.\d+)\.txt", path.name)
        if match is None:
            print(f"{path}: is no NAME-VERSION-pyX.Y.txt")
            return 2
        name, version, python = match.groups()
        options = ["--no-header", "--no-annotate", "--python-version", f"{python}.99", "--python", sys.executable]
        try:
            resolved = uv.run(["pip", "compile", "-", "-c", path, *options, *index], stdin=f"{name}=={version}\n")
        except uv.Refused as refusal:
            problem = f"does not resolve: {refusal}"
        else:
            pins = {line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
            others = [line for line in resolved.splitlines() if "==" in line and line not in pins]
            problem = f"does not pin {', '.join(others)}" if others else ""
        failed += bool(problem)
        print(f"{path.name}: {problem or 'resolves'}")
    return 1 if failed or len(sys.argv) == 1 else 0


if __name__ == "__main__":
    sys.exit(main())
