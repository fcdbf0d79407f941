"""Reads back what the outputs of one view say: the site's pages and data, the Markdown report, the README, the terminal."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console

from compatmatrix.analysis.support import View
from compatmatrix.core.pairings import named
from compatmatrix.publish import json_data, markdown, pair_map, site, terminal


def one(pattern: str, text: str) -> str:
    """What the group of a pattern holds that has to be there."""
    match = re.search(pattern, text, re.S | re.M)
    assert match is not None, (pattern, text[:2000])
    return match[1]


def plain(text: str) -> str:
    """A piece of HTML as its reader sees it."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def value_of(sentence: str) -> str:
    """What a sentence, or its beginning, comes to."""
    leads = {"Yes": "yes", "No": "no", "It depends": "depends", "Not known": "unknown"}
    return next(value for lead, value in leads.items() if re.match(rf"{lead}\b", sentence))


def first_of(words: str) -> tuple[str, bool] | None:
    """The release in ``since 0.2.0 or earlier``, and whether it is only the latest possible."""
    match = re.match(r"(?:since|first in) (\S+?)( or earlier)?(?:;|$)", words)
    return (match[1], bool(match[2])) if match else None


@dataclass(frozen=True)
class Said:
    """What the outputs of one view say, read back."""

    view: View

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        return site.contents(self.view)

    def page(self, name: str) -> str:
        return self.files[name].decode()

    @cached_property
    def json(self) -> Any:
        return json.loads(json_data.compatibility_json(self.view))

    @cached_property
    def pairings(self) -> Mapping[str, str]:
        """What a reader sees of a pairing -> its name."""
        return {self.view.config.pairing_title(name): name for name in self.view.pairings}

    @cached_property
    def markdown(self) -> str:
        return re.sub(r"\\(.)", r"\1", markdown.render(self.view))

    @cached_property
    def terminal(self) -> str:
        console = Console(width=900, file=io.StringIO())
        terminal.print_table(console, self.view, [probe.id for probe in self.view.probes])
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def json_cell(self, pairing: str, version: str) -> Any:
        held = self.view.cell(pairing, version)
        return next((cell for cell in self.json["cells"] if held and cell["id"] == held.id), None)

    def json_answer(self, pairing: str, version: str, probe: str) -> str:
        """As a table says it: a state, or the state of a cell that did not run."""
        cell = self.json_cell(pairing, version)
        if cell is None:
            return "not-run"
        if cell["state"] != "ran":
            return str(cell["state"])
        return str(cell["outcomes"].get(probe, {"state": "not-run"})["state"])

    def json_confirms(self, cell: Any, probe: str) -> bool:
        """Whether the data say a yes that counts: contract 7, told anew."""
        states = {name: outcome["state"] for name, outcome in cell["outcomes"].items()}
        return (
            cell["state"] == "ran"
            and states.get(probe) == "supported"
            and states.get("held") == "supported"
            and not cell.get("oddities")
        )

    def json_yes(self, cell: Any, probe: str) -> bool | None:
        """What the data of a cell say, as far as it counts; None where that is nothing."""
        if self.json_confirms(cell, probe):
            return True
        state = cell["outcomes"].get(probe, {}).get("state") if cell["state"] == "ran" else None
        return False if state in ("raises", "no-effect", "absent") else None

    @cached_property
    def markdown_tables(self) -> dict[tuple[str, str, str], str]:
        """(pairing, version, probe) -> word and mark, from the blocks of the releases."""
        told: dict[tuple[str, str, str], str] = {}
        blocks = re.findall(r"<summary>Subject ([\w.]+)([^<]*)</summary>\n\n(.*)\n</details>", self.markdown)
        for version, summary, text in blocks:
            for cell in text.split("<br><br>") if "not released" not in summary else ():
                title, *outcomes = cell.split("<br>")
                titles = one(r"\*\*(.*?)\*\*", title)
                pairings = [self.pairings[name[0].lower() + name[1:]] for name in titles.split(" and ")]
                for outcome in outcomes:
                    words, _, listed = outcome.partition(":")
                    probes = re.findall("`(.*?)`", listed) or list(self.view.support)
                    told |= {(pairing, version, probe): words for pairing in pairings for probe in probes}
        return told

    @cached_property
    def html_tables(self) -> dict[tuple[str, str, str], tuple[str, str]]:
        """(pairing, version, probe) -> class, and sign; a cell stands for as many releases as it is wide."""
        told: dict[tuple[str, str, str], tuple[str, str]] = {}
        for pairing, section in re.findall(
            r'<section class="pairing" id="[^"]*" data-pairing="([^"]*)".*?>(.*?)</section>',
            self.page("table.html"),
            re.S,
        ):
            versions = re.findall(r'<th scope="col" data-release="([^"]*)"><a href="release/', section)
            for probe, row in re.findall(r'<tr data-find=.*?id="[^"]*\.\.([^"]*)".*?>(.*?)</tr>', section, re.S):
                cells = re.findall(
                    r'<td class="k-([\w-]+)" colspan="(\d+)" data-start="(\d+)"><a href="release/[^"]*"><span class="sign">(.*?)</span>',
                    row,
                )
                signs = [(kind, sign) for kind, count, _, sign in cells for _ in range(int(count))]
                told |= {(pairing, version, probe): shown for version, shown in zip(versions, signs, strict=True)}
        return told

    def bands(self, probe: str, pairing: str) -> dict[str, str]:
        """Version -> class, in the list of a probe's page."""
        section = one(rf'<section aria-labelledby="b-{pairing}">(.*?)</section>', self.page(f"probe/{probe}.html"))
        told = {}
        for span, kind in re.findall(r'<li><a href="[^"]*">([^<]*)</a> <span class="tag k-([\w-]+)">', section):
            for version in self.between(span):
                told[version] = kind
        return told

    @cached_property
    def terminal_tables(self) -> dict[tuple[str, str, str], str]:
        """(pairing, version, probe) -> word and mark."""
        lines = self.terminal.splitlines()
        starts = [match.start() for match in re.finditer(r"(?<!\S)\S", lines[0])] if lines else []

        def cut(line: str) -> list[str]:
            return [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]

        rows = [place for place, line in enumerate(lines) if re.match(r"\d", line)]
        headings = ["".join(parts) for parts in zip(*map(cut, lines[: rows[0]]), strict=True)] if rows else []
        titles = {named(pairing).title("companion"): [pairing] for pairing in self.view.pairings}
        titles |= {"both": list(self.view.pairings)}
        told: dict[tuple[str, str, str], str] = {}
        for columns in (cut(lines[place]) for place in rows):
            for version in self.between(columns[0].partition(" (")[0]):
                for pairing in (one for title in columns[1].split(", ") for one in titles[title]):
                    told |= {
                        (pairing, version, probe): words
                        for probe, words in zip(headings, columns, strict=True)
                        if probe in self.view.support and words != terminal.NOT_EXAMINED
                    }
        return told

    @cached_property
    def markdown_grid(self) -> dict[tuple[str, str], str]:
        """(version, companion version) -> sign, as the page has it."""
        if "```text" not in self.markdown:
            return {}
        families, *lines = one(r"^```text\n(.*?)\n```", self.markdown).splitlines()
        rows = [line for line in lines if line[0] != " "]
        columns = {}
        for match in re.finditer(r"\S+", families.replace("companion", " " * len("companion"))):
            for place in range(match.start(), len(families) + 99, 2):
                rest = "".join(line[place : place + 1] for line in lines if line[0] == " ").strip()
                if rest and not families[match.end() : place + 1].strip():
                    columns[place] = match[0] + rest
        signs = {sign: pair_map.SIGNS[kind] for kind, sign in pair_map.ASCII.items() if kind}
        return {
            (version, column): signs[row[place]]
            for row in rows
            for version in self.between(row.split("  ")[0])
            for place, column in columns.items()
            if row[place : place + 1].strip()
        }

    @cached_property
    def markdown_imports(self) -> dict[str, str]:
        """Version -> the companion versions with which it imports."""
        table = self.markdown.split("\n## Which companion works with which Subject\n")[1].split("```text")[0]
        rows = re.findall(r"^\| (\d[^|]*) \| ([^|]*) \|", table, re.M)
        return {version: imports for span, imports in rows for version in self.between(span)}

    def between(self, span: str) -> list[str]:
        """The versions of ``0.1.0 to 0.3.0``."""
        versions = [release.version for release in self.view.releases]
        first, _, last = span.partition(" to ")
        return versions[versions.index(first) : versions.index(last or first) + 1]

    @cached_property
    def html_grid(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(version, companion version) -> class, sign."""
        page = self.page("grid.html").split('<table class="grid">', 1)[1].split("</table>", 1)[0]
        columns = re.findall(r'<th scope="col"><span>([^<]*)</span>', page)
        told = {}
        for version, row in re.findall(r'<tr><th scope="row"><a href="[^"]*">([^<]*)</a></th>(.*?)</tr>', page):
            for column, (kind, inside) in zip(
                columns, re.findall(r'<td class="k-([\w-]+)">(.*?)</td>', row), strict=True
            ):
                if kind != "not-run":
                    told[version, column] = (kind, plain(inside))
        return told

    @cached_property
    def choices(self) -> Any:
        page = self.page("index.html")
        text = page.split('id="choices">', 1)[1].split("</script>", 1)[0] if 'id="choices">' in page else "{}"
        return json.loads(text)

    def chosen(self, version: str, companion: str | None = None) -> Any:
        """What the menus show for a choice."""
        row = self.choices["releases"][version]
        whole = self.choices["answers"][row["any"]]
        return {**whole, **self.choices["answers"][row["pairs"][companion]]} if companion else whole

    @cached_property
    def today(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(probe, pairing) -> word and mark, and since when, on the front page."""
        told = {}
        page = self.page("index.html").split('id="pieces-title"', 1)[1].split("</section>", 1)[0]
        for name, row in re.findall(r'<tr><th scope="row"><a href="probe/([^"]*)\.html">(.*?)</tr>', page, re.S):
            for pairing, tag, words in re.findall(
                r'<td data-label="([^"]*)">(<span class="tag.*?</span>) ?(?:<span class="soft">(.*?)</span>)?</td>', row
            ):
                told[name, self.pairings[pairing]] = (plain(tag), plain(words))
        return told

    @cached_property
    def markdown_first(self) -> dict[tuple[str, str], str]:
        """(probe, pairing) -> since when."""
        rows = re.findall(r"^\| \*\*.*?<br>`([\w-]+)`.*? \| (\*\*.*) \|$", self.markdown, re.M)
        return {
            (probe, pairing): one(r"^\*\*(.*?)\*\*", column)
            for probe, columns in rows
            for pairing, column in zip(self.view.pairings, columns.split(" | "), strict=True)
        }

    @cached_property
    def sentences(self) -> dict[str, str]:
        """The verdict, by the output that says it."""
        return {
            "markdown": one(r"\*\*(.*?)\*\*", self.markdown),
            "readme": one(r"^\*\*(.*)\*\*", markdown.answer(self.view)),
            "page": one(r"^\S+ (.*)$", plain(one(r'<p class="lead">(.*?)</p>', self.page("index.html")))),
        }

    def badge(self, probe: str) -> Any:
        return json.loads(self.files[f"badges/{probe}.json"])

    def badge_value(self, probe: str) -> str:
        """What a badge comes to."""
        message = str(self.badge(probe)["message"])
        if message.startswith("since"):
            return "yes"
        return "depends" if message.startswith("depends") else "unknown" if message == "not known" else "no"
