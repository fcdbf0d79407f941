"""The site as files: what it links to is there, what came from a package is text, and it is the same every time."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import msgspec
import pytest

import sample
from compatmatrix.analysis import changes, grid, history, support
from compatmatrix.analysis.support import View
from compatmatrix.bisect.result import Bisection, Found, Item, Judged, Question
from compatmatrix.bisect.search import Verdict
from compatmatrix.ci import issue_texts
from compatmatrix.ci.run_result import Bulletin
from compatmatrix.config.tables import Config
from compatmatrix.core import pairings
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish import comparison, csv_files, json_data, render, site, write
from compatmatrix.publish.status import Missing, Status
from compatmatrix.results.ledger import Ledger

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return sample.make_config(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="module")
def view(config: Config) -> View:
    return viewed(sample.make_ledger(), config)


@pytest.fixture(scope="module")
def files(view: View) -> Mapping[str, bytes]:
    return site.contents(view)


def viewed(known: Ledger, config: Config) -> View:
    return support.view(known, config, sample.make_probes())


@pytest.fixture(scope="module")
def harmless(config: Config) -> View:
    """Without hostile text."""
    return viewed(sample.make_ledger(hostile=False), config)


@pytest.fixture(scope="module")
def of_harmless(harmless: View) -> Mapping[str, bytes]:
    return site.contents(harmless)


@pytest.fixture(scope="module")
def lifted(config: Config) -> View:
    """On the day the limitation is lifted, where the site's address, and those of notes and comparisons, are known."""
    links = msgspec.structs.replace(
        config.publish,
        url="https://example.org/matrix/",
        release_notes="https://example.org/notes/v{version}",
        comparison="https://example.org/compare/v{before}...v{after}",
    )
    return viewed(sample.make_ledger(hostile=False, headline_since=31), msgspec.structs.replace(config, publish=links))


@pytest.fixture(scope="module")
def of_that_day(lifted: View) -> Mapping[str, bytes]:
    before, after = (
        Judged(item=Item(id=number * 40, title=title), verdict=Verdict(kind=kind))
        for number, title, kind in (
            ("a", "<b>before</b>", ("raises", "KeyError: <i>")),
            ("b", "<b>after</b>", ("supported", None)),
        )
    )
    bisection = Bisection(
        id="x",
        question=Question(probe="bare-value", digest="x", good=before.item.id, bad=after.item.id),
        ends=(before.item, after.item),
        changes=(Found(before=before, after=after),),
    )
    return site.contents(lifted, site.Beside(bisections=(bisection,)))


