"""Makes text that came out of a package safe to store: bounded, no control characters, one line where one is meant.

The result is plain text; each output (page, Markdown, terminal) still escapes it for its own syntax.
"""

from __future__ import annotations

import functools
import re
import unicodedata

MESSAGE = 300
SIGNATURE = 160
EVIDENCE = 4000
"""Longest message, signature and traceback, in characters."""


RULES = (
    (r"\.? (?:Did you mean|Did you forget).*\?$", ""),  # what Python adds where it prints a traceback
    (r"0x[0-9a-fA-F]+", "0x…"),
    (r"<class '(?:\w+\.)+(\w+)'>", r"<class '\1'>"),  # classes move between modules
    (r"(?:[A-Za-z]:)?(?:[\w.@~+-]*[\\/])+[\w.@~+-]*\.\w+(?::\d+)*", "<path>"),
    (r"(?<![\w/.])(?:[A-Za-z]:|~)?(?:[\\/][\w.@~+-]+){2,}[\\/]?", "<path>"),
    (r"\bline \d+", "line …"),
    (r"\[[\d, ]*\d[\d, ]*\]|\((?:\d+, ?)+\d*\)", "[…]"),
    (r"\b\d+(?:\.\d+)*\b", "N"),
)
"""Pattern and replacement of what differs between releases and machines; the pages bring them to the browser."""


def line(text: object, limit: int = MESSAGE) -> str:
    """The first line that is not blank, without control, format or bidi characters, cut to ``limit`` characters."""
    bounded = str(text)[: 20 * limit]
    first = next((part for part in bounded.splitlines() if part.strip()), "")
    return cut(" ".join(_without_addresses(_visible(first)).split()), limit)


def block(text: object, limit: int = EVIDENCE) -> str:
    """Several lines without control characters; where there are more than ``limit`` characters, the middle is left out."""
    lines = [_without_addresses(_visible(part)).rstrip() for part in str(text)[: 20 * limit].splitlines()]
    whole = "\n".join(lines)
    if len(whole) <= limit:
        return whole
    mark = "\n[… cut …]\n"
    room = max(0, limit - len(mark))
    return cut(f"{whole[: room // 3]}{mark}{whole[len(whole) - (room - room // 3) :]}", limit)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters; the last is an ellipsis where some were left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


@functools.lru_cache(maxsize=4096)  # a message stands in many cells, and every view signs each of them
def signature(exception: str, message: str) -> str:
    """An exception without what differs between releases and machines: paths, addresses, line numbers, shapes, counts."""
    text = line(message, SIGNATURE * 4)
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return cut(f"{exception.rsplit('.', 1)[-1]}: {text}".rstrip(": "), SIGNATURE)


def _without_addresses(text: str) -> str:
    """Replace memory addresses: they differ in every run, so that equal answers would look changed."""
    return re.sub(r"\b0x[0-9a-fA-F]{6,}\b", "0x…", text) if "0x" in text else text


def _visible(text: str) -> str:
    """Replace tabs; remove escape sequences and characters without a visible form (Cc, Cf, Cs, Co, Cn, Zl, Zp)."""
    if text.isprintable():  # fast path: nothing to remove in nearly every text
        return text
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?", "", text.expandtabs(4))
    return "".join(
        character
        for character in text
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
