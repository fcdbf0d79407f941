"""Runs every fault, prints one line for each and writes reports/faults.md: what was done, what was lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "reports" / "faults.md"

HEAD = """\
# Faults

Provoked for real on this project's made-up releases, with real processes and real signals, by `nox -s faults`. What is
and is not promised: [SECURITY.md](../SECURITY.md).

| fault | what was done | lost |
| --- | --- | --- |
"""


def main(arguments: list[str]) -> int:
    """Run them; returns pytest's exit code, and writes the page only where all went well."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.jsonl"
        file.touch()
        environ = {**os.environ, "COMPATMATRIX_FAULT_FIGURES": str(file)}
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", "tests/faults", *arguments], cwd=ROOT, env=environ
        ) as run:
            code = run.wait()
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        print(f"{line['fault']}: {line['done']}; lost: {line['lost']}")
    if code == 0 and not arguments:
        PAGE.write_text(page(lines), encoding="utf-8")
    return code


def page(lines: list[dict[str, str]]) -> str:
    """The figures as a table."""
    return HEAD + "".join(f"| {line['fault']} | {line['done']} | {line['lost']} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
