"""The search: how many it judges, what it skips, what it says where it cannot decide; git replays its log."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from math import ceil, log2
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.bisect.result import Bisection, Item, Question
from compatmatrix.bisect.search import SKIP, Change, Step, Undecided, Verdict, halve, scan
from repositories import create, line

YES, NO, OTHER = Verdict(kind=("supported", None)), Verdict(kind=("raises", "E: no")), Verdict(kind=("raises", "T: no"))
UNBUILT = Verdict(why="cannot be built")
IMPORT = Verdict(kind=("import-fails", "ImportError: x"), broken=True)


class Judged:
    """A judge that knows all answers, and counts."""

    def __init__(self, verdicts: Mapping[str, Verdict]) -> None:
        self.verdicts, self.asked, self.steps = verdicts, list[str](), list[Step]()

    def __call__(self, item: str) -> Verdict:
        self.asked.append(item)
        return self.verdicts[item]


def sequence(*spans: tuple[Verdict, int]) -> Judged:
    verdicts = [verdict for verdict, count in spans for _ in range(count)]
    return Judged({f"{number:04}": verdict for number, verdict in enumerate(verdicts)})


def found(judge: Judged) -> Change:
    return halve(list(judge.verdicts), judge, judge.steps.append)


@pytest.mark.parametrize("count", [64, 256, 1024])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_judges_both_ends_and_the_logarithm_of_what_is_between(count: int, where: str) -> None:
    changed = {"first": 1, "middle": count // 2 + 1, "last": count - 1}[where]
    judge = sequence((NO, changed), (YES, count - changed))
    assert found(judge) == Change(good=f"{changed - 1:04}", bad=f"{changed:04}")
    assert len(judge.asked) == len(set(judge.asked)) <= 2 + ceil(log2(count - 1))


def test_a_change_of_signature_is_a_change() -> None:
    assert found(sequence((NO, 5), (OTHER, 4))).bad == "0005"


def test_what_is_neither_like_the_good_end_nor_like_the_bad_one_has_changed() -> None:
    assert found(sequence((NO, 3), (OTHER, 2), (YES, 4))).bad in ("0003",)


def test_a_stretch_that_cannot_be_judged_is_left_and_not_crossed_step_by_step() -> None:
    judge = sequence((NO, 300), (UNBUILT, 400), (NO, 100), (YES, 224))
    assert found(judge) == Change(good="0799", bad="0800")
    assert len(judge.asked) <= 2 * log2(1024), "not the 400 that cannot be judged"


def test_the_answer_is_a_range_where_only_such_are_left() -> None:
    judge = sequence((NO, 6), (UNBUILT, 3), (YES, 7))
    assert found(judge) == Change(good="0005", bad="0009", between=("0006", "0007", "0008"))
    skipped = {step.item: step.verdict.why for step in judge.steps if step.side == SKIP}
    assert skipped == dict.fromkeys(["0007", "0006", "0008"], "cannot be built")


def test_a_broken_import_is_skipped_unless_an_end_is_broken() -> None:
    assert found(sequence((NO, 4), (IMPORT, 1), (NO, 3), (YES, 4))).bad == "0008"
    assert found(sequence((YES, 4), (IMPORT, 8))).bad == "0004", "an import that broke is what is looked for"


@pytest.mark.parametrize(
    ("judge", "why"),
    [
        (sequence((NO, 4), (YES, 4), (NO, 4)), "both ends answer alike"),
        (sequence((UNBUILT, 1), (YES, 4)), "the good end, 0000, cannot be judged: cannot be built"),
        (sequence((NO, 4), (UNBUILT, 1)), "the bad end, 0004, cannot be judged"),
    ],
)
def test_without_two_ends_that_differ_there_is_nothing_to_find(judge: Judged, why: str) -> None:
    with pytest.raises(Undecided, match=why):
        found(judge)


def test_a_scan_finds_every_change_also_one_that_is_taken_back() -> None:
    judge = sequence((NO, 4), (UNBUILT, 1), (YES, 2), (NO, 2), (OTHER, 3))
    assert list(scan(list(judge.verdicts), judge)) == [
        Change(good="0003", bad="0005", between=("0004",)), Change(good="0006", bad="0007"), Change(good="0008", bad="0009"),
    ]  # fmt: skip
    assert len(judge.asked) == len(set(judge.asked)) == 12
    with pytest.raises(Undecided, match="like the first"):
        unchanged = sequence((NO, 5), (UNBUILT, 1), (NO, 1))
        list(scan(list(unchanged.verdicts), unchanged))


def test_a_scan_that_stops_at_the_first_change_judges_no_more() -> None:
    judge = sequence((NO, 4), (YES, 20), (NO, 5))
    assert next(scan(list(judge.verdicts), judge)) == Change(good="0003", bad="0004")
    assert len(judge.asked) == 6, "the bad end, and what comes before the change"


def test_defect_what_is_on_record_inside_the_range_contradicts_the_answer() -> None:
    judge = sequence((NO, 10), (YES, 5), (NO, 15), (YES, 20))
    assert found(judge).bad == "0030", "halving finds one of the changes"
    known = {"0003", "0012", "0049"}
    change = halve(list(judge.verdicts), judge, recorded=known.__contains__)
    assert change == Change(good="0009", bad="0010"), "the first that the records know of"
    taken_back = sequence((NO, 10), (YES, 5), (NO, 10))
    assert halve(list(taken_back.verdicts), taken_back, recorded=known.__contains__).bad == "0010"


@given(st.lists(st.sampled_from([NO, YES, OTHER, UNBUILT, IMPORT]), min_size=2, max_size=40))
def test_what_is_found_has_the_good_answer_before_another_after_and_nothing_judged_between(
    answers: list[Verdict],
) -> None:
    judge = sequence(*((answer, 1) for answer in answers))
    try:
        answer = found(judge)
    except Undecided:
        return
    ends_broken = answers[0].broken or answers[-1].broken
    items = list(judge.verdicts)
    assert judge.verdicts[answer.good].kind == answers[0].kind
    assert judge.verdicts[answer.bad].kind not in (None, answers[0].kind)
    assert tuple(items[items.index(answer.good) + 1 : items.index(answer.bad)]) == answer.between
    for item in answer.between:
        assert judge.verdicts[item].kind is None or (judge.verdicts[item].broken and not ends_broken)
    assert len(judge.asked) == len(set(judge.asked)), "nothing is judged twice"


@given(st.integers(2, 200), st.data())
def test_halving_and_scanning_agree_where_the_answer_changes_once(count: int, data: st.DataObject) -> None:
    changed = data.draw(st.integers(1, count - 1))
    judge = sequence((NO, changed), (YES, count - changed))
    assert [found(judge)] == list(scan(list(judge.verdicts), judge))


def test_git_replays_the_log(tmp_path: Path) -> None:
    repository = create(tmp_path / "repository", *line(("raises", 5), ("works", 4)))
    commits = repository.commits
    judge = Judged(dict(zip(commits, [NO] * 3 + [UNBUILT] * 2 + [YES] * 4, strict=True)))
    answer = found(judge)
    log = tmp_path / "it.log"
    question = Question(probe="standalone", digest="d", good=commits[0], bad=commits[-1])
    ends = Item(id=commits[0]), Item(id=commits[-1])
    result = Bisection(id=question.id, question=question, ends=ends)
    log.write_bytes(result.files(judge.steps)[f"bisections/{question.id}.log"])
    assert [step.side for step in judge.steps].count(SKIP) == 2
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=repository.path, check=True)
    done = subprocess.run(["git", "bisect", "replay", str(log)], cwd=repository.path, capture_output=True, text=True)
    assert "first bad commit could be any of" in done.stdout + done.stderr
    assert all(sha in done.stdout for sha in (*answer.between, answer.bad))
