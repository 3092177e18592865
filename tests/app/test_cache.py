"""What a collection keeps for whom, what the work directory is said to hold, and the order of runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loc.app import record as record_module
from loc.app.batch import run_all
from loc.app.cache import collect, needed, survey
from loc.app.record import new_run_id, read_run, run_ids, runs
from loc.app.status import status
from loc.app.verify import verify
from loc.errors import Interrupted, StorageError
from loc.settings import Settings
from loc.store import locks
from loc.store.workdir import ActionRecord, SuppliedRecord, WorkDir
from tests.app.toy import Toy

Make = Callable[..., Settings]


def store_of(settings: Settings) -> WorkDir:
    return WorkDir(settings.work_dir)


def run(toy: Toy, video: Path, settings: Settings) -> list[str]:
    """Run a job; what was made."""
    toy.made.clear()
    [outcome] = run_all([video], toy.graph(), settings)
    assert outcome.code == 0
    return list(toy.made)


def translate(video: Path, text: str, language: str = "ja") -> None:
    path = video.with_name(f"talk.{language}.srt")
    path.write_text(f"1\n00:00:00,000 --> 00:00:00,400\n{text}\n", encoding="utf-8")


def test_two_languages_are_kept_whole(toy: Toy, video: Path, settings: Make) -> None:
    given = settings(languages=("ja", "es"))
    run(toy, video, given)
    held = store_of(given).sizes()
    found = collect(store_of(given))
    assert (found.actions, found.kept_actions) == (0, 5)
    assert store_of(given).sizes().items() <= held.items()
    assert run(toy, video, given) == []


def test_runs_of_one_language_keep_what_each_needs(toy: Toy, video: Path, settings: Make) -> None:
    for language in ("ja", "es"):
        run(toy, video, settings(languages=(language,)))
    assert collect(store_of(settings())).actions == 0
    for language in ("ja", "es"):
        assert run(toy, video, settings(languages=(language,))) == []


def test_after_an_edit_the_old_line_goes(toy: Toy, video: Path, settings: Make) -> None:
    given = settings(languages=("ja", "es"))
    run(toy, video, given)
    translate(video, "new")
    assert run(toy, video, settings(source_language="en")) == ["translate.take", "deliver.mux"]
    assert collect(store_of(given), dry_run=True).actions == 2
    assert collect(store_of(given)).actions == 2
    assert run(toy, video, settings(source_language="en")) == []
    (video.parent / "talk.ja.srt").unlink()
    assert run(toy, video, given) == ["translate.line", "deliver.mux"], "only the Japanese, as it was before"


def test_variants_are_kept_side_by_side(toy: Toy, video: Path, settings: Make) -> None:
    for crf in (18, 30):
        run(toy, video, settings(crf=crf))
    assert collect(store_of(settings())).actions == 0
    for workers, place in ((1, "a/"), (3, "b/")):
        run(toy, video, settings(workers=workers, output=f"{video.parent}/{place}"))
    assert len(needed(store_of(settings()))) == 2, "how and where it is done makes no variant"


def test_an_unfinished_run_is_kept_beside_the_finished_one(toy: Toy, video: Path, settings: Make) -> None:
    def interrupt(name: str) -> None:
        if name == "deliver.mux":
            raise KeyboardInterrupt

    run(toy, video, settings())
    translate(video, "new")
    toy.before_make = interrupt
    with pytest.raises(Interrupted):
        run_all([video], toy.graph(), settings())
    toy.before_make = lambda name: None
    assert collect(store_of(settings())).actions == 0
    assert run(toy, video, settings()) == ["deliver.mux"]


def test_work_that_was_stopped_is_kept_until_a_run_finishes(toy: Toy, video: Path, settings: Make) -> None:
    """The first run is stopped at its end, the next one as it begins: it has touched nothing."""

    def stopped_at(name: str, last: str) -> None:
        if name == last:
            raise KeyboardInterrupt

    for last, changes in (("deliver.mux", {}), ("ingest.read", {"force": ("ingest",)})):
        toy.before_make = partial(stopped_at, last=last)
        with pytest.raises(Interrupted):
            run_all([video], toy.graph(), settings(**changes))
    toy.before_make = lambda name: None
    assert collect(store_of(settings())).actions == 0
    assert run(toy, video, settings()) == ["deliver.mux"]
    translate(video, "new")
    run(toy, video, settings())
    assert len(needed(store_of(settings()))) == 2, "the newest finished, and the newest unfinished as ever"


def test_while_a_source_is_worked_on_all_its_runs_are_kept(toy: Toy, video: Path, settings: Make) -> None:
    run(toy, video, settings())
    translate(video, "new")
    run(toy, video, settings())
    store = store_of(settings())
    with locks.acquire(store.root / "runs" / run_ids(store)[0] / "lease"):
        assert next(status(store)).state == "finished"
        assert collect(store).actions == 0
    assert collect(store).actions == 2


def test_a_killed_run_keeps_what_it_recorded_but_did_not_log(toy: Toy, video: Path, settings: Make) -> None:
    run(toy, video, settings())
    store = store_of(settings())
    (store.root / "runs" / run_ids(store)[0] / "events.ndjson").write_bytes(b'\xff{"type":"action-do')
    assert collect(store).actions == 0


def test_a_run_whose_record_is_damaged_is_kept(toy: Toy, video: Path, settings: Make) -> None:
    run(toy, video, settings())
    translate(video, "new")
    run(toy, video, settings())
    store = store_of(settings())
    (store.root / "runs" / run_ids(store)[1] / "run.json").write_bytes(b"{")
    assert collect(store).actions == 0


def test_imported_text_is_kept(toy: Toy, video: Path, settings: Make) -> None:
    store = store_of(settings())
    ref = store.put_bytes(b"an edit")
    store.supply("a" * 64, SuppliedRecord("transcript", "en", "x.srt", ref, ()))
    del store
    store = store_of(settings())
    assert collect(store).objects == 0
    assert store.read_bytes(ref) == b"an edit"


def test_what_may_not_be_read_is_not_taken_for_what_nobody_needs(
    toy: Toy, video: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(toy, video, settings())
    store = store_of(settings())
    ref = store.put_bytes(b"an edit")
    store.supply("a" * 64, SuppliedRecord("transcript", "en", "x.srt", ref, ()))
    del store
    store = store_of(settings())
    held = store.sizes()
    [supplied] = (store.root / "supplied").rglob("*.json")
    read, access = Path.read_bytes, os.access

    def refuse(path: Path) -> bytes:
        if path == supplied:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        for look in (collect, survey):
            with pytest.raises(StorageError, match="Could not read what the work directory holds"):
                look(store)
    private = {
        store.root / "runs" / run_ids(store)[0] / "events.ndjson",
        store.action_path(next(store.action_keys())),
        store.action_path(next(store.action_keys())).parent,
        store.object_path(ref.sha256),
    }
    for path in private:
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda asked, mode, own=path: asked != own and access(asked, mode))
            with pytest.raises(StorageError, match=path.name):
                collect(store)
    assert store.sizes() == held


def test_text_that_is_withdrawn_meanwhile_is_no_error(
    store: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = store.put_bytes(b"an edit")
    store.supply("a" * 64, SuppliedRecord("transcript", "en", "x.srt", ref, ()))
    real = Path.open

    def withdraw(path: Path, mode: str = "r", **more: Any) -> Any:
        if "supplied" in path.parts:
            assert store.withdraw("a" * 64, "transcript", None)
        return real(path, mode, **more)

    other = WorkDir(store.root)
    monkeypatch.setattr(Path, "open", withdraw)
    assert collect(other).objects == 0, "claimed by who registered it"
    assert not other.supplied("a" * 64)


def test_a_folder_that_cannot_be_listed_is_told(store: WorkDir) -> None:
    (store.root / "objects" / "stray").touch()
    with pytest.raises(StorageError, match="Could not read what the work directory holds"):
        collect(store)


def test_survey_counts_every_object_where_it_belongs(toy: Toy, video: Path, settings: Make) -> None:
    given = settings(languages=("ja", "es"))
    run(toy, video, given)
    found = survey(store_of(given))
    assert found.total.objects == len(store_of(given).sizes())
    assert found.total.bytes == store_of(given).bytes_kept()
    assert {share.name: share.objects for share in found.kinds} == {
        "ingest.read": 1,
        "translate.line": 2,
        "deliver.mux": 2,
        "in no record": 1,
    }
    assert {share.name: share.objects for share in found.languages} == {"shared": 1, "ja": 2, "es": 2}
    assert [(share.objects, share.note) for share in found.sources] == [(5, "talk.mp4")]
    assert [(share.objects, share.note) for share in found.runs] == [(5, "kept")]
    translate(video, "new")
    run(toy, video, settings(source_language="en"))
    translate(video, "newer")
    run(toy, video, settings(source_language="en"))
    assert [share.note for share in survey(store_of(given)).runs] == ["kept", "may go", "kept"]


def test_verify_names_what_is_wrong_and_a_run_mends_it(toy: Toy, video: Path, settings: Make) -> None:
    run(toy, video, settings())
    store = store_of(settings())
    by_name = {item.name: item for item in store.actions()}
    read, line, mux = (by_name[name] for name in ("ingest.read", "translate.line", "deliver.mux"))
    store.object_path(read.outputs["out"].sha256).write_bytes(b"spoilt")
    store.object_path(line.outputs["out"].sha256).unlink()
    store.action_path(mux.key).write_bytes(store.action_path(mux.key).read_bytes().replace(b"0.", b"1."))
    found = verify(store_of(settings()))
    assert not found.intact
    assert found.damaged == (read.outputs["out"].sha256,)
    assert found.missing == (line.outputs["out"].sha256,)
    assert found.damaged_records == (mux.key,)
    assert found.forgotten == 3
    found = verify(store_of(settings()))
    assert found.intact
    assert set(found.unrecorded) == {read.key, line.key, mux.key}
    assert len(run(toy, video, settings())) == 3
    found = verify(store_of(settings()))
    assert found.intact
    assert found.unrecorded == ()


def test_verify_misses_nothing_that_a_run_makes_meanwhile(
    toy: Toy, video: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(toy, video, settings())
    store = store_of(settings())
    [name] = run_ids(store)
    first = next(store.actions())
    read, made = WorkDir.read_action, "f" * 64

    def making(self: WorkDir, key: str) -> ActionRecord | None:
        if not self.action_path(made).exists():
            self.record_action(replace(first, key=made))
            log = self.root / "runs" / name / "events.ndjson"
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            told = [line.replace(first.key, made) for line in lines if first.key in line]
            log.write_text("".join([*lines, *told]), encoding="utf-8")
        return read(self, key)

    monkeypatch.setattr(WorkDir, "read_action", making)
    found = verify(store_of(settings()))
    assert found.intact
    assert (found.unrecorded, found.records) == ((), 4)


class _Clock:
    """A clock that goes where it is told."""

    time = datetime(2030, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, _zone: object) -> datetime:
        return cls.time

    strptime = staticmethod(datetime.strptime)


def test_runs_stay_in_order_when_the_clock_goes_back(
    toy: Toy, video: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order by the clock would make the first run the newest, and a collection would drop the second's."""
    monkeypatch.setattr(record_module, "datetime", _Clock)
    run(toy, video, settings())
    monkeypatch.setattr(_Clock, "time", datetime(2020, 1, 1, tzinfo=UTC))
    translate(video, "new")
    run(toy, video, settings())
    store = store_of(settings())
    assert [item.started[:4] for item in runs(store)] == ["2020", "2030"]
    assert collect(store).actions == 2
    assert run(toy, video, settings()) == []


