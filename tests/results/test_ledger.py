"""The ledger loses nothing: merging is a union, writes are whole, and damage is named."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from compatmatrix.core.encoding import canonical, digest
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import Record
from compatmatrix.core.states import CellState
from compatmatrix.results import ledger as room
from compatmatrix.results.ledger import Ledger, append, holders, merge, read, repair
from compatmatrix.results.records import SCHEMA, pins_of
from factories import DAY, RAISES, SUPPORTED, ledger, ledgers, probe, record, release, unsigned


@given(ledgers(), ledgers())
def test_merging_is_commutative(one: Ledger, other: Ledger) -> None:
    assert merge(one, other) == merge(other, one)


@given(ledgers(), ledgers(), ledgers())
def test_merging_is_associative(one: Ledger, two: Ledger, three: Ledger) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(ledgers(), ledgers())
def test_merging_again_changes_nothing(one: Ledger, other: Ledger) -> None:
    both = merge(one, other)
    assert merge(both, other, one) == both


@given(ledgers(), ledgers())
def test_merging_keeps_every_key_and_every_label(one: Ledger, other: Ledger) -> None:
    both = merge(one, other)
    for part in (one, other):
        for key, old in part.records.items():
            for label, instants in old.pairings.items():
                assert set(instants) <= set(both.records[key].pairings[label])
        assert part.evidence.items() <= both.evidence.items()


@settings(max_examples=20)
@given(ledgers([CellState.RAN]), ledgers([CellState.RAN]))
def test_what_is_appended_is_read_back_united(one: Ledger, other: Ledger) -> None:
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records"
        append(records, one)
        append(records, other)
        found = read(records)
        assert found.records == {key: unsigned(record) for key, record in merge(one, other).records.items()}
        assert found.evidence == merge(one, other).evidence
        assert found.releases.keys() == merge(one, other).releases.keys()
        append(records, one)
        assert read(records).records == found.records


def test_the_later_run_of_one_key_is_kept(tmp_path: Path) -> None:
    append(tmp_path, ledger(record("0.1.0", {"standalone": SUPPORTED}, recorded="2025-06-02T00:00:00Z")))
    append(tmp_path, ledger(record("0.1.0", {"standalone": RAISES}, recorded="2025-06-01T00:00:00Z")))
    (kept,) = read(tmp_path).records.values()
    assert kept.outcomes["standalone"] == SUPPORTED
    assert kept.pairings == {"newest": ("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")}


def test_a_file_holds_a_release_one_record_a_line_sorted_by_key(tmp_path: Path) -> None:
    made = [record("0.1.0", companion=str(number)) for number in range(5)]
    append(tmp_path, ledger(*made))
    lines = (tmp_path / "0.1.0.jsonl").read_bytes().splitlines()
    keys = [msgspec.json.decode(line)["key"] for line in lines]
    assert keys == sorted(one.key for one in made)


def test_appending_what_is_known_touches_no_file(tmp_path: Path) -> None:
    append(tmp_path, ledger(record("0.1.0")))
    path = tmp_path / "0.1.0.jsonl"
    os.utime(path, (0, 0))
    append(tmp_path, ledger(record("0.1.0")))
    assert path.stat().st_mtime == 0


def test_what_the_index_says_now_of_a_release_replaces_what_it_said(tmp_path: Path) -> None:
    append(tmp_path, ledger(releases=[release("0.1.0", yanked=True), release("0.2.0")]))
    append(tmp_path, ledger(releases=[release("0.1.0")]))
    found = read(tmp_path).releases
    assert not found["0.1.0"].yanked
    assert "0.2.0" in found, "a release that the index no longer lists stays known"


def test_defect_a_python_that_is_still_missing_made_news_of_every_run(tmp_path: Path) -> None:
    """The record got the new day each time, and with it every report."""
    missing = record("0.1.0", state=CellState.NO_PYTHON)
    append(tmp_path, ledger(missing))
    later = "2025-06-09T00:00:00Z"
    append(tmp_path, ledger(record("0.1.0", state=CellState.NO_PYTHON, recorded=later)))
    assert read(tmp_path).records == {missing.key: missing}
    append(tmp_path, ledger(record("0.1.0", {"standalone": SUPPORTED}, recorded=later)))
    assert read(tmp_path).records[missing.key].state is CellState.RAN


def test_defect_a_machine_without_the_python_overwrote_what_another_had_found() -> None:
    """It was the later record of the same key."""
    ran = record("0.1.0", {"standalone": SUPPORTED})
    missing = record("0.1.0", state=CellState.NO_PYTHON, recorded="2025-06-09T00:00:00Z")
    (kept,) = merge(ledger(ran), ledger(missing)).records.values()
    assert (kept.state, kept.outcomes) == (CellState.RAN, ran.outcomes)


DAMAGE = {
    "half a line": (canonical(record("0.1.0"))[:40], "no valid record"),
    "flipped bytes": (canonical(record("0.1.0")).replace(b"subject", b"sub\xffect"), "no valid record"),
    "a flipped bit in the version": (
        canonical(record("0.1.0")).replace(b'"subject":"0.1.0","versions"', b'"subject":"0.q.0","versions"'),
        "no valid record (Invalid version",
    ),
    "a flipped bit in the key": (
        canonical(msgspec.structs.replace(record("0.1.0"), key="0" * 16)),
        "no valid record (its key",
    ),
    "a flipped bit in an instant": (
        canonical(msgspec.structs.replace(record("0.1.0"), recorded="2025-96-01T00:00:00Z")),
        "no valid record (",
    ),
    "a conflict marker": (b"<<<<<<< HEAD", "a merge-conflict marker"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_line_is_named_kept_and_only_set_aside_when_asked(tmp_path: Path, kind: str) -> None:
    bad, problem = DAMAGE[kind]
    append(tmp_path, ledger(record("0.1.0")))
    path = tmp_path / "0.1.0.jsonl"
    path.write_bytes(bad + b"\n" + path.read_bytes())

    found = read(tmp_path)
    (damage,) = found.damage
    assert str(damage).startswith(f"0.1.0.jsonl:1: {problem}")
    assert len(found.records) == 1, "the rest is used"

    append(tmp_path, ledger(record("0.1.0", companion="2.0")))
    assert bad in path.read_bytes().splitlines(), "nothing is dropped in passing"

    assert [one.problem for one in repair(tmp_path)] == [damage.problem]
    assert read(tmp_path).damage == ()
    assert len(read(tmp_path).records) == 2
    assert path.with_name("0.1.0.jsonl.damaged").read_bytes() == bad + b"\n"
    assert repair(tmp_path) == ()


def test_every_record_names_its_format_and_one_that_does_not_is_of_the_first(tmp_path: Path) -> None:
    one = record("0.1.0")
    append(tmp_path, ledger(one))
    path = tmp_path / "0.1.0.jsonl"
    assert msgspec.json.decode(path.read_bytes())["schema"] == SCHEMA
    path.write_bytes(canonical(one))
    assert read(tmp_path) == ledger(one)


OTHER_FORMATS = {
    "a later one": canonical({**msgspec.to_builtins(record("0.1.0")), "schema": SCHEMA + 1}),
    "one with other fields": canonical({"schema": "2.0", "answers": []}),
    "one whose line has a check": b'{"schema":0,"key":"1","check":"0123456789abcdef"}',
}


@pytest.mark.parametrize("kind", OTHER_FORMATS)
def test_a_record_of_another_format_is_refused_by_name_and_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    """Left out, its cell would be `not-run` in every report, and be run again."""
    append(tmp_path, ledger(record("0.1.0")))
    path = tmp_path / "0.1.0.jsonl"
    path.write_bytes(path.read_bytes() + OTHER_FORMATS[kind] + b"\n")
    before = path.read_bytes()
    refused = rf"0\.1\.0\.jsonl:2: a record of schema .{{1,5}}; this version reads schema {SCHEMA}"
    for act in (read, repair, lambda folder: append(folder, ledger(record("0.1.0", companion="2.0")))):
        with pytest.raises(UserError, match=refused):
            act(tmp_path)
    assert path.read_bytes() == before
    delivered = read(tmp_path, refuse_formats=False)
    assert ([one.line for one in delivered.damage], len(delivered.records)) == ([2], 1), "a shard stops no other"


def test_a_line_of_the_first_format_is_read_and_written_in_todays(tmp_path: Path) -> None:
    lock = ("companion==1.0 --hash=sha256:" + "ab" * 32,)
    one = msgspec.structs.replace(record("0.1.0", {"standalone": SUPPORTED}), lock=lock)
    pins = [short for short, line in pins_of([one]).items() if line in lock]
    (tmp_path / "pins.txt").write_text(f"{lock[0]}\n")
    path = tmp_path / "0.1.0.jsonl"
    path.write_bytes(canonical({**msgspec.to_builtins(one), "lock": pins, "schema": 1}) + b"\n")
    assert read(tmp_path) == ledger(one, releases=[])
    append(tmp_path, ledger(one, releases=[]))
    assert msgspec.json.decode(path.read_bytes())["schema"] == SCHEMA
    assert read(tmp_path) == ledger(one, releases=[])


LATER = "2025-06-09T00:00:00Z"


def _raising(subject: str, evidence: str, source: str = "1", recorded: str = DAY) -> Record:
    """A record with a traceback, and with a lock of which all releases have a part."""
    outcome = msgspec.structs.replace(RAISES, evidence=evidence)
    put = [probe("held", source=source), probe("standalone", source=source)]
    one = record(subject, {"held": outcome, "standalone": outcome}, probes=put, recorded=recorded)
    lock = ("companion==1.0 --hash=sha256:" + "ab" * 32, f"subject=={subject} --hash=sha256:" + "cd" * 32)
    return msgspec.structs.replace(one, lock=lock)


def test_what_a_rerun_makes_of_no_use_goes_and_what_another_record_names_stays(tmp_path: Path) -> None:
    texts = {digest(text): text for text in ("only here", "here and there")}
    gone, kept = texts
    first = [_raising("0.1.0", gone), _raising("0.2.0", kept), _raising("0.3.0", kept)]
    append(tmp_path, msgspec.structs.replace(ledger(*first), evidence=texts))
    append(tmp_path, ledger(_raising("0.1.0", kept, "2", LATER), _raising("0.3.0", kept, "2", LATER)))
    found = read(tmp_path)
    assert found.evidence == {kept: texts[kept]}
    assert (found.damage, len(found.records)) == ((), 3)
    append(tmp_path, ledger(_raising("0.2.0", kept, "2", LATER)))
    probes = [line for line in (tmp_path / "pins.txt").read_text().splitlines() if line.startswith("{")]
    assert len(probes) == 1, "no record was asked the first form any more"
    assert read(tmp_path).damage == ()


def test_a_partial_rerun_is_read_back_as_one_record(tmp_path: Path) -> None:
    append(tmp_path, ledger(record("0.1.0", {"held": SUPPORTED, "standalone": RAISES})))
    again = record("0.1.0", {"standalone": SUPPORTED}, probes=[probe("standalone", source="2")], recorded=LATER)
    append(tmp_path, ledger(again))
    (found,) = read(tmp_path).records.values()
    assert (found.outcomes, found.answered) == ({"held": SUPPORTED, "standalone": SUPPORTED}, {DAY: ("held",)})


def test_evidence_of_a_strange_name_removes_no_file(tmp_path: Path) -> None:
    other = tmp_path / "precious.txt"
    other.write_text("kept")
    records = tmp_path / "records"
    append(records, ledger(_raising("0.1.0", "../../precious")))
    (records / "evidence").mkdir()
    append(records, ledger(_raising("0.1.0", digest("text"), recorded=LATER)))
    assert other.read_text() == "kept"


def test_a_write_that_fails_leaves_the_old_content_and_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path, ledger(record("0.1.0")))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("compatmatrix.core.files.os.replace", full)
    with pytest.raises(InfrastructureError, match="No space left"):
        append(tmp_path, ledger(record("0.1.0", companion="2.0")))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def _append_some(folder: Path, first: int) -> None:
    for number in range(first, first + 15):
        append(folder, ledger(record("0.1.0", companion=str(number), recorded=DAY)))


def test_two_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=_append_some, args=(tmp_path, first)) for first in (0, 100)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    found = read(tmp_path)
    assert [process.exitcode for process in running] == [0, 0]
    assert {one.versions["companion"] for one in found.records.values()} == {
        *map(str, range(15)),
        *map(str, range(100, 115)),
    }
    assert found.damage == ()


def test_a_lock_that_somebody_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr(room, "LOCK_SECONDS", 0)
    # Another object on the same file: within a process, too, a lock is held once.
    with FileLock(tmp_path / ".lock"), pytest.raises(InfrastructureError, match=r"another run has held .*\.lock"):
        append(tmp_path, ledger(record("0.1.0")))


def test_the_pairing_last_found_to_mean_a_cell_is_held_by_it() -> None:
    old = record("0.1.0", companion="1.0", pairings={"newest": ("2025-06-01T00:00:00Z", "2025-06-03T00:00:00Z")})
    new = record("0.1.0", companion="2.0", pairings={"newest": ("2025-06-02T00:00:00Z",), "release-day": (DAY,)})
    found = holders([new, old])
    assert found[("linux-x86_64", "0.1.0", "newest")] == old
    assert found[("linux-x86_64", "0.1.0", "release-day")] == new


def test_a_cell_without_a_python_gives_way_to_any_other() -> None:
    ran = record("0.1.0", companion="1.0")
    missing = record("0.1.0", companion="2.0", state=CellState.NO_PYTHON, recorded="2025-06-09T00:00:00Z")
    assert holders([ran, missing])[("linux-x86_64", "0.1.0", "newest")] == ran


def test_each_companion_version_of_a_grid_holds_a_slot_of_its_own() -> None:
    pair = [record("0.1.0", companion=version, pairings={"grid": (DAY,)}) for version in ("1.0", "2.0")]
    assert {slot[3] for slot in holders(pair, "companion")} == {"1.0", "2.0"}


def test_a_pin_is_on_disk_once_and_whole_in_memory(tmp_path: Path) -> None:
    lock = ("companion==1.0 --hash=sha256:" + "ab" * 32, "subject==0.5.0 --hash=sha256:" + "cd" * 32)
    held = [msgspec.structs.replace(record("0.1", companion=other), lock=lock) for other in ("1.0", "2.0")]
    append(tmp_path, Ledger(records={one.key: one for one in held}))
    *pins, probes = (tmp_path / "pins.txt").read_text().splitlines()
    assert pins == sorted(lock)
    assert probes.startswith('{"environment":{},"probes":{"held":'), "and so are the probes that both were asked"
    assert all("sha256" not in path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert sorted(read(tmp_path).records) == sorted(one.key for one in held)
    assert all(one.lock == lock for one in read(tmp_path).records.values())


def test_a_record_whose_pin_is_lost_is_damage_and_no_record(tmp_path: Path) -> None:
    lock = ("companion==1.0 --hash=sha256:" + "ab" * 32,)
    one = msgspec.structs.replace(record("0.1"), lock=lock)
    append(tmp_path, Ledger(records={one.key: one}))
    (tmp_path / "pins.txt").write_text("")
    found = read(tmp_path)
    assert not found.records
    short = next(short for short, line in pins_of([one]).items() if line in lock)
    assert found.damage[0].problem == f"it names '{short}', which pins.txt does not hold"


def test_defect_evidence_that_was_damaged_ended_every_command(tmp_path: Path) -> None:
    """It was read as UTF-8 that it no longer was."""
    good, bad = "a traceback", "another"
    append(tmp_path, Ledger(evidence={digest(good): good, digest(bad): bad}))
    path = tmp_path / "evidence" / f"{digest(bad)}.txt"
    path.write_bytes(b"an\xffther")
    found = read(tmp_path)
    assert found.evidence == {digest(good): good}
    assert [str(one) for one in found.damage] == [
        f"evidence/{path.name}:1: not the text that its name is the digest of"
    ]
    assert len(repair(tmp_path)) == 1
    assert read(tmp_path).damage == ()
    assert path.with_name(f"{path.name}.damaged").read_bytes() == b"an\xffther"


def test_defect_a_flipped_bit_in_a_releases_version_ended_every_command(tmp_path: Path) -> None:
    append(tmp_path, ledger(releases=[release("0.1.0"), release("0.2.0")]))
    path = tmp_path / "releases.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"0.1.0"', b'"0.q.0"'))
    found = read(tmp_path)
    assert set(found.releases) == {"0.2.0"}
    assert [one.line for one in found.damage] == [1]
