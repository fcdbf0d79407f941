"""Reads the values of options; what is wrong with one is a message of argparse. Imports nothing heavy before it must."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; it must be at least 1")
    return int(text)


def python(text: str) -> str:
    """``3.12``."""
    major, dot, minor = text.partition(".")
    if not dot or not major.isdigit() or not minor.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; write X.Y, like 3.12")
    return text


def shard(text: str) -> tuple[int, int]:
    """``2/5``."""
    part, slash, count = text.partition("/")
    if not slash or not part.isdigit() or not count.isdigit() or not 1 <= int(part) <= int(count):
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; write I/N with I from 1 to N, like 2/5")
    return int(part), int(count)


def name(text: str) -> str:
    """A distribution's name (PEP 508)."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a distribution; write one like typing-extensions")
    return text


def web_address(text: str) -> str:
    """An address that begins with ``https://`` or ``http://``."""
    if not text.startswith(("https://", "http://")) or not urlsplit(text).netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is no web address; write one like https://pypi.org/simple/")
    return text


def engine(text: str) -> str:
    """A requirement without spaces, for a workflow passes it to a shell, or an address."""
    if any(character.isspace() for character in text.strip().replace(" @ ", "@")):
        raise argparse.ArgumentTypeError(f"{text!r} has spaces; write one like compatmatrix==1.0 or git+https://…")
    return text.strip().replace(" @ ", "@")


def requirement(text: str) -> str:
    """A name and a version specifier (PEP 440, PEP 508), without `===`, extras, address and marker."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no requirement ({str(error).splitlines()[0]}); write one like 'name==0.12.*'"
        ) from None
    arbitrary = any(part.operator == "===" for part in parsed.specifier)  # compares texts; no version is near one
    if not parsed.specifier or arbitrary or parsed.url or parsed.extras or parsed.marker:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; write a name and a version specifier (PEP 440), like 'name>=0.12,!=0.12.3'"
        )
    return text


def instant(text: str) -> datetime:
    """An instant (ISO 8601), in UTC unless it has an offset; a day stands for its beginning."""
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write one like 2025-06-02") from None


def past(text: str) -> datetime:
    """An instant of the past: what is on the index later is not known, and records made for then would stand until then."""
    if (begin := instant(text)) > datetime.now(UTC):
        raise argparse.ArgumentTypeError(f"{text!r} is in the future; write a day of the past, like 2025-06-02")
    return begin


def end(text: str) -> datetime:
    """An instant of the past; a day stands for its end, or for now if it is today."""
    has_time, begin = len(text) > len("2025-06-02"), past(text)
    return begin if has_time else min(begin + timedelta(days=1), datetime.now(UTC))
