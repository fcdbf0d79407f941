"""The story goes on: run again, change a question, add one, break off, divide, and look at other days."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from compatmatrix.core.states import OutcomeState
from compatmatrix.results import ledger
from fixtures import THIS, Project, write
from packages import world
from packages.index import Fault, LocalIndex
from story import DURING, Story, restored


def test_a_second_run_runs_nothing_and_changes_nothing(story: Story) -> None:
    before = story.files()
    again = story.project.main("run", "--only", "subject!=2.0.0")  # which needs a Python that is not here
    assert again.code == 0
    assert [line for line in again.out.splitlines() if line.startswith("[")] == []
    assert "38 cells on record, nothing new; `--table` shows them" in again.out
    assert story.files() == before


def test_reports_are_rebuilt_byte_for_byte_from_the_records_alone(story: Story) -> None:
    before = story.files()
    for path in story.project.reports.iterdir():
        if path.is_file():
            path.unlink()
    story.index.requests.clear()
    assert story.project.main("report").code == 0
    assert story.files() == before
    assert story.index.requests == []


def test_a_changed_probe_is_run_again_and_no_other(story: Story) -> None:
    with restored(story.project.folder):
        path = story.project.folder / "probes/test_value.py"
        path.write_text(path.read_text().replace("companion.add(1, 2) == 3", "companion.add(2, 2) == 4"))
        planned = story.plan()
        assert isinstance(planned["run"], list)
        assert {tuple(job["probes"]) for job in planned["run"] if job["python"] == THIS} == {("arithmetic",)}
        assert story.project.main("run", "--only", "subject==2.3.0").code == 0
        cell = story.cell("2.3.0")
        assert {probe: found.state.value for probe, found in cell.outcomes.items()} == {
            "held": "supported",
            "standalone": "supported",
            "arithmetic": "supported",
        }
        assert set(story.cell("1.0.0").outcomes) == {"held", "standalone"}, "an old answer is none to a new question"


def test_another_variable_makes_every_answer_stale_and_records_say_with_which_they_were_made(story: Story) -> None:
    with restored(story.project.folder):
        before = story.cell("2.3.0")
        path = story.project.folder / "matrix.toml"
        path.write_text(path.read_text().replace('PLANTED = "by matrix.toml"', 'PLANTED = "otherwise"'))
        assert story.cell("2.3.0").outcomes == {}
        assert story.project.main("run", "--only", "subject==2.3.0").code == 0
        assert story.cell("2.3.0").outcomes == before.outcomes
        known = ledger.read(story.project.records).records.values()
        assert {one.environment["PLANTED"] for one in known if one.cell == before.id} == {"otherwise"}
        assert {one.environment["PLANTED"] for one in known if one.subject == "1.0.0"} == {"by matrix.toml"}


def test_a_new_probe_file_is_all_that_a_new_question_takes(story: Story) -> None:
    with restored(story.project.folder):
        text = 'def test_new_one():\n    """Is it new?"""\n'
        write(story.project.folder / "probes", {"test_new.py": text})
        ran = story.project.main("run", "--only", "subject==1.0.0")
        assert [line.split()[1:3] for line in ran.out.splitlines() if line.startswith("[1/1]")] == [["ran", "✓1"]]
        heading = ran.out[ran.out.index("\nsubject") :].splitlines()[1]
        assert re.findall(r"\S+", heading) == [
            "subject",
            "with",
            "standalone",
            "held",
            "new-one",
            "companion",
            "helper",
            "Python",
        ]
        assert "new-one" in (story.project.reports / "compatibility.md").read_text().replace("\\", "")
        assert story.outcome("1.0.0", "new-one").state is OutcomeState.SUPPORTED
        assert story.outcome("1.0.0").state is OutcomeState.RAISES


def test_a_run_that_was_broken_off_is_taken_up_where_it_stopped(story: Story, tmp_path: Path) -> None:
    reports = ("--reports", str(tmp_path))
    only = ("--only", "subject>=1.0,<1.3")
    part = story.project.main("run", *reports, "--only", "subject==1.1.0")
    assert part.code == 0
    rest = story.project.main("run", *reports, *only)
    run = [line.split(",")[0] for line in rest.out.splitlines() if line.startswith("[")]
    assert sorted(line.split(": ")[1] for line in run) == ["subject 1.0.0", "subject 1.2.0"]
    whole = {record.subject for record in ledger.read(tmp_path / "records").records.values()}
    assert whole == {"1.0.0", "1.1.0", "1.2.0"}


def test_shards_on_machines_of_their_own_come_to_the_same_as_one_run(story: Story, tmp_path: Path) -> None:
    parts = [tmp_path / "one", tmp_path / "two"]
    for number, folder in enumerate(parts, 1):
        arguments = ("--reports", str(folder), "--only", "subject>=1.0,<1.4", "--shard", f"{number}/2")
        assert story.project.main("run", *arguments).code == 0
    united = ledger.merge(*(ledger.read(folder / "records") for folder in parts))
    whole = ledger.read(story.project.records)
    for key, record in united.records.items():
        assert msgspec.structs.replace(record, recorded="", pairings={}) == msgspec.structs.replace(
            whole.records[key], recorded="", pairings={}
        )
    assert {record.subject for record in united.records.values()} == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}


def test_fresh_runs_again_what_is_recorded(story: Story) -> None:
    with restored(story.project.folder):
        ran = story.project.main("run", "--fresh", "--only", "subject==2.3.0")
        assert len([line for line in ran.out.splitlines() if line.startswith("[1/1]")]) == 1


def test_the_world_of_another_day_has_other_cells(story: Story, tmp_path: Path) -> None:
    arguments = ("--as-of", "2024-07-10", "--only", "subject==0.3.0", "--pairing", "newest")
    assert story.project.main("run", "--reports", str(tmp_path), *arguments).code == 0
    (record,) = ledger.read(tmp_path / "records").records.values()
    assert (record.versions["companion"], record.versions["helper"]) == ("2.0", "0.1")
    assert record.pairings == {"newest": ("2024-07-11T00:00:00Z",)}


def test_defect_an_index_without_upload_times_was_said_to_have_nothing_of_that_day(tmp_path: Path) -> None:
    """It said that nothing matched, and ended with 0, as if that were an answer."""
    with LocalIndex(html_only=True) as index:
        world.fill(index, tools=False)
        said = Project.make(tmp_path, index.url).main("plan", "--as-of", "2024-07-10")
    assert said.code == 1
    assert "the index gives no upload times of subject" in said.err


def test_oldest_and_grid_are_to_be_had_on_demand(story: Story, tmp_path: Path) -> None:
    arguments = ("--reports", str(tmp_path), "--only", "subject==0.3.0", "--pairing", "oldest", "--pairing", "grid")
    assert story.project.main("run", *arguments, "--only", "companion<2").code == 0
    found = ledger.read(tmp_path / "records").records.values()
    labels = {(label, record.versions["companion"]) for record in found for label in record.pairings}
    assert labels == {("oldest", "1.0"), ("grid", "1.0"), ("grid", "1.1"), ("grid", "1.2")}
    planned = json.loads(story.project.main("plan", *arguments, "--format", "json").out)
    # Only the grid without the bound on the companion is left: what is on record is not so much as resolved again.
    assert {job["versions"]["companion"] for job in planned["run"]} == {"2.0", "3.0"}


def test_an_index_that_fails_at_one_cell_leaves_it_for_the_next_run(story: Story, tmp_path: Path) -> None:
    arguments = ("run", "--reports", str(tmp_path), "--only", "subject==9.0.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPATMATRIX_CACHE", str(tmp_path / "cache"))
        story.index.add(world.subject("works", "9.0.0", DURING))
        try:
            story.index.fault(Fault.ERROR, "*subject-9.0.0*.whl")
            failed = story.project.main(*arguments)
            assert failed.code == 1
            assert "not examined: subject 9.0.0" in failed.out
            assert "500 Internal Server Error" in failed.out
            assert ledger.read(tmp_path / "records").records == {}
            story.index.heal()
            assert story.project.main(*arguments).code == 0
            assert len(ledger.read(tmp_path / "records").records) == 1
        finally:
            story.index.heal()
            story.index.remove("subject", "9.0.0")
