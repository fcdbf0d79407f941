"""A report is read with suspicion: each outcome by its rule, and what is no clear answer is no answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.analysis.cells import weigh
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.environment import file_changes
from compatmatrix.execution.cell_runner import LOST
from compatmatrix.results.interpretation import PHASES, Reading, ended_early, interpret
from factories import (
    ABSENT,
    DONE,
    HELD,
    INCONCLUSIVE,
    NO_EFFECT,
    PROBES,
    RAISES,
    STANDALONE,
    STARTED,
    SUPPORTED,
    entry,
    probe,
    raw,
)
from hostile import HOSTILE, invisible

PROBE = {"event": "probe", "nodeid": "test_value.py::test_two_words"}


def without(test: dict[str, Any], *phases: str) -> dict[str, Any]:
    return {name: value for name, value in test.items() if name not in phases}


def exception(kind: str = "subject.core.NotTrainable", message: str = "no", *, package: str | None = "subject") -> Any:
    frames = [
        {"path": "probes/test_value.py", "line": 3, "function": "test_standalone", "text": "it()", "package": None}
    ]
    if package:
        frames.append({"path": f"{package}/core.py", "line": 9, "function": "fit", "text": "raise", "package": package})
    return {"type": kind, "message": message, "frames": frames, "left_out": 0}


def outcome(test: dict[str, Any]) -> Outcome:
    return interpret(raw(test), [STANDALONE]).outcomes["standalone"]


def test_passing_is_supported() -> None:
    assert outcome(entry("passed")) == SUPPORTED


def test_the_number_the_note_and_the_recipe_are_kept() -> None:
    properties = [{"value": 0.5}, {"note": "by the way"}, {"recipe": "held.py"}, {"other": 1}]
    found = outcome(entry("passed", user_properties=properties))
    assert (found.value, found.note, found.recipe) == (0.5, "by the way", "held.py")


@pytest.mark.parametrize(
    ("value", "kept"), [(3, 3.0), (float("nan"), "nan"), (float("inf"), "inf"), ("empty", "empty"), ("\x1b[2J!", "!")]
)
def test_a_value_is_a_number_or_plain_words(value: object, kept: object) -> None:
    assert outcome(entry("passed", user_properties=[{"value": value}])).value == kept


def test_a_failed_check_is_no_effect() -> None:
    failed = {**exception("probe_harness.NoEffect", "found 0, expected 3", package=None), "check": True}
    found = outcome(entry("failed", failed))
    assert (found.state, found.message) == (OutcomeState.NO_EFFECT, "found 0, expected 3")


def test_a_failure_of_that_name_that_is_not_the_checks_is_not() -> None:
    """A release may not call its exception so, and make a loud failure a silent one."""
    assert outcome(entry("failed", exception("subject.NoEffect"))).state is OutcomeState.RAISES


def test_a_skip_is_absent_with_its_reason() -> None:
    skipped = {**exception("_pytest.outcomes.Skipped", "there is no subject.Trainer", package=None)}
    found = outcome(entry("skipped", skipped))
    assert found == Outcome(state=OutcomeState.ABSENT, note="there is no subject.Trainer")


def skip(*paths: str) -> dict[str, Any]:
    """What is told of a skip, by the files that its traceback goes through, outermost first."""
    frames = [{"path": path, "line": 1, "package": "subject" if path[:7] == "subject" else None} for path in paths]
    return {**exception("Skipped", "no such thing"), "frames": frames}


@pytest.mark.parametrize(
    ("paths", "state"),
    [
        (["probes/test_value.py", "_pytest/outcomes.py"], OutcomeState.ABSENT),
        (["probes/test_value.py", "probes/subject_api.py", "_pytest/outcomes.py"], OutcomeState.ABSENT),
        (
            ["probes/test_value.py", "subject/core.py", "probes/test_value.py", "_pytest/outcomes.py"],
            OutcomeState.ABSENT,
        ),
        (["probes/test_value.py", "subject/core.py", "_pytest/outcomes.py"], OutcomeState.RAISES),
        (["probes/test_value.py", "subject/core.py"], OutcomeState.RAISES),
        (["probes/test_value.py", "subject/core.py", "elsewhere/core.py"], OutcomeState.RAISES),
        (["probes/test_value.py", "elsewhere/core.py", "_pytest/outcomes.py"], OutcomeState.INCONCLUSIVE),
        (["_pytest/outcomes.py"], OutcomeState.INCONCLUSIVE),
        ([], OutcomeState.INCONCLUSIVE),
    ],
)
def test_defect_a_skip_that_a_package_raised_was_absent(paths: list[str], state: OutcomeState) -> None:
    """The innermost frame outside pytest decides whose it is."""
    assert outcome(entry("skipped", skip(*paths))).state is state


@pytest.mark.parametrize(
    ("path", "state"),
    [("probes/conftest.py", OutcomeState.ABSENT), ("_pytest/skipping.py", OutcomeState.INCONCLUSIVE)],
)
def test_defect_a_skip_by_a_mark_was_absent(path: str, state: OutcomeState) -> None:
    """A release can put a mark on any probe. A fixture is the probe's own."""
    test = without(entry("skipped", skip("_pytest/runner.py", path, "_pytest/outcomes.py"), "setup"), "call")
    assert outcome(test).state is state


