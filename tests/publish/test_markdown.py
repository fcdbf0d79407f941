"""Markdown with hostile text in it has, to a real parser, the very structure that it has with a harmless word there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest
from hypothesis import example, given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

from announcements import Recorder
from announcements import bulletin as bulletin_of
from compatmatrix.analysis import support
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.changes import between_cells
from compatmatrix.analysis.support import View
from compatmatrix.ci import issue_texts
from compatmatrix.ci.gate import Refusal
from compatmatrix.ci.issues import Mark, Topic, read_mark, update
from compatmatrix.ci.run_result import Bulletin
from compatmatrix.config.tables import Config
from compatmatrix.core import sanitize
from compatmatrix.core.model import Source
from compatmatrix.publish import change_words, markdown, render
from factories import HELD, PROBES, STANDALONE, config
from hostile import INJECTIONS, MARK, PIECES, hostile_ledger

ALL = "".join(PIECES)
HARMLESS = "word"

README = f"# A project\n\n{markdown.BEGIN}\n{markdown.END}\n\nMore of it.\n"


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config(tmp_path_factory.mktemp("markdown"))


def parser() -> MarkdownIt:
    """GitHub's dialect: tables, strikethrough, addresses that become links by themselves."""
    made = MarkdownIt("gfm-like")
    assert made.linkify is not None
    made.linkify.set({"fuzzy_link": False, "fuzzy_email": True}).add("www.", {"validate": _rest_of_an_address})
    return made


def _rest_of_an_address(linkify: object, text: str, start: int) -> int:
    found = re.match(r"[\w-]+\.\w+", text[start:])
    return found.end() if found else 0


PARSER = parser()


def structure(text: str) -> list[tuple[object, ...]]:
    """All that the text is but words: blocks, links and where they lead, code, HTML as it stands."""
    return list(_structure(PARSER.parse(text)))


def _structure(tokens: Sequence[Token]) -> Iterator[tuple[object, ...]]:
    for token in tokens:
        if token.type == "inline":
            yield from _structure(token.children or [])
        elif token.type in ("html_block", "html_inline"):
            comment = re.fullmatch(r"<!-- compatmatrix [^<>]*-->\s*", token.content)
            yield (token.type, "our mark" if comment else token.content)
        elif token.type not in ("text", "text_special"):
            yield (token.type, token.tag, token.info, sorted(token.attrs.items()))


def view_of(text: str, configured: Config) -> View:
    return support.view(hostile_ledger(text), configured, (HELD, STANDALONE))


def report(text: str, configured: Config) -> str:
    view = view_of(text, configured)
    return markdown.render(view)


def front_page(text: str, configured: Config) -> str:
    known = hostile_ledger(text)
    first = msgspec.structs.replace(
        known,
        records={key: record for key, record in known.records.items() if record.subject == "0.1.0"},
        releases={"0.1.0": known.releases["0.1.0"]},
    )
    return markdown.readme(README, support.view(first, configured, (HELD, STANDALONE)))


def comment(text: str, configured: Config) -> str:
    """On a pull request: a source held against a release, each of them full of it."""
    view = view_of(text, configured)
    word = sanitize.line(f"{MARK}{text}")
    source = Source(package="subject", origin="https://example.org/r", reference=f"refs/{word}", commit="1a2b" * 10)

    def cells() -> Iterator[CellView]:
        for cell in view.cells:
            yield cell
            yield msgspec.structs.replace(cell, source=source)

    found = list(cells())
    pairs = [(found[0], found[1]), (found[0], found[3]), (found[2], found[1])]
    return "\n\n".join(change_words.markdown(view, between_cells(one, other, PROBES)) for one, other in pairs)


def said(text: str) -> Bulletin:
    """A bulletin as it is when the text came by way of the records: plain, and on one line where it has one."""
    line, block = sanitize.line(f"{MARK}{text}{MARK}"), sanitize.block(f"{MARK}{text}{MARK}")
    made = bulletin_of(line, refusals=(Refusal(kind="control", why=line),))
    return msgspec.structs.replace(
        made, changes=tuple(msgspec.structs.replace(change, evidence=block) for change in made.changes)
    )


def summary(text: str, configured: Config) -> str:
    return issue_texts.summary(configured, said(text))


def issue(text: str, configured: Config) -> str:
    """As it is opened: behind the mark that tells later runs what it is about."""
    bulletin, tracker = said(text), Recorder()
    before = {name: standing.answer for name, standing in bulletin.before.items()}
    after = {name: standing.answer for name, standing in bulletin.after.items()}
    body = lambda: issue_texts.headline(configured, bulletin)  # noqa: E731
    update(tracker, Topic(name="question", title="t", before=before, after=after, body=body, news=body, back=body))
    (opened,) = tracker.kept
    assert read_mark(opened.body) == Mark(topic="question", baseline=before, current=after)
    return opened.body


def trouble(text: str, configured: Config) -> str:
    return issue_texts.job(configured, said(text))


@pytest.mark.parametrize("write", [report, front_page, comment, summary, issue, trouble])
def test_what_a_release_says_changes_no_structure(write: Callable[[str, Config], str], configured: Config) -> None:
    usual = structure(write(HARMLESS, configured))
    assert usual

    @settings(max_examples=60)
    @given(INJECTIONS)
    @example(ALL)
    @example(" ".join(PIECES))
    def holds(text: str) -> None:
        written = write(text, configured)
        assert MARK in written
        assert structure(written) == usual

    holds()


@pytest.mark.parametrize("address", ["www.e.com", "WWW.e.com", "http://e.com", "a@b.com", "ftp://e.com"])
def test_defect_an_address_without_a_scheme_became_a_link(address: str) -> None:
    assert structure(str(render.escaped(address))) == structure("word")


@pytest.mark.parametrize("piece", ["<b>x</b>", "[a](b)", "`x`", "http://e.com/", "www.e.com/", "a@b.com"])
def test_the_parser_would_see_it(piece: str) -> None:
    """Or else the law above says nothing."""
    assert structure(f"a {piece} b") != structure("a word b")
