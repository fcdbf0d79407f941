"""Everything nasty that a release could say, and what is on record of a release that says it wherever it can."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from compatmatrix.core import sanitize
from compatmatrix.core.states import CellState
from compatmatrix.results import interpretation
from compatmatrix.results.ledger import Ledger
from hostile import HOSTILE
from made import HELD, STANDALONE, entry, raw, record, release

MARK = "zqx"
"""Stands at both ends of what a release says, to find it again."""

PIECES = [
    "<script>alert(1)</script>", "</script>", "</pre>", "<!--", "-->", "]]>", "<img src=x onerror=y>", "&lt;",
    "\"'", "' onmouseover='x", "[a](javascript:b)", "![](http://e)", "```", "~~~", "|", "\\|", "# ", "`", "@everyone",
    "=cmd()", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "::error::x", "::set-output name=a::b", "##[error]", "%0A",
    "$(id)", "`id`", "; rm -rf ~", "\x1b[2J", "\x1b]8;;http://e\x07", "\x9b31m", "\u202e", "\u2066", "\ud800",
    "\0", "\u2028", "http://e.com/", "www.e.com", "e@e.com", "</details>", "1. ",
    "- ", "> ", "<https://e>", "[^1]", "&#60;b>", "{{ 7*7 }}", "{% x %}", "[bold]", "[/]", ",", ";", "\n", " ",
]  # fmt: skip

NASTIES = st.one_of(HOSTILE, st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))


def told(text: str) -> Ledger:
    """What is on record of a release that says it wherever a release can say something."""
    said = f"{MARK}{text}{MARK}"
    frame = {"path": f"subject/{said}.py", "line": 3, "function": said, "text": said, "package": "subject"}
    raised = {"type": f"subject.{said}", "message": said, "frames": [frame], "own": False}
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