@pytest.mark.parametrize("package", ["subject", "companion"])
def test_what_comes_up_through_subject_or_companion_raises(package: str) -> None:
    reading = interpret(raw(entry("failed", exception(message="no\nmore", package=package))), [STANDALONE])
    found = reading.outcomes["standalone"]
    assert found.state is OutcomeState.RAISES
    assert (found.exception, found.message) == ("subject.core.NotTrainable", "no")
    assert found.where == f"{package}/core.py:9 in fit"
    assert found.signature == "NotTrainable: no"
    assert reading.evidence[found.evidence or ""].splitlines() == [
        "Traceback (most recent call last):",
        "  probes/test_value.py:3 in test_standalone",
        "    it()",
        f"  {package}/core.py:9 in fit",
        "    raise",
        "subject.core.NotTrainable: no",
        "more",
    ]


def test_the_same_traceback_is_one_piece_of_evidence() -> None:
    tests = [entry("failed", exception()), {**entry("failed", exception()), "nodeid": "test_value.py::test_held"}]
    assert len(interpret(raw(*tests), PROBES).evidence) == 1


def test_an_exception_of_the_probes_own_is_inconclusive() -> None:
    found = outcome(entry("failed", exception("NameError", "name 'x' is not defined", package=None)))
    assert found.state is OutcomeState.INCONCLUSIVE
    assert "the probe itself is at fault" in (found.note or "")
    assert found.exception == "NameError"


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_an_exception_around_the_probe_is_inconclusive_wherever_it_came_from(when: str) -> None:
    assert outcome(entry("error", exception(), when)).state is OutcomeState.INCONCLUSIVE


@pytest.mark.parametrize("verdict", ["failed", "error", "xfailed", "xpassed", "skipped", "", None, 7])
def test_a_verdict_without_a_reason_is_inconclusive(verdict: Any) -> None:
    assert outcome(entry(verdict)).state is OutcomeState.INCONCLUSIVE


def test_a_pass_with_an_exception_is_no_pass() -> None:
    assert outcome(entry("passed", exception())).state is not OutcomeState.SUPPORTED


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("told", ["failed", "skipped", None, 1])
def test_a_pass_with_a_phase_that_did_not_pass_is_no_pass(phase: str, told: object) -> None:
    found = interpret(raw({**entry("passed"), phase: {"outcome": told}}), [STANDALONE])
    assert OutcomeState.SUPPORTED not in {one.state for one in found.outcomes.values()}


ENDED_EARLY = Reading(state=CellState.CRASHED, detail="ended without a complete report, exit code 0 (in standalone)")


