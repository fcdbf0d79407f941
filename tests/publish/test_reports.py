"""Reports are a pure function of the records: the same bytes each time, in the form they promise, with text as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from markdown_it import MarkdownIt

import sample
from compatmatrix.analysis import support
from compatmatrix.analysis.support import View
from compatmatrix.config.tables import Config
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Probe
from compatmatrix.core.states import TABLE, CellState, OutcomeState
from compatmatrix.publish import json_data, labels, markdown, render
from compatmatrix.publish.markdown import BEGIN, END, readme
from compatmatrix.publish.write import contents, write
from compatmatrix.results.ledger import Ledger
from factories import ABSENT, DAY, INCONCLUSIVE, NO_EFFECT, NOT_RUN, RAISES, SUPPORTED, answers, ledger, record, release
from fixtures import Project
from hostile import HOSTILE

NASTY = (
    "<script>alert(1)</script> | [x](javascript:y) `code` *b* _i_ ~~s~~ # h & &lt; ![i](j) https://evil.example @you"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("project"), "https://example.org/simple/")


@pytest.fixture(scope="module")
def config(project: Project) -> Config:
    return project.config


@pytest.fixture(scope="module")
def probes(project: Project) -> tuple[Probe, ...]:
    return project.probes


@pytest.fixture(scope="module")
def known(probes: tuple[Probe, ...]) -> Ledger:
    """A history with every outcome and every state, hostile text in it, over two days."""
    found = [ABSENT, RAISES, NO_EFFECT, INCONCLUSIVE, NOT_RUN, SUPPORTED]
    hostile = msgspec.structs.replace(RAISES, message=NASTY, signature=f"Bad: {NASTY}", note=NASTY, where=NASTY)
    made = [
        *(record(f"0.{n}.0", answers(standalone=one), probes=probes) for n, one in enumerate(found)),
        record("0.6.0", answers(standalone=hostile), probes=probes),
        *(
            record(f"0.{n}.0", state=state, detail=NASTY, probes=probes)
            for n, state in enumerate(CellState, 7)
            if state is not CellState.RAN
        ),
        record("0.20.0", answers(standalone=SUPPORTED), probes=probes, recorded="2025-06-03T00:00:00Z"),
    ]
    listed = [release(one.subject) for one in made]
    return ledger(*made, releases=[*listed, release("0.19.0", yanked=True), release("0.21.0rc1", prerelease=True)])


@pytest.fixture(scope="module")
def view(known: Ledger, config: Config, probes: tuple[Probe, ...]) -> View:
    return support.view(known, config, probes)


@pytest.fixture(scope="module")
def page(view: View) -> str:
    """The Markdown report of it."""
    return contents(view)["compatibility.md"].decode()


def test_the_same_records_give_the_same_bytes_in_whatever_order_they_come(
    known: Ledger, config: Config, probes: tuple[Probe, ...]
) -> None:
    turned = Ledger(
        records=dict(reversed(list(known.records.items()))), releases=dict(reversed(list(known.releases.items())))
    )
    assert contents(support.view(known, config, probes)) == contents(support.view(turned, config, probes))


ChangedBy = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def changed_by(tmp_path_factory: pytest.TempPathFactory) -> ChangedBy:
    """The files that are others, with their new text, where the records of one release have other fields."""
    config = sample.make_config(tmp_path_factory.mktemp("sample"))
    known, probes = sample.make_ledger(hostile=False), sample.make_probes()
    before = contents(support.view(known, config, probes))

    def change(release: str, **fields: Any) -> dict[str, str]:
        records = {
            key: msgspec.structs.replace(one, **fields) if one.subject == release else one
            for key, one in known.records.items()
        }
        after = contents(support.view(msgspec.structs.replace(known, records=records), config, probes))
        return {name: content.decode() for name, content in after.items() if content != before.get(name)}

    return change


def test_defect_running_one_release_again_changed_every_page(changed_by: ChangedBy) -> None:
    """Their footers had counts and the day of the newest record."""
    changed = changed_by("0.20.0", recorded="2026-12-01T00:00:00Z")
    assert changed.keys() == {
        "compatibility.json", "compatibility.md", "site/compatibility.json", "site/compatibility.csv",
        "site/release/0.20.0.html", "site/constraints/gadget-0.20.0-py3.11.txt", "site/about.html",
    }  # fmt: skip


def test_another_answer_of_one_release_changes_the_files_that_name_it(changed_by: ChangedBy) -> None:
    changed = changed_by("0.20.0", state=CellState.CRASHED, detail="signal 11", outcomes={})
    # A bound that rests on it is "0.21.0 or earlier" now; an error's page no longer names it.
    others = {name: text for name, text in changed.items() if not name.startswith("site/error/")}
    assert [name for name, text in others.items() if "0.20.0" not in text and "0.21.0 or earlier" not in text] == []
    assert {name for name in changed if name.startswith(("site/release/", "site/lock/"))} == {
        "site/release/0.20.0.html", "site/release/0.21.0.html",  # which says what differs from it
    }  # fmt: skip


def test_compatibility_json_is_what_its_schema_says(view: View) -> None:
    schema = json.loads(json_data.schema_json())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(json_data.compatibility_json(view)))


def test_defect_the_cells_and_releases_of_compatibility_json_stood_on_one_line(view: View) -> None:
    """A line each, so that a change of one cell is a small difference in git."""
    assert json_data.compatibility_json(view).isascii()
    lines = [line.strip().rstrip(",") for line in json_data.compatibility_json(view).decode().splitlines()]
    tree = json.loads(json_data.compatibility_json(view))
    for rows in (tree["cells"], tree["releases"]):
        assert len(rows) > 1 and all(json.dumps(row, sort_keys=True, separators=(",", ":")) in lines for row in rows)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cells", 0, "state"), "fine"),
        (("cells", 0, "outcomes", "held", "state"), "ok"),
        (("releases", 0, "yanked"), "no"),
        (("support", "held", "newest", "latest"), None),
        (("schema",), "1"),
    ],
)
def test_the_schema_refuses_what_is_not_so(view: View, path: tuple[Any, ...], value: object) -> None:
    tree = json.loads(json_data.compatibility_json(view))
    place = tree
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not Draft202012Validator(json.loads(json_data.schema_json())).is_valid(tree)


def test_compatibility_json_has_the_keys_of_the_contract(view: View) -> None:
    tree = json.loads(json_data.compatibility_json(view))
    assert {"schema", "subject", "as_of", "probes", "releases", "cells", "support"} <= tree.keys()
    assert {"id", "title", "question", "control", "links"} <= tree["probes"][0].keys()
    assert {"version", "released", "requires_python", "yanked", "prerelease"} <= tree["releases"][0].keys()
    wanted = {"id", "python", "platform", "pairings", "versions", "state", "detail", "outcomes", "recorded"}
    assert all(wanted <= cell.keys() for cell in tree["cells"])
    assert {"first_supported", "latest", "ranges"} <= tree["support"]["standalone"]["newest"].keys()
    assert tree["as_of"] == "2025-06-03"
    assert {outcome["state"] for cell in tree["cells"] for outcome in cell["outcomes"].values()} == {
        state.value for state in OutcomeState
    }


def parsed(text: str) -> list[Any]:
    """All tokens of a real Markdown parser, inline ones too."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [one for token in tokens for one in (token, *(token.children or ()))]


