"""Puts a question in each form that a release's documentation has shown, newest first, until one gives the right answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from yardstick import Check


def settle(check: Check, forms: Mapping[str, Callable[[], None]]) -> None:
    """Pass with the first form that passes, and note it; else fail as the first one fails that exists here.

    Args:
        check: Of the probe.
        forms: Sentence -> what does it in this form and checks what came of it. A form skips where the release lacks a name
            that it uses.
    """
    absent: list[str] = []
    failed: list[Callable[[], None]] = []
    for name, form in forms.items():
        try:
            form()
        except pytest.skip.Exception as skipped:
            absent.append(str(skipped))
        except Exception:
            failed.append(form)
        else:
            check.note(name)
            return
    if not failed:
        pytest.skip("; ".join(dict.fromkeys(absent)))
    # Once more, so that its failure is the probe's own, with what it found.
    failed[0]()


def answer_or_hint(call: Callable[[], None], check: Check, hint: str, way: Callable[[], bool]) -> None:
    """Let a call pass or fail; where it fails, note the hint if its way gives the right answer here."""
    try:
        call()
    except Exception:
        if succeeds(way):
            check.note(hint)
        raise


def succeeds(way: Callable[[], bool]) -> bool:
    """Whether a way gives the right answer here; one that raises or skips does not."""
    try:
        return way()
    except (Exception, pytest.skip.Exception):
        return False
