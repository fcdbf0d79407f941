"""The pages of other libraries: of one with a companion, of one without. `nox -s examples` makes their records."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser.conftest import ROOT, Opener, Served

FOREIGN = re.compile(r"\b(flax|jax|nnx|optax|train\w*|learn\w*|optimi[sz]er\w*)\b", re.IGNORECASE)
"""Words that mean something for one library, and nothing for these."""

EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/matrix.toml"))


@pytest.mark.parametrize("served", EXAMPLES, indirect=True)
def test_every_page_of_an_example_is_complete_and_says_nothing_of_another_library(
    visit: Opener, served: Served
) -> None:
    data = json.loads((served.folder / "compatibility.json").read_text(encoding="utf-8"))
    pages = sorted(path.relative_to(served.folder).as_posix() for path in served.folder.rglob("*.html"))
    assert {"index.html", "table.html", f"probe/{data['probes'][0]['id']}.html"} <= {*pages}
    for name in pages:
        page = visit(name)
        text = page.locator("body").inner_text()
        assert not FOREIGN.search(text), (name, FOREIGN.findall(text))
        assert not re.search(r"\(\s*;", text), (name, "parentheses that begin with nothing")


@pytest.mark.parametrize("served", EXAMPLES, indirect=True)
def test_the_first_pages_of_an_example_answer(visit: Opener, served: Served) -> None:
    axe = Axe()
    for name in ("index.html", "table.html", "about.html"):
        page = visit(name)
        assert not {one["id"] for one in axe.run(page).response["violations"]}, name
    expect(visit("index.html").locator("p.lead")).to_contain_text("Yes")