@pytest.mark.parametrize("phases", [("call",), ("call", "teardown"), ("teardown",), PHASES])
def test_defect_a_probe_in_which_the_session_ended_was_supported(phases: tuple[str, ...]) -> None:
    """pytest reports a probe as passed whose setup passed and whose call never came to its end."""
    events = [*STARTED, {"event": "probe", "nodeid": "test_value.py::test_standalone"}, DONE]
    assert interpret(raw(without(entry("passed"), *phases), events=events), [STANDALONE]) == ENDED_EARLY


def test_defect_a_probe_that_the_report_is_silent_about_left_the_others_their_answers() -> None:
    """It was inconclusive, as if its own question had been at fault: the session had ended before it."""
    events = [*STARTED, {"event": "probe", "nodeid": "test_value.py::test_standalone"}, DONE]
    assert interpret(raw(entry("passed"), events=events), PROBES) == ENDED_EARLY


def test_a_probe_that_failed_in_its_setup_has_no_call_and_ends_nothing() -> None:
    test = without(entry("error", exception(), "setup"), "call")
    assert outcome(test).state is OutcomeState.INCONCLUSIVE


@pytest.mark.parametrize(
    ("tests", "more"),
    [
        ([entry("failed", exception()), entry("passed")], {}),  # one probe twice
        ([entry("passed")], {"report": {"exitcode": 1, "tests": [entry("passed")]}}),
        ([entry("passed")], {"report": {"tests": [entry("passed")]}}),
    ],
)
def test_a_report_that_pytest_cannot_have_written_is_none(tests: Any, more: dict[str, Any]) -> None:
    assert interpret(raw(*tests, **more), [STANDALONE]).state is CellState.CRASHED


@pytest.mark.parametrize(
    ("left", "detail"),
    [
        ({"report": None}, "ended without a complete report, exit code 0 (while pytest started)"),
        ({"report": {"tests": "passed"}}, "ended without a complete report, exit code 0 (while pytest started)"),
        ({"report": {"tests": [{"nodeid": 1}]}}, "ended without a complete report, exit code 0 (while pytest started)"),
        ({"exit_code": 2}, "ended without a complete report, exit code 2 (while pytest started)"),
        ({"exit_code": -11}, "ended by SIGSEGV (while pytest started)"),
        ({"killed_for": "memory", "exit_code": -9}, "took more memory than the limit (while pytest started)"),
        ({"events": STARTED[:2]}, "ended without a complete report, exit code 0 (at the import)"),
    ],
)
def test_what_ended_otherwise_crashed_and_has_no_outcomes(left: dict[str, Any], detail: str) -> None:
    reading = interpret(raw(entry("passed"), **{"events": STARTED, **left}), [STANDALONE])
    assert reading == Reading(state=CellState.CRASHED, detail=detail)


def test_defect_a_report_that_the_subject_wrote_before_it_left_with_status_0_was_a_pass() -> None:
    """Nobody asked whether pytest had come to its end."""
    assert interpret(raw(entry("passed")), [STANDALONE]).state is CellState.RAN
    reading = interpret(raw(entry("passed"), events=STARTED), [STANDALONE])
    assert (reading.state, reading.outcomes) == (CellState.CRASHED, {})


def test_what_a_cell_was_caught_at_is_told_and_changes_no_outcome() -> None:
    events = [*STARTED, {"event": "done", "tampering": ["subject says\x1b[2J that it is 9.9", 7, *["more"] * 99]}]
    reading = interpret(raw(entry("passed"), events=events, changed=("lib/a.py", "lib/b.py")), [STANDALONE])
    assert reading.outcomes["standalone"].state is OutcomeState.SUPPORTED
    assert reading.tampering[:2] == ("subject says that it is 9.9", "7")
    assert reading.tampering[-1] == "changed files of its environment: lib/a.py and 1 more"
    assert len(reading.tampering) == 11
    assert interpret(raw(events=[*STARTED, {"event": "done", "tampering": "none"}]), []).tampering == ()


