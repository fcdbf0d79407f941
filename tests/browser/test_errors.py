"""The search for a pasted error: it finds what `explain` finds, and leads to what works without a click."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from browser.conftest import Opener, Served
from compatmatrix.analysis import errors
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.core import sanitize
from compatmatrix.publish import json_data

PASTED = {
    "RuntimeError: Unsupported type: <class 'flax.nnx.variablelib.Variable'>, this is a bug.": "nnx.Optimizer(",
    "IndexError: tuple index out of range": "nnx.Optimizer(",
    "ImportError: cannot import name 'mutable_array' from 'jax._src.core' (/v/site-packages/jax/_src/core.py)": 'pip install "flax==',
    "AttributeError: module 'jax.experimental.hijax' has no attribute 'HiPrimitive'. Did you mean: 'HiType'?": 'pip install "flax==',
}
TRACEBACK = 'Traceback (most recent call last):\n  File "/home/u/train.py", line 12, in <module>\n    main()\n'
SEARCH = "text => knownErrors.explain(text)"

letters = st.characters(exclude_categories=["Cn", "Cs", "Co"])
pieces = st.sampled_from(
    ["Error: ", "ImportError: ", "a.b.KeyError", "E   ", "cannot import name 'x' from 'y'", "/home/u/x.py:3", "C:\\ü\\y.py", "0x7f3a2b1c9d",
     "<class 'a.b.C'>", "(3, 4)", "[1, 2]", "line 12", "1.2.3", "\x1b[31m", "\u2028", "\r\n", "\n", "\t", " ",
     "Did you mean: 'x'?", "٣", "é", "\ufeff"]
)  # fmt: skip
texts = st.lists(st.one_of(pieces, st.text(letters, max_size=8)), max_size=12).map("".join)


@pytest.fixture(scope="module")
def known(served: Served) -> Compatibility:
    return Compatibility(json_data.read((served.folder / "compatibility.json").read_bytes()))


def found(known: Compatibility, text: str) -> list[tuple[str, bool]]:
    return [(one.signature, one.exact) for one in known.explain(text)]


def test_defect_the_search_and_explain_find_the_same(visit: Opener, known: Compatibility) -> None:
    page = visit("index.html")
    signatures = list(known.errors)

    def shown(text: str) -> list[tuple[str, bool]]:
        tree: dict[str, Any] = page.evaluate(SEARCH, text)
        return [(signatures[number], tree["exact"]) for number in tree["found"]]

    raw = [text for error in known.errors.values() for text in error.texts]
    for text in raw:
        for pasted in (
            text,
            f"{TRACEBACK}{text}\n",
            text.partition(": ")[2],
            text[: len(text) // 2],
            text[9:],
            text + " x y",
        ):
            assert shown(pasted) == found(known, pasted), pasted

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(texts, st.sampled_from(raw)), max_size=4).map("\n".join), texts)
    def same(text: str, message: str) -> None:
        assert page.evaluate("text => knownErrors.signature('a.E', text)", message) == sanitize.signature(
            "a.E", message
        )
        assert shown(text) == found(known, text)

    same()


def test_a_text_that_is_not_on_record_says_so_and_shows_the_closest(visit: Opener, known: Compatibility) -> None:
    page = visit("index.html", files=True)
    page.fill("#paste", "hello")
    expect(page.locator("#found")).to_have_text(re.compile("nothing on record is like it"))
    longer = [f"{error.texts[0]} and more" for error in known.errors.values()]
    close = [text for text in longer if [exact for _, exact in found(known, text)] == [False]]
    if not close:
        pytest.skip("the errors here have too few words")
    page.fill("#paste", close[0])
    expect(page.locator("#found")).to_contain_text("this is the closest")
    assert len(page.locator("#found .match").all()) == 1
    page.fill("#paste", "")
    expect(page.locator("#found")).to_be_empty()


@pytest.mark.parametrize("text", PASTED)
def test_what_users_paste_leads_to_what_works_without_a_click(
    visit: Opener, served: Served, known: Compatibility, text: str
) -> None:
    if not errors.explain(known.errors, text):
        pytest.skip("not on record here")
    for files in (True, False):
        page = visit("index.html", files=files)
        page.locator("#paste").focus()
        page.keyboard.insert_text(TRACEBACK + text)
        expect(page.locator("#found .tag").first).to_have_text("✓ on record")
        command = page.locator("#found .remedy code").filter(has_text=PASTED[text]).first
        expect(command).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served.url.split("/owner")[0])
    page.locator("#found .remedy [data-copy]").first.click()
    expect(page.locator("#found .remedy [data-copy]").first).to_have_text("Copied")
    assert PASTED[text] in page.evaluate("navigator.clipboard.readText()")


def test_every_error_has_a_page_with_its_texts(visit: Opener, known: Compatibility) -> None:
    listed = visit("errors.html", scripts=False)
    links = listed.locator(".errors a")
    assert links.count() == len(known.errors)
    for error in list(known.errors.values())[:5]:
        page = visit(f"error/{error.name}.html", scripts=False)
        assert error.texts[0][:60].split() == page.title().split(" · ")[0][: len(error.texts[0][:60])].split()
        for text in error.texts:
            assert " ".join(text.split()) in " ".join(body(page).split())


def body(page: Page) -> str:
    # Without the browser's library, as where only types are checked, a text is of any type.
    text: str = page.locator("main").inner_text()
    return text
