"""Hostile text and files, and a ledger full of them, for the tests of what reads them."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from compatmatrix.core import sanitize
from compatmatrix.core.states import CellState
from compatmatrix.results import interpretation
from compatmatrix.results.ledger import Ledger
from factories import HELD, STANDALONE, entry, raw, record, release

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

MARK = "zqx"
"""Stands at both ends of what `hostile_ledger` puts in, to find it again."""

PIECES = [
    "<script>alert(1)</script>", "</script>", "</pre>", "<!--", "-->", "]]>", "<img src=x onerror=y>", "&lt;",
    "\"'", "' onmouseover='x", "[a](javascript:b)", "![](http://e)", "```", "~~~", "|", "\\|", "# ", "`", "@everyone",
    "=cmd()", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "::error::x", "::set-output name=a::b", "##[error]", "%0A",
    "$(id)", "`id`", "; rm -rf ~", "\x1b[2J", "\x1b]8;;http://e\x07", "\x9b31m", "\u202e", "\u2066", "\ud800",
    "\0", "\u2028", "http://e.com/", "www.e.com", "e@e.com", "</details>", "1. ",
    "- ", "> ", "<https://e>", "[^1]", "&#60;b>", "{{ 7*7 }}", "{% x %}", "[bold]", "[/]", ",", ";", "\n", " ",
]  # fmt: skip

INJECTIONS = st.one_of(HOSTILE, st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
"""Text that some reader of an output could take for markup, an escape sequence or a command."""


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


def hostile_ledger(text: str) -> Ledger:
    """A ledger that holds this text wherever a release can put text of its own."""
    said = f"{MARK}{text}{MARK}"
    frame = {"path": f"subject/{said}.py", "line": 3, "function": said, "text": said, "package": "subject"}
    raised = {"type": f"subject.{said}", "message": said, "frames": [frame]}
    properties = [{"value": said}, {"note": said}, {"recipe": said}]
    started = ({"event": "versions", "wrong": []}, {"event": "import"}, {"event": "imported"})
    tests = [
        {**entry("failed", raised), "user_properties": properties},
        {**entry("passed"), "nodeid": "test_value.py::test_held", "user_properties": properties},
    ]
    left = raw(*tests, events=(*started, {"event": "done", "tampering": [said]}), changed=(said,))
    ran = interpretation.interpret(left, [HELD, STANDALONE])
    failed = interpretation.interpret(
        raw(events=(*started[:2], {"event": "import-failed", "exception": raised}), exit_code=4), [HELD, STANDALONE]
    )
    lock = ("companion==1.0 --hash=sha256:00", "subject==0.1.0 --hash=sha256:00")
    made = msgspec.structs.replace(record("0.1.0", ran.outcomes), tampering=ran.tampering, lock=lock, network=False)
    other = record("0.2.0", state=CellState.IMPORT_FAILS, detail=failed.detail)
    listed = [release("0.1.0"), msgspec.structs.replace(release("0.2.0"), requires_python=sanitize.line(f">=3 {said}"))]
    return Ledger(
        records={one.key: one for one in (made, other)},
        releases={one.version: one for one in listed},
        evidence={**ran.evidence, **failed.evidence},
    )