@given(HOSTILE)
def test_text_in_markdown_is_text_and_nothing_else(text: str) -> None:
    text = text.replace("\ud800", "")
    shown = [one for one in parsed(f"x {render.escaped(text)} y") if one.type not in ("text", "text_special")]
    assert [one.type for one in shown] == ["paragraph_open", "inline", "paragraph_close"]
    kept = "".join(one.content for one in parsed(f"x {render.escaped(text)} y") if one.type.startswith("text"))
    # The standard has NUL replaced by any parser.
    assert " ".join(kept.split()) == " ".join(f"x {text} y".split()).replace("\0", "\ufffd")


@pytest.mark.parametrize("text", ["- x", "+ x", "> x", "# x", "1. x", "2) x", "---", "~~~", "<b>", "[ ] x", "[x]: y"])
def test_text_that_begins_a_block_is_text(text: str) -> None:
    kinds, usual = ({one.type for one in parsed(f"- {shown}")} for shown in (render.escaped(text), "word"))
    assert kinds - {"text_special"} <= usual


@pytest.mark.parametrize("text", ["release-day", "0.12.0.1", "a <= b, >=3.12", "a_name (b) {c}!", "x & y; C#-like"])
def test_defect_text_was_escaped_where_no_character_means_anything(text: str) -> None:
    assert render.escaped(text) == text


def test_a_hostile_release_puts_no_markup_into_the_report(page: str) -> None:
    tokens = parsed(page)
    assert {one.content for one in tokens if one.type == "html_inline"} == {"<br>"}
    blocks = "".join(one.content for one in tokens if one.type == "html_block").replace(page.splitlines()[0], "")
    assert {*re.findall(r"<[^>]*>|>", blocks)} == {"<details>", "<summary>", "</summary>", "</details>"}
    links = {one.attrs["href"] for one in tokens if one.type == "link_open"}
    assert not [link for link in links if "evil" in str(link) or str(link).startswith("javascript")]
    assert not [one for one in tokens if one.type == "image"]


def test_every_row_of_a_table_has_as_many_columns_as_its_head(page: str) -> None:
    columns = 0
    for line in page.replace("\\|", "").splitlines():
        if not line.startswith("|"):
            columns = 0
        elif columns:
            assert line.count("|") == columns, line
        else:
            columns = line.count("|")
    assert "<summary>Subject 0.19.0 (yanked), " in page


