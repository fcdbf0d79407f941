"""Text that came out of a package, made safe to keep: bounded, one line where one is meant, no control characters.

What is stored is plain text; each exit (page, Markdown, terminal …) still escapes for its own syntax.
"""

from __future__ import annotations

import re
import unicodedata

MESSAGE = 300
SIGNATURE = 160
EVIDENCE = 4000


def line(text: object, limit: int = MESSAGE) -> str:
    """The first line that says something, without control, format or bidi characters, cut to ``limit``."""
    bounded = str(text)[: 20 * limit]
    first = next((part for part in bounded.splitlines() if part.strip()), "")
    return cut(" ".join(_settled(_visible(first)).split()), limit)


def block(text: object, limit: int = EVIDENCE) -> str:
    """Several lines, each visible text only; the middle is left out where it is too long."""
    lines = [_settled(_visible(part)).rstrip() for part in str(text)[: 20 * limit].splitlines()]
    whole = "\n".join(lines)
    if len(whole) <= limit:
        return whole
    mark = "\n[… cut …]\n"
    room = max(0, limit - len(mark))
    return cut(f"{whole[: room // 3]}{mark}{whole[len(whole) - (room - room // 3) :]}", limit)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last an ellipsis where some were left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def signature(exception: str, message: str) -> str:
    """What stays the same of an exception across releases and machines: no path, address, line number, shape, count."""
    text = line(message, SIGNATURE * 4)
    text = re.sub(r"0x[0-9a-fA-F]+", "0x…", text)
    text = re.sub(r"<class '(?:\w+\.)+(\w+)'>", r"<class '\1'>", text)  # classes move between modules
    text = re.sub(r"(?:[A-Za-z]:)?(?:[\w.@~+-]*[\\/])+[\w.@~+-]*\.\w+(?::\d+)*", "<path>", text)
    text = re.sub(r"(?<![\w/.])(?:[A-Za-z]:|~)?(?:[\\/][\w.@~+-]+){2,}[\\/]?", "<path>", text)
    text = re.sub(r"\bline \d+", "line …", text)
    text = re.sub(r"\[[\d, ]*\d[\d, ]*\]|\((?:\d+, ?)+\d*\)", "[…]", text)
    text = re.sub(r"\b\d+(?:\.\d+)*\b", "N", text)
    return cut(f"{exception.rsplit('.', 1)[-1]}: {text}".rstrip(": "), SIGNATURE)


def _settled(text: str) -> str:
    """Without addresses, which are others in every run and would make news of an answer that is the same."""
    return re.sub(r"\b0x[0-9a-fA-F]{6,}\b", "0x…", text)


def _visible(text: str) -> str:
    """Tabs become spaces; escape sequences and what has no visible form (Cc, Cf, Cs, Co, Cn, Zl, Zp) goes."""
    if text.isprintable():  # nothing of all that is in it, as in nearly every text
        return text
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?", "", text.expandtabs(4))
    return "".join(
        character
        for character in text
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
