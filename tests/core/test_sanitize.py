"""Text out of a package is kept as plain text: bounded, visible, and an exception's mark the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.core import sanitize
from hostile import HOSTILE, invisible


@given(HOSTILE, st.integers(10, 300))
def test_no_hostile_text_survives_in_a_line(text: str, limit: int) -> None:
    kept = sanitize.line(text, limit)
    assert invisible(kept) == set()
    assert len(kept) <= limit
    assert sanitize.line(kept, limit) == kept, "what is plain stays as it is"


@given(HOSTILE, st.integers(10, 300))
def test_no_hostile_text_survives_in_a_block(text: str, limit: int) -> None:
    kept = sanitize.block(text, limit)
    assert invisible(kept) <= {"\n"}
    assert len(kept) <= limit


@given(HOSTILE, HOSTILE)
def test_no_hostile_text_survives_in_a_signature(exception: str, message: str) -> None:
    kept = sanitize.signature(sanitize.line(exception, 100), sanitize.line(message))
    assert invisible(kept) == set()
    assert len(kept) <= sanitize.SIGNATURE


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\n\n  first  that says\tsomething \nsecond", "first that says something"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\u202eevil\u202c", "evil"),
        ("a\0b", "ab"),
        ("", ""),
        (None, "None"),
        ("<Value at 0x7f00dead> has bits 0x1f", "<Value at 0x…> has bits 0x1f"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_a_line_is_the_first_that_says_something(text: object, kept: str) -> None:
    assert sanitize.line(text) == kept


def test_a_long_block_keeps_its_beginning_and_its_end() -> None:
    kept = sanitize.block("start\n" + "middle\n" * 2000 + "end")
    assert kept.startswith("start\n")
    assert "[… cut …]" in kept
    assert kept.endswith("end")


SAME = {
    "an address": ("<Value object at 0x7f00deadbeef> is bad", "<Value object at 0x1> is bad"),
    "a path and its line": ("see /home/me/env/lib/x.py:31", "see C:\\Users\\you\\lib\\x.py:7"),
    "a folder": ("no cell in '/tmp/a1/cell'", "no cell in '/var/folders/b2'"),
    "a line number": ("bad at line 12", "bad at line 7"),
    "a shape": ("got float32[3,4]", "got float32[10]"),
    "a tuple of a shape": ("got shape (3, 4)", "got shape (5,)"),
    "a version": ("needs 0.12.1 or later", "needs 1.0 or later"),
    "a count": ("takes 2 arguments", "takes 3 arguments"),
    "a module": ("m", "m"),
}


@pytest.mark.parametrize("kind", SAME)
def test_a_signature_stays_the_same_over_releases_and_machines(kind: str) -> None:
    one, other = SAME[kind]
    assert sanitize.signature("flax.errors.Bad", one) == sanitize.signature("elsewhere.Bad", other)


def test_a_signature_still_tells_different_things_apart() -> None:
    messages = ["cannot train a Value", "cannot train a Holder", "float32 and int32", "read and/or write"]
    assert len({sanitize.signature("ValueError", message) for message in messages}) == len(messages)
    assert sanitize.signature("ValueError", "x") != sanitize.signature("TypeError", "x")
    assert sanitize.signature("ValueError", "read and/or write") == "ValueError: read and/or write"
    assert sanitize.signature("StopIteration", "") == "StopIteration"
