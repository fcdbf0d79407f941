"""Compares what a run of the examples found with what was found by hand.

python .ci/compare_examples.py examples/NAME ...
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

from compatmatrix.config import matrix_file


def main() -> int:
    """Compare each example and say what differs; 1 if anything does."""
    wrong, seen = [], 0
    for folder in map(Path, sys.argv[1:]):
        expected = tomllib.loads((folder / "outcomes.toml").read_text(encoding="utf-8"))
        data = json.loads((folder / "reports" / "compatibility.json").read_text(encoding="utf-8"))
        examined: dict[str, set[str]] = {}
        for cell in data["cells"]:
            version = cell["versions"][data["subject"]]
            examined.setdefault(version, set()).update(cell["pairings"])
            for probe in (one["id"] for one in data["probes"]):
                outcome = cell["outcomes"].get(probe, {}).get("state", cell["state"])
                wanted = expected.get(version, {}).get(probe, "supported")
                seen += 1
                if outcome != wanted:
                    why = cell.get("detail") or ""
                    wrong.append(f"{folder.name} {version} {probe}: {outcome}, by hand {wanted} {why}".rstrip())
        pairings = set(matrix_file.load(folder / "matrix.toml").pairings.default)
        if examined != {version: pairings for version in expected}:
            wrong.append(f"{folder.name}: examined {examined}, expected {pairings} of {', '.join(expected)}")
    print("\n".join(wrong) or f"{seen} outcomes of {len(sys.argv) - 1} examples are as found by hand")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