def test_no_end_in_time_is_a_timeout_that_names_the_probe() -> None:
    events = [*STARTED, {"event": "probe", "nodeid": "test_value.py::test_two_words"}]
    reading = interpret(raw(killed_for="time", exit_code=-9, events=events), [probe("two-words")])
    assert reading == Reading(state=CellState.TIMEOUT, detail="no end within the time limit (in two-words)")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (
            {"events": [{"event": "versions", "wrong": ["subject: 1 in the lock, 2 installed"]}]},
            "is not the lock: subj",
        ),
    ],
)
def test_what_is_our_fault_is_trouble_and_no_reading(left: dict[str, Any], said: str) -> None:
    with pytest.raises(InfrastructureError, match=said):
        interpret(raw(entry("passed"), **left), PROBES)


NO_EVENT = "and left no event: something that is installed ends Python at its start, or deletes what the cell writes"
KNOWN = [*PROBES, probe("two-words")]


@pytest.mark.parametrize(
    ("exit_code", "events", "detail"),
    [
        (0, [], f"ended with exit code 0 {NO_EVENT}"),
        (-9, [], f"ended by SIGKILL {NO_EVENT}"),
        (-9, STARTED[:1], "ended by SIGKILL (at its start)"),
        (-15, STARTED[:2], "ended by SIGTERM (at the import)"),
        (-9, [*STARTED, PROBE, {"event": "noise"}], "ended by SIGKILL (in two-words)"),
        (-9, [*STARTED, PROBE, {"event": LOST}, {"event": "noise"}], "ended by SIGKILL (in two-words or later)"),
        (-9, [*STARTED, {"event": LOST}, PROBE], "ended by SIGKILL (in two-words)"),
        (-9, [*STARTED, PROBE, {"event": "probe", "nodeid": "x::test_of_its_own"}], "ended by SIGKILL (in two-words)"),
        (7, [*STARTED, PROBE, DONE], "ended without a complete report, exit code 7 (in two-words)"),
    ],
)
def test_what_ended_early_says_at_what_and_is_no_fact_yet(exit_code: int, events: list[Any], detail: str) -> None:
    left = raw(exit_code=exit_code, events=events, report=None)
    reading = interpret(left, KNOWN)
    assert reading == Reading(state=CellState.CRASHED, detail=detail)
    place = detail.rpartition("(")[2].rstrip(")")
    assert ended_early(left, reading, KNOWN) == (place if events else "at its start")
    with pytest.raises(
        InfrastructureError, match="while the kernel ended processes for want of memory: run it again with fewer"
    ):
        ended_early(msgspec.structs.replace(left, starved=True), reading, KNOWN)


@pytest.mark.parametrize(
    "left",
    [
        {"exit_code": -11, "events": STARTED},
        {"exit_code": -6, "events": STARTED},
        {"killed_for": "memory", "exit_code": -9, "events": STARTED},
        {"killed_for": "time", "exit_code": -9, "events": []},
        {"exit_code": 4, "events": [*STARTED[:2], {"event": "import-failed", "exception": {}}]},
        {},
    ],
)
def test_what_a_process_can_only_have_done_itself_needs_no_second_try(left: dict[str, Any]) -> None:
    found = raw(entry("passed"), **left)
    assert ended_early(found, interpret(found, [STANDALONE]), [STANDALONE]) == ""


def test_the_lock_is_compared_before_any_release_has_a_say() -> None:
    """What calls itself the same event later is a release's doing, and makes no trouble of the machine's."""
    events = [*STARTED, {"event": "versions", "wrong": ["subject: 1 in the lock, 2 installed"]}, DONE]
    assert interpret(raw(entry("passed"), events=events), [STANDALONE]).state is CellState.RAN


def test_where_only_so_many_changes_are_named_there_may_be_more() -> None:
    changed = tuple(f"lib/{number}.py" for number in range(file_changes.MOST))
    (told,) = interpret(raw(entry("passed"), changed=changed), [STANDALONE]).tampering
    assert told == f"changed files of its environment: lib/0.py and at least {file_changes.MOST - 1} more"


def test_an_import_that_fails_says_how() -> None:
    events = [*STARTED[:2], {"event": "import-failed", "exception": exception("AttributeError", "no attribute 'x'")}]
    reading = interpret(raw(events=events, exit_code=4, report=None), PROBES)
    assert (reading.state, reading.detail) == (CellState.IMPORT_FAILS, "AttributeError: no attribute 'x'")
    assert len(reading.evidence) == 1


