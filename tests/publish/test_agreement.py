"""Every output of one ledger gives the same answers: what each of them says is read back and held against the others.

The ledgers are generated: releases, pre-releases, yanked ones and ones without a day; sources; pairings and pairs; every
cell state and outcome; controls that fail or are missing; tampering.
"""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from compatmatrix.analysis import changes, recommend, support
from compatmatrix.analysis.changes import Kind
from compatmatrix.core.states import TABLE, CellState
from compatmatrix.publish import change_words, json_data
from compatmatrix.results.ledger import Ledger
from factories import config as made_config
from histories import PUT, histories
from outputs import Said, first_of, one, plain, value_of

COLORS = {"supported": "brightgreen", "raises": "red", "no-effect": "blueviolet"}


SEED = random.randrange(2**32)
"""Of this run: one seed for all tests here, so that the outputs of a ledger are made and read back once for all of them."""

Checked = Callable[[Callable[[Said], None]], None]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Holds a check against generated ledgers."""
    config = made_config(tmp_path_factory.mktemp("agreement"))
    known: dict[bytes, Said] = {}

    def against_all(check: Callable[[Said], None]) -> None:
        @seed(SEED)
        @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
        @given(histories())
        def holds(ledger: Ledger) -> None:
            key = msgspec.json.encode(ledger)
            if key not in known:
                known[key] = Said(support.view(ledger, config, PUT))
            check(known[key])

        holds()

    return against_all


def verdicts(told: Said) -> None:
    told_by = {name: value_of(sentence) for name, sentence in told.sentences.items()}
    told_by |= {"badge": told.badge_value("standalone"), "data": told.json["verdict"]["value"]}
    if told.view.latest:
        kind = told.chosen(told.view.latest.version)["headline"]["kind"]
        told_by["panel"] = {"inconclusive": "depends", "not-run": "unknown", "supported": "yes"}.get(kind, "no")
    assert len({*told_by.values()}) == 1, told_by
    kind, sign = re.findall(r'<p class="lead"><span class="tag k-([\w-]+)">(\S+)', told.page("index.html"))[0]
    assert COLORS.get(kind, "lightgrey") == told.badge("standalone")["color"]
    assert sign == TABLE[kind].sign
    latest = told.view.latest.version if told.view.latest else ""
    found = [cell for pairing in told.view.pairings if (cell := told.json_cell(pairing, latest))]
    confirmed = any(told.json_confirms(cell, "standalone") for cell in found)
    assert confirmed == (told_by["badge"] in ("yes", "depends"))
    if told_by["badge"] == "no":
        assert kind in {told.json_answer(pairing, latest, "standalone") for pairing in told.view.pairings}
    if told_by["badge"] == "yes":
        since = one(r"since Subject ([\d.]*\d(?: or earlier)?)", told.markdown)
        assert told.badge("standalone")["message"] == f"since {since}"
        assert told.json["verdict"]["since"] == since.split(" ")[0]


def test_defect_sentence_badge_and_page_gave_different_verdicts(checked: Checked) -> None:
    """The sentence said "No" where the badge said that it depends, and every no was tagged "raises"."""
    checked(verdicts)


def test_defect_a_yes_was_said_beside_a_control_that_failed_or_tampering(checked: Checked) -> None:
    def holds(told: Said) -> None:
        for asked in PUT:
            stable = [release.version for release in told.view.releases if release.stable]
            confirmed = {
                (pairing, version)
                for pairing in told.view.pairings
                for version in stable
                if (cell := told.json_cell(pairing, version)) and told.json_confirms(cell, asked.id)
            }
            latest = told.view.latest.version if told.view.latest else ""
            if told.badge_value(asked.id) in ("yes", "depends"):
                assert any(version == latest for _, version in confirmed)
            for pairing in told.view.pairings:
                first = told.json["support"][asked.id][pairing]["first_supported"]
                own = [version for version in stable if (pairing, version) in confirmed]
                assert first == (own[0] if own else None)

    checked(holds)


def test_first_supported_is_the_same_wherever_it_is_said(checked: Checked) -> None:
    def holds(told: Said) -> None:
        for asked in PUT:
            for pairing in told.view.pairings:
                data = told.json["support"][asked.id][pairing]
                first = data["first_supported"]
                expected = (first, data.get("first_supported_at_latest", False)) if first else None
                assert first_of(told.markdown_first[asked.id, pairing]) == expected
                heading = one(rf'<h2 id="b-{pairing}">[^<:]*: (.*?)</h2>', told.page(f"probe/{asked.id}.html"))
                assert plain(heading) == told.markdown_first[asked.id, pairing]
                if words := told.today[asked.id, pairing][1]:
                    assert words == told.markdown_first[asked.id, pairing]
                else:
                    assert first is None

    checked(holds)


def test_a_cell_says_the_same_in_every_table(checked: Checked) -> None:
    def holds(told: Said) -> None:
        expected = {
            (pairing, release.version, asked.id): told.json_answer(pairing, release.version, asked.id)
            for pairing in told.view.pairings
            for release in told.view.releases
            for asked in PUT
        }
        assert {key: words.split(" ")[1] for key, words in told.markdown_tables.items()} == expected
        assert told.terminal_tables.items() <= told.markdown_tables.items()
        for key, words in told.markdown_tables.items():
            kind, sign = told.html_tables[key]
            assert kind == ("inconclusive" if "not counted" in words else expected[key])
            assert sign == TABLE[kind].sign
        assert told.html_tables.keys() == told.markdown_tables.keys()
        for pairing in told.view.pairings:
            for asked in PUT:
                for version, kind in told.bands(asked.id, pairing).items():
                    assert kind == told.html_tables[pairing, version, asked.id][0]
        if told.view.latest:
            for (name, pairing), (words, _) in told.today.items():
                assert words == told.markdown_tables[pairing, told.view.latest.version, name]

    checked(holds)


def test_defect_markdown_and_page_classed_one_pair_differently(checked: Checked) -> None:
    """A control that is absent beside one that raises, and a pair that two cells hold, were classed by two rules."""

    def holds(told: Said) -> None:
        assert {pair: sign for pair, (_, sign) in told.html_grid.items()} == told.markdown_grid
        data = {
            (version, other): kind for version, row in told.json.get("pairs", {}).items() for other, kind in row.items()
        }
        assert {pair: kind for pair, (kind, _) in told.html_grid.items()} == data
        for (version, other), kind in data.items():
            row = rf'<span id="companion-{re.escape(other)}">.*?<span class="tag k-([\w-]+)">'
            assert one(row, told.page(f"release/{version}.html")) == kind
            if told.view.latest:
                assert told.chosen(version, other)["imports"]["kind"] == kind
        for version in {version for version, _ in data}:
            words = f"with companion {told.markdown_imports[version]}"
            if told.view.latest:
                assert re.match(re.escape(words) + "(;|$)", told.chosen(version)["imports"]["text"])
            link = rf'release/{re.escape(version)}\.html">[^<]*</a></th>'
            assert told.markdown_imports[version] == one(rf"{link}<td>([^<]*)</td>", told.page("grid.html"))

    checked(holds)


def test_a_pair_is_classed_by_what_its_cells_found(checked: Checked) -> None:
    def holds(told: Said) -> None:
        for version, row in told.json.get("pairs", {}).items():
            for other, kind in row.items():
                held = [
                    cell
                    for cell in told.json["cells"]
                    if cell["subject"] == version and cell["versions"].get("companion") == other
                    if cell["platform"] == told.json["platform"]
                ]
                ran = [cell for cell in held if cell["state"] == "ran"]
                fails = any(cell["state"] not in ("ran", "unresolvable", "no-python") for cell in held)
                assert (kind in {state.value for state in CellState}) == (fails or not ran)
                known = [cell for cell in ran if told.json_yes(cell, "held") is not None]
                if kind in ("headline", "works", "partly"):
                    assert known and all(told.json_confirms(cell, "held") for cell in known)
                elif ran and not fails:
                    assert not all(told.json_confirms(cell, "held") for cell in ran)
                if kind == "headline":
                    assert all(told.json_confirms(cell, "standalone") for cell in known)

    checked(holds)


def test_defect_bounds_and_verdict_and_first_supported_disagreed(checked: Checked) -> None:
    """Of a pre-release, of another platform, and of a pair of the grid."""

    def holds(told: Said) -> None:
        stable = [release.version for release in told.view.releases if release.stable]
        for asked in PUT:
            found = recommend.bounds(told.view, asked.id)
            answers = {
                version: {
                    told.json_yes(cell, asked.id)
                    for pairing in told.view.pairings
                    if (cell := told.json_cell(pairing, version))
                }
                - {None}
                for version in stable
            }
            known = [version for version in stable if answers[version]]
            yes = [version for version in known if answers[version] == {True}]
            assert found.unknown == tuple(version for version in stable if version not in known)
            assert found.refuted == tuple(version for version in known if version not in yes)
            latest = told.badge_value(asked.id)
            support = told.json["support"][asked.id].values()
            firsts = {entry["first_supported"] for entry in support} - {None}
            assert firsts <= {version for version in known if True in answers[version]}
            assert (found.specifier is None) == (not yes)
            if found.specifier is None:
                assert latest != "yes"
                continue
            specifier = SpecifierSet(found.specifier, prereleases=False)
            admitted = [release.version for release in told.view.releases if specifier.contains(release.version)]
            start = known.index(admitted[0])
            assert known[start : known.index(yes[-1]) + 1] == admitted
            assert not start or known[start - 1] in found.refuted
            assert min(map(Version, firsts)) <= Version(admitted[0])
            assert (latest == "yes") == (stable[-1] in admitted)
            said = told.json["verdict"]
            if latest == "yes" and asked.id == "standalone":
                assert said["since"] in admitted
                assert said.get("since_at_latest") or said["since"] == admitted[0]
            assert {cell.id for cell in found.otherwise} == {
                cell["id"]
                for cell in told.json["cells"]
                if cell["subject"] in admitted and told.json_yes(cell, asked.id) is False
            }

    checked(holds)


def test_a_feed_tells_of_no_yes_that_does_not_count(checked: Checked) -> None:
    def holds(told: Said) -> None:
        stable = {release.version: release.stable for release in told.view.releases}
        for asked in PUT:
            for entry in re.findall(r"<entry>(.*?)</entry>", told.page(f"feeds/{asked.id}.atom"), re.S):
                title = html.unescape(one(r"<title>(.*?)</title>", entry))
                version = title.split(" ")[1].rstrip(":")
                assert (" (" in title.split(":")[0]) == (not stable[version])
                words = one(r"Subject \S+(?: \([^)]*\))*, (.*?): ", entry).removeprefix("with the ")
                pairings = [told.pairings[title] for title in words.split(" and with the ")]
                if title.endswith("→ supported"):
                    for pairing in pairings:
                        assert told.json_confirms(told.json_cell(pairing, version), asked.id)
                        first = told.json["support"][asked.id][pairing]["first_supported"]
                        assert not stable[version] or Version(first) <= Version(version)

    checked(holds)


def test_an_alarm_tells_of_no_yes_that_does_not_count(checked: Checked) -> None:
    def holds(told: Said) -> None:
        newest = told.view.releases[-1].version if told.view.releases else ""
        before = msgspec.structs.replace(
            told.view, by_pairing={
                pairing: {version: cell for version, cell in row.items() if version != newest}
                for pairing, row in told.view.by_pairing.items()
            },
        )  # fmt: skip
        for change in changes.between_views(before, told.view):
            if change.kind is Kind.LIFTED:
                assert told.json_confirms(told.json_cell(change.pairing, change.release), change.probe)
            words = change_words.sentence(told.view.config, change)
            marks = [word for word in ("yanked", "pre-release") if word in words]
            listed = next(release for release in told.view.releases if release.version == change.release)
            assert bool(marks) == (not listed.stable)
        for pairing, stands in changes.last_answers(told.view, "standalone").items():
            if stands.answer == "supported":
                assert told.json_confirms(told.json_cell(pairing, stands.release), "standalone")

    checked(holds)


JUNK = re.compile(r"\s[,;](?=\s|$)|\(\s*\)|,\s*,|;\s*;|:\s*[.;,](?=\s|$)|raises(?=[A-Z])|since None|\bUndefined\b|1970")
"""What joining empty or trimmed pieces leaves behind."""


def test_defect_words_ran_together_and_lists_had_empty_items(checked: Checked) -> None:
    """`raisesIndexError`; "with Python , 3.11"; a day in 1970 for a release whose day nobody knows."""

    def holds(told: Said) -> None:
        texts = {name: content.decode() for name, content in told.files.items() if name.endswith((".html", ".atom"))}
        if not told.view.cells:  # without a record or a release's day a feed's date, which it has to have, is the epoch
            texts = {name: text for name, text in texts.items() if name.endswith(".html")}
        inline = re.compile(r"</?(?:a|b|i|code|small|time|tspan)\b[^>]*>")
        texts = {name: html.unescape(re.sub(r"<[^>]*>", " § ", inline.sub("", text))) for name, text in texts.items()}
        texts |= {"markdown": told.markdown, "terminal": told.terminal, "json": json.dumps(told.json)}
        for name, text in texts.items():
            match = JUNK.search(text)
            assert match is None, (name, text[max(match.start() - 60, 0) : match.end() + 30])

    checked(holds)


def test_the_data_are_what_their_schema_says(checked: Checked) -> None:
    schema = Draft202012Validator(json.loads(json_data.schema_json()))

    def holds(told: Said) -> None:
        schema.validate(told.json)
        for listed, release in zip(told.json["releases"], told.view.releases, strict=True):
            assert listed["released"] == (release.released[:10] if release.released else None)

    checked(holds)