def test_the_report_stays_short_and_its_contents_lead_to_headings(tmp_path: Path) -> None:
    """With 31 releases no two of which are alike, 61 questions, three pairings, and a map of 50 columns."""
    config, probes = sample.make_config(tmp_path), list(sample.make_probes())
    probes += [msgspec.structs.replace(one, id=f"{one.id}-too", group="too") for one in probes[:21]]
    pairings = msgspec.structs.replace(config.pairings, default=("release-day", "newest", "oldest"))
    config = msgspec.structs.replace(config, pairings=pairings)
    text = markdown.render(support.view(sample.make_ledger(), config, probes))
    assert len(text.splitlines()) < 400
    tokens = parsed(text)
    headings = [tokens[place + 1].content for place, one in enumerate(tokens) if one.type == "heading_open"]
    links = [str(one.attrs["href"]) for one in tokens if one.type == "link_open"]
    anchors = [link for link in links if link.startswith("#")]
    assert len(anchors) > 8
    assert {*anchors} <= {f"#{render.slug(heading)}" for heading in headings}
    assert text.count("<details>") == 31 + 1
    kinds = [one.type for one in tokens if one.type in ("html_block", "paragraph_open")]
    assert kinds.count("html_block") > 31, "Markdown between them is read as Markdown"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([RAISES, RAISES], "No: A bare Value cannot be trained as of Subject 0.1.0"),
        ([RAISES, SUPPORTED], "Yes: A bare Value can be trained since Subject 0.1.0 (companion 1.0)."),
        ([NOT_RUN, SUPPORTED], "Yes: A bare Value can be trained since Subject 0.1.0 or earlier (companion 1.0)."),
        ([SUPPORTED, NO_EFFECT], "No: A bare Value cannot be trained as of Subject 0.1.0"),
        ([SUPPORTED, NOT_RUN], "Not known for Subject 0.1.0"),
        ([SUPPORTED, INCONCLUSIVE], "Not known for Subject 0.1.0"),
        ([], "Not known yet"),
    ],
)
def test_the_verdict_claims_no_more_than_was_run(
    config: Config, probes: tuple[Probe, ...], found: list[Any], said: str
) -> None:
    made = [record(f"0.{n}.0", answers(standalone=one), probes=probes) for n, one in enumerate(found)]
    assert str(labels.sentence(support.view(ledger(*made), config, probes))).startswith(said)


def test_where_the_pairings_disagree_it_depends(config: Config, probes: tuple[Probe, ...]) -> None:
    made = [
        record(
            "0.1.0", answers(standalone=SUPPORTED), probes=probes, companion="1.0", pairings={"release-day": (DAY,)}
        ),
        record("0.1.0", answers(standalone=RAISES), probes=probes, companion="2.0", pairings={"newest": (DAY,)}),
    ]
    assert str(labels.sentence(support.view(ledger(*made), config, probes))) == (
        "It depends: standalone on Subject 0.1.0 is supported at release and raises with the latest companion."
    )


def test_every_state_and_outcome_has_a_sign_of_its_own_and_a_meaning() -> None:
    assert TABLE.keys() == {*OutcomeState, *CellState}
    for states in (OutcomeState, CellState):
        assert len({state.sign for state in states}) == len({state.meaning for state in states}) == len(states)


def test_a_file_that_is_as_it_should_be_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": b"1", "b/c.md": b"2"})
    (tmp_path / "a.md").chmod(0o444)
    before = (tmp_path / "a.md").stat()
    write(tmp_path, {"a.md": b"1", "b/c.md": b"3"})
    after = (tmp_path / "a.md").stat()  # the time of the last reading may be another
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert (tmp_path / "b/c.md").read_bytes() == b"3"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.md", "c.md"]


def test_a_page_that_is_made_no_more_is_taken_away(tmp_path: Path) -> None:
    write(tmp_path, {"site/old.html": b"1", "site/new.html": b"1"})
    (tmp_path / "kept.txt").write_text("not ours")
    write(tmp_path, {"site/new.html": b"1"})
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["kept.txt", "new.html"]


def test_defect_writing_the_readme_emptied_a_folder_named_site_beside_it(tmp_path: Path) -> None:
    """That folder is the user's."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("the user's")
    write(tmp_path, {"README.md": b"1"})
    assert (tmp_path / "site/index.html").read_text() == "the user's"


def test_a_folder_that_cannot_be_written_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="the reports cannot be written"):
        write(tmp_path / "file", {"a.md": b"1"})


@pytest.mark.parametrize(
    ("url", "words"),
    [("", "open `reports/site/index.html`"), ("https://example.org/matrix", "<https://example.org/matrix>")],
)
def test_the_readme_says_where_the_pages_are(view: View, url: str, words: str) -> None:
    published = msgspec.structs.replace(view.config.publish, url=url)
    config = msgspec.structs.replace(view.config, publish=published)
    assert words in readme(f"{BEGIN}{END}", msgspec.structs.replace(view, config=config))


def test_the_readme_gets_todays_answer_between_its_markers_and_nothing_else(view: View) -> None:
    before, after = "# Title\n\n", "\n\nThe rest.\n"
    page = readme(f"{before}{BEGIN}old{END}{after}", view)
    assert page.startswith(f"{before}{BEGIN}\n**Yes: A bare Value can be trained since Subject")
    assert page.endswith(f"{END}{after}")
    assert readme(page, view) == page
    assert readme("# No markers\n", view) == "# No markers\n"
