"""How a page, a feed or a picture is rendered: one Jinja environment in which every text is escaped, bounded and visible.

What came out of a package passes `line` or `block`; what reaches an output by another way still loses the characters
that XML does not admit.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from compatmatrix.core import sanitize
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import address
from compatmatrix.publish import labels

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@functools.cache
def environment() -> Environment:
    """Autoescape for every template, whatever its name; an undefined name is an error."""
    made = Environment(
        loader=PackageLoader("compatmatrix.publish"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, finalize=_admitted,
    )  # fmt: skip
    made.filters |= {
        "code": code,
        "line": _line,
        "block": sanitize.block,
        "url": path_part,
        "outside": outside,
        "short": short,
    }
    made.globals |= {"words": labels, "OutcomeState": OutcomeState, "CellState": CellState, "address": address}
    return made


def code(text: str) -> Markup:
    """Text of the project's own in which `backticks` mark code."""
    parts = str(escape(text)).split("`")
    if len(parts) % 2 == 0:  # a stray backtick marks nothing
        return escape(text)
    return Markup("".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)))


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


def _line(text: object, limit: int = sanitize.MESSAGE) -> str:
    return _remembered_line(str(text), limit)


@functools.lru_cache(maxsize=4096)
def _remembered_line(text: str, limit: int) -> str:
    """`plain.line`, remembered: one message stands on many pages."""
    return sanitize.line(text, limit)


def _admitted(value: object) -> object:
    if isinstance(value, Markup):
        return Markup(_NOT_XML.sub("", str(value)))
    return _NOT_XML.sub("", value) if isinstance(value, str) else value
