"""Holds the records of a run just made against the committed ones: same cells, same outcomes, for the releases named."""

from __future__ import annotations

import sys
from pathlib import Path

from compatmatrix.analysis import support
from compatmatrix.analysis.support import View
from compatmatrix.config import matrix_file, probe_files
from compatmatrix.results.ledger import read

PAIRING = "release-day"  # bounded by a date, so the same on every day


def main() -> int:
    """Compare and say what differs; 1 if anything does."""
    made, committed = (view(Path(folder)) for folder in sys.argv[1:3])
    wrong, seen = [], 0
    for version in sys.argv[3:]:
        here, there = made.cell(PAIRING, version), committed.cell(PAIRING, version)
        if here is None or there is None or here.id != there.id:
            wrong.append(f"{version}: the cell is not the committed one ({here and here.id}, {there and there.id})")
            continue
        for probe in made.probes:
            one, other = here.outcome(probe.id), there.outcome(probe.id)
            seen += 1
            if (one.state, one.signature) != (other.state, other.signature):
                wrong.append(
                    f"{version} {probe.id}: {one.state.value} {one.signature} here, {other.state.value} {other.signature} committed"
                )
    print("\n".join(wrong) or f"{seen} outcomes of {len(sys.argv) - 3} releases are as committed")
    return 1 if wrong or not seen else 0


def view(reports: Path) -> View:
    """The view of a folder of reports."""
    return support.view(
        read(reports / "records"), matrix_file.load(Path("matrix.toml")), probe_files.read(Path("probes"))
    )


if __name__ == "__main__":
    sys.exit(main())
