"""The Jinja environment of pages, feeds, pictures and Markdown, and how text is escaped for each.

Every text is escaped, and an undefined name is an error. What came out of a package passes `line` or `block` on its way to
a page, and `md` to Markdown. No page, feed or picture has characters that XML does not admit.
"""

from __future__ import annotations

import functools
import json
import re
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from compatmatrix.analysis.cells import answer
from compatmatrix.core import sanitize
from compatmatrix.core.states import TABLE, CellState, OutcomeState
from compatmatrix.core.text import address, upstream
from compatmatrix.publish import labels

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_MARKDOWN = re.compile(
    r"[\\`*\[\]|~$@]"  # code, emphasis, links, columns, strikethrough, mathematics, mentions
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis; not within a_name
    r"|<(?=[a-z/!?])|&(?=#|\w+;)"  # HTML; not a <= b
    r"|#(?=[#\d\s]|$)"  # headings, references to issues
    r"|^[-+](?=[-\s]|$)|^>"  # lists, rules and quotations, which begin a line
    r"|:(?=//)|(?<=www)\.",  # addresses that become links by themselves
    re.IGNORECASE,
)


@functools.cache
def environment() -> Environment:
    """Autoescape for every template, whatever its name; an undefined name is an error."""
    made = Environment(
        loader=PackageLoader("compatmatrix.publish"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters |= {
        "code": code,
        "line": functools.lru_cache(maxsize=4096)(sanitize.line),  # one message stands on many pages
        "block": sanitize.block,
        "md": escaped,
        "md_code": markdown_code,
        "slug": slug,
        "prose": prose,
        "inline_code": inline_code,
        "fenced": fenced,
        "url": path_part,
        "outside": outside,
        "short": short,
    }
    made.globals |= {
        "words": labels, "answer": answer, "OutcomeState": OutcomeState, "CellState": CellState, "TABLE": TABLE,
        "address": address, "upstream": upstream,
    }  # fmt: skip
    return made


def filled(template: str, **values: object) -> str:
    """A template of `templates/`, filled."""
    return _NOT_XML.sub("", environment().get_template(template).render(**values))


def embedded(tree: object) -> str:
    """JSON for a script element: without any `<`, so that no text in it can end the element."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def escaped(text: object) -> Markup:
    """Text as one line of text in GitHub's Markdown; only what would mean something there is escaped."""
    line = " ".join(str(text).split())
    line = _MARKDOWN.sub(lambda found: "&lt;" if found[0] == "<" else "\\" + found[0], line)
    return Markup(re.sub(r"^(\d{1,9})([.)])(?=\s|$)", r"\1\\\2", line))  # a numbered list


def markdown_code(text: str) -> Markup:
    """Text of the project's own in which `backticks` mark code, as one line of Markdown that may stand in a table."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a stray backtick marks nothing
        return escaped(text)
    shown = [
        inline_code(part).replace("|", "\\|")
        if number % 2
        else " " * part[:1].isspace() + escaped(part) + " " * part[-1:].isspace()
        for number, part in enumerate(parts)
    ]
    return Markup("".join(shown))


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def prose(text: object) -> Markup:
    """The same for an issue, where GitHub would read an escaped at sign as a mention all the same."""
    return Markup(escaped(text).replace("@", "@\u2060"))


def inline_code(text: object) -> Markup:
    """One line as code in Markdown, whatever it holds."""
    line = sanitize.line(text)
    fence = "`" * (1 + _longest_fence(line))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markup(f"{fence}{pad}{line or ' '}{pad}{fence}")


def fenced(text: object, language: str = "text") -> Markup:
    """Several lines as a block of code in Markdown, whatever they hold."""
    block = sanitize.block(text)
    fence = "`" * max(3, 1 + _longest_fence(block))
    return Markup(f"{fence}{language}\n{block}\n{fence}")


def _longest_fence(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def code(text: str) -> Markup:
    """Text of the project's own in which `backticks` mark code, as HTML."""
    parts = str(escape(text)).split("`")
    if len(parts) % 2 == 0:  # a stray backtick marks nothing
        return escape(text)
    return Markup("".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)))


@functools.cache
def path_part(text: str) -> str:
    """A version or an id as part of a path or fragment."""
    return quote(text, safe="!+~:")


def outside(link: str) -> str:
    """An address that leads out of the site, or nothing where it is no web address."""
    return link if re.match(r"https?://[^\s]+$", link) else ""


def short(link: str) -> str:
    """``owner/name#12`` for an address that ends like an issue's; else its host and path."""
    if match := re.match(r"https?://[^/]+/([^/]+/[^/]+)/(?:issues|pull|discussions)/(\d+)$", link):
        return f"{match.group(1)}#{match.group(2)}"
    return re.sub(r"^https?://", "", link)
