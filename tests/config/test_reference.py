"""docs/matrix-toml.md says every key, and its examples are accepted."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from compatmatrix.config import matrix_file

SCRIPT = Path(__file__).parents[2] / ".ci" / "matrix_toml_reference.py"


def test_the_reference_is_current() -> None:
    script = runpy.run_path(str(SCRIPT))
    assert script["FILE"].read_text(encoding="utf-8") == script["reference"](), f"run: python {SCRIPT.name}"


@pytest.mark.parametrize("number", [0, -1])
def test_the_files_in_the_reference_are_accepted(tmp_path: Path, number: int) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (SCRIPT.parents[1] / "docs" / "matrix-toml.md").read_text(), re.DOTALL)
    file = tmp_path / "matrix.toml"
    file.write_text(blocks[number])
    assert matrix_file.load(file, environ={}).subject.name
