"""Which companion for a release: in one choice, on a map that fits and that does not move."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Browser, expect

from browser.conftest import Opener, Served

MOVES = """() => new Promise((done) => {
  window.moved = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.moved += entry.value)))
    .observe({ type: "layout-shift", buffered: false });
  window.placed = () => JSON.stringify(document.querySelector(".grid").getBoundingClientRect());
  done(window.placed());
})"""


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_defect_the_map_jittered_under_the_pointer(visit: Opener, width: int) -> None:
    page = visit("grid.html", width=width)
    page.locator(".grid").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('peek').scrollIntoView()")
    before = page.evaluate(MOVES)
    box = page.locator(".frame.tall").bounding_box()
    assert box
    for step in range(60):
        page.mouse.move(box["x"] + box["width"] * (step % 15 + 1) / 16, box["y"] + 100 + (step * 7) % 300)
        page.wait_for_timeout(20)
        assert page.evaluate("placed()") == before
    assert page.evaluate("moved") == 0
    assert page.locator("#peek").inner_text().strip()


def test_defect_a_tap_on_the_map_led_away_before_it_told_anything(browser: Browser, served: Served) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    page.goto(f"{served.url}/grid.html")
    links = page.locator(".grid td a")
    link = links.nth(links.count() // 2)
    link.tap()
    expect(page.locator("#peek")).to_be_in_viewport()
    expect(page.locator("#peek")).to_have_text(link.get_attribute("title") or "")
    assert page.url.endswith("grid.html")
    link.tap()
    page.wait_for_url("**/release/**")
    page.close()


def test_all_columns_are_in_sight_on_a_desk(visit: Opener) -> None:
    page = visit("grid.html", width=1400)
    assert page.evaluate("(frame => frame.scrollWidth <= frame.clientWidth)(document.querySelector('.frame.tall'))")
    assert page.locator(".grid td").first.bounding_box()["width"] >= 20


def test_which_companion_in_one_choice(visit: Opener) -> None:
    """The ranges of every release stand first, without a choice; the first page needs one."""
    listed = visit("grid.html", scripts=False)
    page = visit("index.html")
    for row in listed.locator(".ranges tbody tr").all():
        works, command = row.locator("td").nth(0).inner_text(), row.locator("code")
        if works == "none known" or not command.count():
            continue
        page.select_option("#choose-subject", row.locator("th").inner_text())
        expect(page.locator('[data-slot="install-title"]')).to_contain_text(works.removeprefix("works with").strip())
        expect(page.locator('[data-slot="install"] code')).to_have_text(command.inner_text())


def test_a_pair_that_fails_names_the_nearest_that_works(visit: Opener) -> None:
    page = visit("grid.html")
    titles = page.locator(".grid .k-import-fails a").evaluate_all("links => links.map((link) => link.title)")
    assert titles and all("Nearest that works: " in title for title in titles)


def test_import_fails_is_loud_and_what_was_never_tried_is_quiet(visit: Opener) -> None:
    page = visit("grid.html")
    color = "cell => getComputedStyle(cell).backgroundColor"
    assert page.locator(".grid .k-import-fails").first.evaluate(color) == "rgb(179, 38, 30)"
    assert page.locator(".grid .k-unresolvable").first.evaluate(color) == "rgba(0, 0, 0, 0)"


@pytest.mark.timed
@pytest.mark.parametrize("name", ["index.html", "grid.html"])
def test_pages_are_light_and_ready_within_a_second(visit: Opener, served: Served, name: str) -> None:
    """With their scripts and styles, compressed; in a page's own time on a processor four times slower, the best of three."""
    page = visit(name)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    files = {address.rsplit("/", 1)[1] for address in loaded if address.endswith((".js", ".css", ".svg"))} | {name}
    weight = sum(len(gzip.compress((served.folder / file).read_bytes())) for file in files)
    assert weight <= (60_000 if name == "index.html" else 150_000)
    times = []
    for _ in range(3):
        page.goto("about:blank")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(f"{served.url}/{name}")
        metrics = session.send("Performance.getMetrics")["metrics"]
        times.append(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))
    assert 4 * min(times) < 1, times