def test_a_failing_control_takes_the_meaning_of_a_no_and_leaves_a_yes() -> None:
    for control in (RAISES, NO_EFFECT, INCONCLUSIVE):
        assert weigh({"held": control, "standalone": RAISES}, PROBES, "held")["standalone"].state is (
            OutcomeState.INCONCLUSIVE
        )
        for kept in (SUPPORTED, ABSENT):
            assert weigh({"held": control, "standalone": kept}, PROBES, "held")["standalone"] == kept


@pytest.mark.parametrize("control", [SUPPORTED, ABSENT])
def test_a_control_that_works_or_is_absent_says_nothing_against_the_others(control: Outcome) -> None:
    assert weigh({"held": control, "standalone": RAISES}, PROBES, "held")["standalone"] == RAISES


def test_a_control_that_was_not_run_says_nothing() -> None:
    assert weigh({"standalone": RAISES}, PROBES, "held") == {"standalone": RAISES}


def test_the_control_itself_keeps_its_outcome() -> None:
    assert weigh({"held": RAISES}, PROBES, "held") == {"held": RAISES}


def test_a_second_control_governs_those_that_need_it() -> None:
    jitted, plain_one = probe("jitted", needs=("jit",)), probe("plain")
    found = {"held": SUPPORTED, "jit": RAISES, "jitted": RAISES, "plain": RAISES}
    weighed = weigh(found, [HELD, probe("jit"), jitted, plain_one], "held")
    assert weighed["jitted"].state is OutcomeState.INCONCLUSIVE
    assert weighed["jitted"].note == "the control jit came out raises here; without it: raises"
    assert weighed["plain"] == RAISES


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_hostile_text_survives_into_an_outcome_or_its_evidence(kind: str, message: str, path: str) -> None:
    told = exception(kind, message)
    told["frames"][1].update(path=path, function=message, text=kind)
    reading = interpret(raw(entry("failed", told, user_properties=[{"note": message}, {"value": kind}])), [STANDALONE])
    found = reading.outcomes["standalone"]
    kept = [found.exception, found.message, found.where, found.signature, found.note, str(found.value)]
    assert {one for text in kept if text for one in invisible(text)} == set()
    assert all(len(text) <= 300 for text in kept if text)
    assert {one for text in reading.evidence.values() for one in invisible(text)} <= {"\n"}
    assert all(len(text) <= 4000 for text in reading.evidence.values())


def test_defect_half_a_surrogate_in_a_forged_report_left_the_cell_unrecorded() -> None:
    """In the place of a list, or as a key: msgspec raises a UnicodeEncodeError, and no ValidationError."""
    forged = raw({**entry("passed"), "setup": {"\ud800": 1}})
    assert interpret(forged, [STANDALONE]).state is CellState.CRASHED
    found = outcome(entry("failed", {**exception(), "frames": "\ud800"}))
    assert found.state is OutcomeState.INCONCLUSIVE


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"nodeid": st.just("x.py::test_standalone")},
        optional={
            **dict.fromkeys(PHASES, ANYTHING | st.fixed_dictionaries({"outcome": ANYTHING | st.just("passed")})),
            "outcome": ANYTHING | st.sampled_from(["failed", "skipped", "error"]),
            "metadata": ANYTHING | st.fixed_dictionaries({"call": ANYTHING}),
            "user_properties": ANYTHING,
        },
    )
)
def test_whatever_a_forged_report_holds_is_read_without_an_accident(test: dict[str, Any]) -> None:
    json.dumps(test)
    assert OutcomeState.SUPPORTED not in {one.state for one in interpret(raw(test), [STANDALONE]).outcomes.values()}
    whole = {**test, **{phase: {"outcome": "passed"} for phase in PHASES}}
    assert interpret(raw(whole), [STANDALONE]).outcomes["standalone"].state is not OutcomeState.SUPPORTED
