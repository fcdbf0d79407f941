"""Hostile text and files for the tests of what reads them."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

HOSTILE = st.builds(
    lambda text, times: text * times,
    st.text(
        st.one_of(
            st.characters(),
            st.sampled_from("\x1b\x9b\x07\x00\n\r\x0b\x85\u2028\u202e\u2066\u200d\ufeff\ud800\t[]0;m\\"),
        )
    ),
    st.sampled_from([1, 1, 30]),
)
"""Any text, thick with what moves a terminal's cursor or turns a line around."""


def invisible(text: str) -> set[str]:
    return {one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}


def soon(call: Callable[[], object], seconds: float = 20) -> object:
    """What a call gives, unless it waits for ever."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it does not come back"
    return found[0]


def nested(top: Path, depth: int, name: str = "d") -> None:
    """Folders in folders, with a file in the innermost; no path could name it."""
    folder = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