class Page(HTMLParser):
    """What of a page the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if identity := given.get("id"):
            self.ids.append(identity)
        for name in ("href", "src"):
            if (address := given.get(name)) is not None:
                self.links.append(address)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def parsed(files: Mapping[str, bytes]) -> Mapping[str, Page]:
    return {name: Page(content.decode()) for name, content in files.items() if name.endswith(".html")}


def test_no_template_spells_a_state_or_a_pairing() -> None:
    """They come from `core/states` and `core/pairings`."""
    names = {*pairings.BY_NAME, *(state.value for states in (OutcomeState, CellState) for state in states)}
    spelled = {
        (template.name, literal)
        for template in (Path(render.__file__).parent / "templates").iterdir()
        for expression in re.findall(r"\{[{%](.*?)[}%]\}", template.read_text(encoding="utf-8"), re.S)
        for literal in re.findall(r"""["']([^"']*)["']""", expression)
        if literal in names
    }
    assert spelled == {("base.html.j2", "grid")}, "but for the page of that name"


def test_every_kind_of_page_is_there(files: Mapping[str, bytes]) -> None:
    expected = {"index", "table", "grid", "compare", "changes", "data", "about", "release/0.31.0", "probe/bare-value"}
    assert {f"{name}.html" for name in expected} <= files.keys()


def test_every_link_leads_to_a_file_and_an_element(files: Mapping[str, bytes], parsed: Mapping[str, Page]) -> None:
    for name, page in parsed.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "https", (name, link)
                continue
            steps = [*name.split("/")[:-1], *unquote(parts.path).split("/")] if parts.path else name.split("/")
            target: list[str] = []
            for step in steps:
                if step == "..":
                    target.pop()
                elif step != ".":
                    target.append(step)
            path = "/".join(target)
            assert path in files, (name, link)
            if parts.fragment and path in parsed and not re.match(r"(text|from)=", parts.fragment):
                assert unquote(parts.fragment) in parsed[path].ids, (name, link)


def test_ids_are_unique_on_a_page(parsed: Mapping[str, Page]) -> None:
    for name, page in parsed.items():
        assert len(page.ids) == len(set(page.ids)), (name, {one for one in page.ids if page.ids.count(one) > 1})


def test_every_pair_has_an_address_of_its_own(view: View, parsed: Mapping[str, Page]) -> None:
    for version, row in grid.grid(view).rows.items():
        ids = set(parsed[f"release/{version}.html"].ids)
        assert {f"motor-{other}" for other in row} <= ids


def test_every_answer_has_an_address_of_its_own(view: View, parsed: Mapping[str, Page]) -> None:
    for pairing in view.pairings:
        for release in view.releases:
            cell = view.cell(pairing, release.version)
            if cell is not None and cell.state is CellState.RAN:
                ids = set(parsed[f"release/{release.version}.html"].ids)
                assert {f"{pairing}.{probe.id}" for probe in view.probes} <= ids


def test_defect_a_release_said_the_same_error_thirty_times(harmless: View, of_harmless: Mapping[str, bytes]) -> None:
    """An error stands once, with who raises it and every traceback; pairs that come to the same are one row."""
    view, text = harmless, of_harmless["release/0.7.0.html"].decode()
    raised = [
        (view.config.pairing_phrase(pairing).capitalize(), probe)
        for pairing in view.pairings
        for probe in view.probes
        if (cell := view.cell(pairing, "0.7.0")) and cell.outcome(probe.id).exception
    ]
    assert len(raised) > 10
    assert len(re.findall(r"TypeError: no bare Value</code>", text.split('id="outcomes"')[1])) == 1
    section = text.split('<ul class="raised">')[1].split("</ul>")[0]
    assert f"All {len(raised)}, with tracebacks" in section
    for title, probe in raised:
        assert f"<code>{probe.id}</code> of a Value, {title}" in section
    rows = text.split('id="pairs"')[1].count("<tr><th scope=")
    assert rows < len(grid.grid(view).rows["0.7.0"]) / 2


def test_policy_title_and_language_are_on_every_page(parsed: Mapping[str, Page]) -> None:
    for name, page in parsed.items():
        policy = [
            tag for tag in page.tags if tag[0] == "meta" and tag[1].get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(policy) == 1, name
        content = str(policy[0][1]["content"])
        assert content.startswith("default-src 'none'") and "unsafe" not in content
        assert ("html", {"lang": "en"}) in page.tags
        assert any(tag == "title" for tag, _ in page.tags)


def test_no_script_or_style_is_inline(parsed: Mapping[str, Page]) -> None:
    """The policy admits files of the site only; the one element without is data, and is never run."""
    for name, page in parsed.items():
        for tag, given in page.tags:
            assert tag != "style" and "style" not in given, name
            assert not any(attribute.startswith("on") for attribute in given), (name, tag, given)
            if tag == "script" and "src" not in given:
                assert given.get("type") == "application/json", name


def test_hostile_text_is_shown_as_text(files: Mapping[str, bytes], parsed: Mapping[str, Page]) -> None:
    shown = "".join(page.text for page in parsed.values())
    for text in (sample.SCRIPT, sample.LINK, sample.CDATA, "{{ 7 * 7 }}"):
        assert text in shown
    for name, content in files.items():
        text = content.decode()
        if not name.endswith((".json", ".csv", ".txt")):
            assert sample.SCRIPT not in text, name
            assert 'href="javascript:' not in text and "<a href='javascript" not in text, name
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e\ufffe]", text) or name.endswith(".json"), name
    assert sample.LONG[:6000] not in shown
    assert "yyy" in shown and sample.HUGE[:6000] not in shown


def test_a_cell_says_how_far_it_was_kept_apart_and_what_it_was_caught_at(config: Config) -> None:
    known = sample.make_ledger()
    networks = {"0.30.0": True, "0.29.0": False}
    records = {
        key: msgspec.structs.replace(record, network=networks.get(record.subject), tampering=("<b>lied</b>",))
        for key, record in known.records.items()
    }
    changed = msgspec.structs.replace(known, records=records)
    told = {"0.31.0": "", "0.30.0": ", run with the network in reach", "0.29.0": ", run without network"}
    files = site.contents(viewed(changed, config))
    for version, words in told.items():
        text = files[f"release/{version}.html"].decode()
        assert re.search(rf"cell <code>\w+</code>{words}\.</p>", text)
        assert "<b>Tampering:</b> &lt;b&gt;lied&lt;/b&gt;" in text


def test_the_data_of_the_menus_cannot_end_its_element(files: Mapping[str, bytes]) -> None:
    text = files["index.html"].decode()
    held = text.split('id="choices">', 1)[1].split("</script>", 1)[0]
    assert "<" not in held
    tree = json.loads(held)
    assert list(tree["releases"])[-1] == "0.31.0"
    whole = tree["answers"][tree["releases"]["0.31.0"]["any"]]
    assert whole["headline"]["kind"] == "raises"
    assert whole["recipe"] in tree["recipes"]
    assert "trap-1" in whole["traps"]


def test_a_pair_that_cannot_train_is_offered_no_recipe(files: Mapping[str, bytes]) -> None:
    text = files["index.html"].decode()
    tree = json.loads(text.split('id="choices">', 1)[1].split("</script>", 1)[0])
    row = tree["releases"]["0.20.0"]["pairs"]
    answer = tree["answers"][row["49.0"]]
    assert answer["imports"]["kind"] == "import-fails"
    assert answer["recipe"] is None


@pytest.mark.parametrize("name", ["changes.atom", "feeds/step-1.atom"])
def test_feeds_are_valid_atom(files: Mapping[str, bytes], name: str) -> None:
    """The demands of RFC 4287 on feed and entries, element by element."""
    feed = ElementTree.fromstring(files[name])
    assert feed.tag == f"{ATOM}feed"
    allowed = {"id", "title", "updated", "author", "link", "entry"}
    assert {child.tag.removeprefix(ATOM) for child in feed} <= allowed
    instant = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    for single in ("id", "title", "updated"):
        assert len(feed.findall(f"{ATOM}{single}")) == 1
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    entries = feed.findall(f"{ATOM}entry")
    assert entries
    ids = [entry.findtext(f"{ATOM}id") or "" for entry in entries]
    assert len(set(ids)) == len(ids)
    for element in [feed, *entries]:
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", element.findtext(f"{ATOM}id") or "")
        assert instant.fullmatch(element.findtext(f"{ATOM}updated") or "")
        assert element.findtext(f"{ATOM}title")
    for entry in entries:
        assert len(entry.findall(f"{ATOM}link[@rel='alternate']")) == 1
        assert entry.findtext(f"{ATOM}content")
    dates = [entry.findtext(f"{ATOM}updated") or "" for entry in entries]
    assert (feed.findtext(f"{ATOM}updated") or "") == max(dates)


def test_an_entry_keeps_its_id_when_more_becomes_known(config: Config) -> None:
    """The feed of a year ago and today's agree on what both tell."""
    whole = sample.make_ledger(hostile=False)
    part = Ledger(
        records={key: record for key, record in whole.records.items() if int(record.subject.split(".")[1]) <= 20},
        releases={version: release for version, release in whole.releases.items() if int(version.split(".")[1]) <= 20},
    )
    then, now = (history.entries(viewed(ledger, config)) for ledger in (part, whole))
    assert {entry.id: entry.at for entry in then}.items() <= {entry.id: entry.at for entry in now}.items()
    assert len(now) > len(then)


