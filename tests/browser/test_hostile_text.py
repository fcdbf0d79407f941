"""Generated hostile text in a real browser: pages have the elements that they have with a harmless word, and run nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from playwright.sync_api import Browser

from compatmatrix.analysis import support
from compatmatrix.config.tables import Config
from compatmatrix.publish import site, write
from factories import HELD, STANDALONE, config
from hostile import INJECTIONS, MARK, PIECES, hostile_ledger

PAGES = (
    "index.html", "table.html", "grid.html", "changes.html", "data.html", "about.html", "release/0.1.0.html",
    "release/0.2.0.html", "probe/standalone.html", "timeline.svg",
)  # fmt: skip

# A reason is a link where it reads as an exception, which has a page then, and else it is text.
ELEMENTS = """
() => [...document.querySelectorAll('*')].map(one => {
  const reason = one.matches('a.why, span.why');
  const names = [...one.attributes].map(held => held.name).filter(name => !(reason && name === 'href'));
  return (reason ? 'REASON' : one.tagName) + ' ' + names.sort().join(' ');
})
"""
ADDRESSES = "() => [...document.querySelectorAll('[href], [src]')].map(one => String(one.href ?? one.src))"


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config(tmp_path_factory.mktemp("hostile"))


def shown(browser: Browser, configured: Config, text: str) -> dict[str, list[str]]:
    """The elements of each page, with the names of their attributes; fails where a page does anything of its own."""
    problems: list[str] = []
    page = browser.new_page(reduced_motion="reduce")

    def leaves(address: str) -> bool:
        return not address.startswith(("file:", "data:"))

    page.on("dialog", lambda dialog: problems.append(f"a dialog: {dialog.message}"))
    page.on("pageerror", lambda error: problems.append(f"an error: {error}"))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: problems.append(f"asked for {request.url}") if leaves(request.url) else None)
    view = support.view(hostile_ledger(text), configured, (HELD, STANDALONE))
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write.write(Path(folder), site.contents(view))
        for name in PAGES:
            page.goto(f"{Path(folder).as_uri()}/{name}")
            found[name] = page.evaluate(ELEMENTS)
            if name.startswith("release"):
                assert MARK in page.content(), f"{name} says nothing of it"
            if name.endswith(".html"):
                led = [address for address in page.evaluate(ADDRESSES) if MARK in address]
                assert not [address for address in led if leaves(address)], led
    page.close()
    assert problems == []
    return found


def test_hostile_text_is_only_text(browser: Browser, configured: Config) -> None:
    usual = shown(browser, configured, "word")

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(INJECTIONS)
    @example("".join(PIECES))
    @example(" ".join(PIECES))
    @example("<img src=x onerror=alert(1)>")
    @example("</script><script>alert(1)</script>")
    @example("' onmouseover='alert(1)")
    def holds(text: str) -> None:
        assert shown(browser, configured, text) == usual

    holds()
