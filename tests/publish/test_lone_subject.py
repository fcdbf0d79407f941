"""A matrix that names nothing but a subject: no companion, no map, no recipes, no words of its own."""

from __future__ import annotations

import re

import msgspec
import pytest

from compatmatrix.analysis import support
from compatmatrix.analysis.support import View
from compatmatrix.config import matrix_file
from compatmatrix.core.pairings import NEWEST
from compatmatrix.publish import labels, write
from factories import NO_EFFECT, PROBES, RAISES, SUPPORTED, answers, ledger, record

MATRIX = """\
[subject]
name = "subject"
releases = ">=0"
import = "needed"
headline = "standalone"
control = "held"

[python]
versions = ["3.11"]
"""


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    path = tmp_path_factory.mktemp("lone") / "matrix.toml"
    path.write_text(MATRIX, encoding="utf-8")
    config = matrix_file.with_words(matrix_file.load(path, environ={}), PROBES)
    records = [
        msgspec.structs.replace(record(version, answers(standalone=outcome)), versions={"subject": version})
        for version, outcome in {"0.1.0": RAISES, "0.2.0": NO_EFFECT, "0.3.0": SUPPORTED}.items()
    ]
    return support.view(ledger(*records), config, PROBES)


@pytest.fixture(scope="module")
def files(view: View) -> dict[str, str]:
    """All published files that are text."""
    return {name: content.decode() for name, content in write.contents(view).items() if not name.endswith(".ico")}


def test_defect_what_is_not_configured_left_a_gap(files: dict[str, str]) -> None:
    """Headings and sentences had a hole where the companion's name stands, and there was a map without a pair."""
    gaps = (
        r"with which (and|,|\?)|Which  |Which </|[Ww]ith each </|that  made|\(; |\( |: ;|>\s*×|×\s*<| × "
        r"|<h\d[^>]*>\s*</h\d>|with the latest companions|beside \.|\(with \)|>with ?<|:\x22with \x22|<summary>,"
    )
    found = {name: re.findall(rf".{{0,60}}(?:{gaps}).{{0,40}}", text) for name, text in files.items()}
    assert {name: texts for name, texts in found.items() if texts and not name.endswith((".js", ".css"))} == {}
    assert "site/grid.html" not in files


def test_defect_a_release_without_companions_was_not_examined_in_the_words_of_the_menus(files: dict[str, str]) -> None:
    """They asked whether it works with the companion that there is not."""
    for page in ("site/index.html", "site/release/0.3.0.html"):
        assert "Standalone" in files[page] or "standalone" in files[page]
        assert "Does it work?" not in files[page]


def test_defect_the_pages_spoke_of_training_and_of_a_license(files: dict[str, str]) -> None:
    """What success means is for the probes to say, and the license of somebody's records for them."""
    words = re.compile(r"\b(train|learn|optimiz)\w*|Apache", re.IGNORECASE)
    found = {name: words.findall(text) for name, text in files.items() if not name.endswith((".js", ".css"))}
    assert {name for name, texts in found.items() if texts} == set()


def test_defect_a_sentence_that_begins_with_a_name_of_code_changed_the_name() -> None:
    assert labels.upper("cached_property is supported") == "cached_property is supported"
    assert labels.upper("at release") == "At release"


def test_the_question_is_the_headlines(view: View, files: dict[str, str]) -> None:
    assert view.config.subject.question == "Does standalone work?"
    assert "Does standalone work?" in files["site/index.html"]
    assert "Standalone is supported" in files["compatibility.md"]
    assert NEWEST.name in view.config.pairings.default