def test_the_day_the_limitation_is_lifted_is_one_entry(lifted: View, of_that_day: Mapping[str, bytes]) -> None:
    found = [
        entry
        for entry in history.entries(lifted)
        if entry.probe.id == "bare-value" and entry.after.state is OutcomeState.SUPPORTED
    ]
    assert [(entry.release, entry.pairings) for entry in found] == [("0.31.0", ("release-day", "newest"))]
    home = Page(of_that_day["index.html"].decode()).text
    assert "A bare Value can be trained since Gadget 0.31.0" in home


def test_badges(files: Mapping[str, bytes]) -> None:
    endpoint = json.loads(files["badges/bare-value.json"])
    assert endpoint == {
        "schemaVersion": 1, "label": "gadget: bare-value of a Value", "message": "raises as of 0.31.0", "color": "red",
    }  # fmt: skip
    picture = ElementTree.fromstring(files["badges/bare-value.svg"])
    assert picture.get("aria-label") == "gadget: bare-value of a Value: raises as of 0.31.0"


def test_pictures_are_well_formed_and_load_nothing(files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        if name.endswith(".svg"):
            ElementTree.fromstring(content)
            addresses = re.findall(rb"""(?:href|src|url\(|@import)[=\s("']+([^"')\s]+)""", content)
            assert all(address.startswith(b"#") for address in addresses), name


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+2", "@SUM(A1)", "|calc", "\t=1"])
def test_no_text_in_the_spreadsheet_is_a_formula(text: str) -> None:
    assert not csv_files.safe(text).startswith(csv_files.DANGEROUS)


def test_numbers_in_the_spreadsheet_stay_numbers() -> None:
    assert csv_files.safe(-6.0) == "-6.0"


def test_defect_the_spreadsheet_had_a_yes_beside_tampering_without_a_word(view: View) -> None:
    cells = tuple(msgspec.structs.replace(cell, tampering=("changed pytest",)) for cell in view.cells)
    content = csv_files.table(msgspec.structs.replace(view, cells=cells)).decode()
    yes = [row for row in csv.DictReader(io.StringIO(content, newline="")) if row["outcome"] == "supported"]
    assert yes
    assert {row["note"] for row in yes} == {"not counted: the release tampered with the test (changed pytest)"}


def test_the_spreadsheet_has_a_row_for_every_outcome(files: Mapping[str, bytes], view: View) -> None:
    rows = list(csv.DictReader(io.StringIO(files["compatibility.csv"].decode(), newline="")))
    assert len(rows) == sum(max(len(cell.outcomes), 1) for cell in view.cells)
    assert {row["gadget"] for row in rows} == {release.version for release in view.releases}
    assert not any(
        (value or "").startswith(csv_files.DANGEROUS) for row in rows for name, value in row.items() if name != "value"
    )


def test_the_json_is_the_one_beside_the_site(files: Mapping[str, bytes], view: View) -> None:
    assert files["compatibility.json"] == json_data.compatibility_json(view)


def test_rebuilding_gives_the_same_bytes(config: Config, files: Mapping[str, bytes]) -> None:
    assert site.contents(viewed(sample.make_ledger(), config)) == files


def test_sizes(of_harmless: Mapping[str, bytes]) -> None:
    """Compressed, as a reader gets them: each page with its style sheet and scripts."""
    for name, content in of_harmless.items():
        if name.endswith(".html"):
            loaded = {
                link.rsplit("/", 1)[-1] for link in Page(content.decode()).links if link.endswith((".css", ".js"))
            }
            size = sum(len(gzip.compress(part)) for part in (content, *(of_harmless[other] for other in loaded)))
            assert size < (60_000 if name == "index.html" else 150_000), name
    assert sum(map(len, of_harmless.values())) < 9_000_000


def test_what_is_not_made_any_more_goes_and_records_stay(tmp_path: Path) -> None:
    stale, record = tmp_path / "site" / "probe" / "gone.html", tmp_path / "records" / "0.1.jsonl"
    for path in (stale, record):
        path.parent.mkdir(parents=True)
        path.write_text("x")
    write.write(tmp_path, {"site/index.html": b"new"})
    assert not stale.exists()
    assert record.exists()


def test_an_empty_ledger_makes_a_site(config: Config) -> None:
    made = site.contents(viewed(Ledger(), config))
    assert "Not known yet" in Page(made["index.html"].decode()).text
    ElementTree.fromstring(made["changes.atom"])


def test_backticks_mark_code_and_a_stray_one_nothing() -> None:
    assert render.code("a `b<` c") == "a <code>b&lt;</code> c"
    assert render.code("a ` c") == "a ` c"


def test_only_web_addresses_become_links() -> None:
    assert render.outside("javascript:alert(1)") == ""
    assert render.outside("https://example.org/x") == "https://example.org/x"


def test_runs_of_neighbors_are_drawn_together(view: View) -> None:
    found = grid.grid(view)
    assert found.spans("0.20.0", grid.IMPORTS) == "17.0 to 44.0"
    assert found.answering("0.20.0", "imports") == "17.0 to 44.0, 50.0 (some packages only)"
    assert found.answering("0.20.0", "trains") == "17.0 to 40.0, 50.0 (some packages only)"
    assert found.answering("0.20.0", "jits") == "17.0 to 36.0, 50.0 (some packages only)"


def test_no_range_runs_over_what_was_not_examined(view: View) -> None:
    found = grid.grid(view)
    row = {version: pair for version, pair in found.rows["0.20.0"].items() if version != "30.0"}
    holed = msgspec.structs.replace(found, rows={"0.20.0": row})
    assert holed.answering("0.20.0", "jits") == "17.0 to 29.0, 31.0 to 36.0, 50.0 (some packages only)"


def test_defect_an_address_that_ends_in_a_slash_made_double_ones(
    lifted: View, of_that_day: Mapping[str, bytes]
) -> None:
    """Feeds, the badge to copy and the alarm's links led to `/matrix//release/`."""
    told = {name: of_that_day[name].decode() for name in ("changes.atom", "feeds/step-1.atom", "data.html")}
    earlier = msgspec.structs.replace(
        lifted, by_pairing={pairing: {**row, "0.31.0": None} for pairing, row in lifted.by_pairing.items()}
    )
    moves = changes.between_views(earlier, lifted)
    assert moves[0].kind is changes.Kind.LIFTED
    told["alarm"] = issue_texts.headline(
        lifted.config,
        Bulletin(
            verdict="Yes: it can", examined=1, fresh=True, missing=(), failed=(), refusals=(), before={}, after={},
            changes=moves,
        ),
    )  # fmt: skip
    for name, text in told.items():
        addresses = re.findall(r"https://example\.org/matrix[^\s\"<),]*", text)
        assert len(addresses) > 1, name
        assert not [address for address in addresses if "//" in address.removeprefix("https://")], name


def test_defect_environments_that_were_never_installed_were_counted(of_harmless: Mapping[str, bytes]) -> None:
    known = sample.make_ledger(hostile=False)
    states = [record.state for record in known.records.values()]
    ruled_out, ran = states.count(CellState.UNRESOLVABLE), states.count(CellState.RAN)
    told = f"{len(states) - ruled_out} environments installed, the probes ran in {ran}; {ruled_out} more ruled out by package metadata"
    assert told in Page(of_harmless["about.html"].decode()).text
    assert 0 < ran < len(states) - ruled_out < len(states)


def test_defect_the_pythons_began_with_none(config: Config) -> None:
    """A cell that no Python can hold has none: "with Python , 3.11"."""
    known = sample.make_ledger(hostile=False)
    one, other = list(known.records.values())[:2]
    lacking = msgspec.structs.replace(one, state=CellState.NO_PYTHON, python="", outcomes={})
    newer = msgspec.structs.replace(other, state=CellState.RAN, python="3.12")
    records = {**known.records, one.key: lacking, other.key: newer}
    files = site.contents(viewed(msgspec.structs.replace(known, records=records), config))
    assert "with Python 3.11, 3.12;" in Page(files["about.html"].decode()).text
    assert "Python ," not in Page(files["release/0.1.0.html"].decode()).text


def test_a_release_says_what_differs_from_the_stable_one_before(lifted: View, of_that_day: Mapping[str, bytes]) -> None:
    """Without scripts: the diff that `between_cells` makes, and not that to a yanked release (0.30.0)."""
    text = of_that_day["release/0.31.0.html"].decode()
    section = text.split('<section id="changed"', 1)[1].split("</section>", 1)[0]
    assert 'Changed since <a href="0.29.0.html">' in section
    listed = set(re.findall(r'<th scope="row"><a href="../probe/([^"]*).html">', section))
    expected = set[str]()
    for pairing in lifted.pairings:
        before, after = (lifted.cell(pairing, version) for version in ("0.29.0", "0.31.0"))
        assert before and after
        expected |= {*changes.between_cells(before, after, lifted.probes).changed}
    assert listed == expected
    assert "bare-value" in listed


def test_the_page_that_compares_has_each_answer_and_how_any_two_differ(view: View, files: Mapping[str, bytes]) -> None:
    """What its script looks up is what `analysis/changes` says."""
    held = files["compare.html"].decode().split('id="answers">', 1)[1].split("</script>", 1)[0]
    assert "<" not in held
    tree = json.loads(held)
    for older, newer in (("0.5.0", "0.31.0"), ("0.31.0", "0.5.0"), ("0.20.0", "0.21.0")):
        for pairing in view.pairings:
            cells = [view.cell(pairing, version) for version in (older, newer)]
            rows = [tree["cells"][pairing][tree["releases"].index(version)] for version in (older, newer)]
            assert cells[0] and cells[1]
            expected = changes.between_cells(cells[0], cells[1], view.probes)
            for probe, before, after in zip(tree["probes"], *rows, strict=True):
                place = int(tree["differences"][before][after])
                assert (place < tree["alarming"]) == expected.kinds[probe].alarming, (probe, pairing)
                assert tree["kinds"][place] in (expected.kinds[probe].value, *comparison.TITLES.values())


def test_a_question_has_its_requirement_and_what_changed_it(of_that_day: Mapping[str, bytes]) -> None:
    text = of_that_day["probe/bare-value.html"].decode()
    assert "<code>gadget&gt;=0.31.0</code>" in text
    assert 'href="https://example.org/notes/v0.31.0"' in text
    assert 'href="https://example.org/compare/v0.29.0...v0.31.0"' in text
    assert "<code>bbbbbbbbbbbb</code> &lt;b&gt;after&lt;/b&gt;" in text
    assert "KeyError: &lt;i&gt;" in text


URL = "https://example.org/matrix/"


@pytest.fixture(scope="module")
def published(config: Config) -> Mapping[str, bytes]:
    """The site whose address is known, with a status and a picture."""
    with_url = msgspec.structs.replace(config, publish=msgspec.structs.replace(config.publish, url=URL))
    status = Status(
        looked="2025-06-01T05:17:00Z", hours=24, recorded="2025-05-30", planned=3, examined=2,
        missing=(Missing(cell="gadget 0.31.0 <b>", why="the disk is full"),), refusals=("the control failed",),
    )  # fmt: skip
    view = viewed(sample.make_ledger(), with_url)
    return site.contents(view, site.Beside(status=status, picture=b"PNG"))


def test_every_page_names_its_address_title_and_picture(published: Mapping[str, bytes]) -> None:
    for name, content in published.items():
        if not name.endswith(".html"):
            continue
        page = Page(content.decode())
        meta = {given.get("property"): given.get("content") for tag, given in page.tags if tag == "meta"}
        (canonical,) = [given["href"] for tag, given in page.tags if tag == "link" and given.get("rel") == "canonical"]
        assert canonical == meta["og:url"] == URL + ("" if name == "index.html" else name)
        assert meta["og:title"] and meta["og:description"]
        assert meta["og:image"] == f"{URL}picture.png"
    assert published["picture.png"] == b"PNG"


def test_links_that_are_read_elsewhere_are_absolute(published: Mapping[str, bytes]) -> None:
    """Those of feeds, of the map of the site, and of the page that stands at every address that is none."""
    for name, content in published.items():
        if name.endswith(".atom"):
            links = ElementTree.fromstring(content).iter(f"{ATOM}link")
            found = {(link.get("rel"), link.get("href")) for link in links}
            assert ("self", URL + name) in found
            assert all(str(address).startswith(URL) for _, address in found)
    lost = Page(published["404.html"].decode())
    assert all(link.startswith("https:") or link == "#main" for link in lost.links)
    locations = re.findall(r"<loc>(.*?)</loc>", published["sitemap.xml"].decode())
    assert {html.unescape(location) for location in locations} == {
        URL + name for name in published if name.endswith(".html") and name != "404.html"
    }


def test_the_status_is_on_the_page_and_beside_it(published: Mapping[str, bytes], files: Mapping[str, bytes]) -> None:
    text = Page(published["status.html"].decode()).text
    assert "2025-06-01 05:17 UTC" in text and "2 of 3 planned environments examined" in text
    assert "gadget 0.31.0 <b>: the disk is full" in text and "the control failed" in text
    assert json.loads(published["status.json"])["missing"] == [{"cell": "gadget 0.31.0 <b>", "why": "the disk is full"}]
    assert "status.json" not in files
    assert "made from the records by hand" in Page(files["status.html"].decode()).text


def test_addresses_in_use_stay(files: Mapping[str, bytes]) -> None:
    """Contract 9: what stood at an address once stands there still."""
    pages = ("index", "table", "grid", "changes", "data", "about", "release/0.31.0", "probe/bare-value")
    data = (
        "compatibility.json",
        "compatibility.schema.json",
        "compatibility.csv",
        "timeline.svg",
        "timeline-newest.svg",
    )
    parts = ("changes.atom", "feeds/bare-value.atom", "badges/bare-value.json", "badges/bare-value.svg")
    assert {*(f"{page}.html" for page in pages), *data, *parts} <= files.keys()
    assert 'id="release-day..bare-value"' in files["table.html"].decode()