def test_a_clock_that_goes_back_within_a_run(
    toy: Toy, video: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each action sets clock and file times back by a year, and a collection beside it knows what is new."""
    given = settings(languages=("ja", "es"))
    monkeypatch.setattr(record_module, "datetime", _Clock)
    collected = []

    def set_back(name: str) -> None:
        monkeypatch.setattr(_Clock, "time", _Clock.time.replace(year=_Clock.time.year - 1))
        for path in given.work_dir.rglob("*"):
            if path.is_file():
                os.utime(path, (_Clock.time.timestamp(),) * 2)
        if name == "deliver.mux":
            collected.append(collect(store_of(given)).actions)

    toy.before_make = set_back
    assert len(run(toy, video, given)) == 5
    translate(video, "new")
    assert run(toy, video, settings(languages=("ja", "es"), source_language="en")) == [
        "translate.take",
        "deliver.mux",
    ]
    assert collected == [0, 0, 0], "the first run's lines stay until the second has ended"
    store = store_of(given)
    times = [(item.started[:4], (item.finished or "")[:4]) for item in runs(store)]
    assert times == [("2025", "2023"), ("2030", "2025")]
    assert verify(store).intact
    assert collect(store).actions == 2
    assert run(toy, video, settings(languages=("ja", "es"), source_language="en")) == []


def test_run_ids_sort_behind_the_newest() -> None:
    future = "29990101T000000.000000Z-ffff"
    assert new_run_id(future) > future
    assert new_run_id(future)[:22] == "29990101T000000.000001"
    assert new_run_id(None) < future
    assert new_run_id("something else") < future


def test_a_run_that_is_no_run_is_no_trouble(toy: Toy, video: Path, settings: Make) -> None:
    store = store_of(settings())
    (store.root / "runs" / "20200101T000000.000000Z-0000").mkdir()
    (store.root / "runs" / "stray").touch()
    assert run(toy, video, settings()) != []
    assert len(list(status(store))) == 1
    assert collect(store).actions == 0
    assert read_run(store, "stray") is None
