"""Plan, explain, status, verify: what is told about work without doing any."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loc.app.batch import run_all
from loc.app.explain import Change, difference, explain
from loc.app.plan import Row, plan
from loc.app.run import Graph, prepare
from loc.app.status import status
from loc.app.verify import verify
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.app.toy import MISSING, Toy

Make = Callable[..., Settings]


def plan_of(video: Path, graph: Graph, settings: Settings) -> list[Row]:
    store = WorkDir(settings.work_dir)
    return plan(prepare(video, graph, store, settings, look=True), graph, store, settings)


def explained(video: Path, graph: Graph, settings: Settings) -> dict[str, str]:
    store = WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    return {item.action or item.stage: item.reason for item in explain(prepared, graph, store, settings)}


def test_plan_of_a_new_job_says_what_depends_on_what(toy: Toy, video: Path, settings: Make) -> None:
    rows = plan_of(video, toy.graph(), settings())
    assert [(row.stage, row.misses, row.waits_for) for row in rows] == [
        ("ingest", 1, None),
        ("translate", 0, "ingest"),
        ("deliver", 0, "ingest"),
    ]
    assert toy.made == []
    assert all(row.estimate is None for row in rows)


def test_plan_after_a_run_estimates_from_what_was_measured(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    rows = plan_of(video, toy.graph(), settings(languages=("ja", "es")))
    assert [(row.stage, row.language, row.hits, row.misses) for row in rows] == [
        ("ingest", None, 1, 0),
        ("translate", "ja", 1, 0),
        ("deliver", "ja", 1, 0),
        ("translate", "es", 0, 1),
        ("deliver", "es", 0, 0),
    ]
    assert rows[3].estimate is not None
    assert rows[3].estimate.measured == 1
    assert rows[4].waits_for == "translate"


def test_plan_shows_a_missing_backend_instead_of_failing(toy: Toy, video: Path, settings: Make) -> None:
    graph = toy.graph(toy.backend(needs=(MISSING,)))
    row = plan_of(video, graph, settings())[1]
    assert (row.card, row.problem) == (None, "no backend can do it")
    assert row.rejected[0].missing == (MISSING,)


def test_plan_says_why_each_other_backend_was_not_taken(toy: Toy, video: Path, settings: Make) -> None:
    better = toy.backend(name="better", quality="good")
    row = plan_of(video, toy.graph(toy.backend(), better), settings())[1]
    assert row.card is not None
    assert row.card.name == "better"
    assert [(item.card.name, item.gate) for item in row.rejected] == [("toy", "rank")]


def test_plan_counts_forced_stages_as_misses(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    rows = plan_of(video, toy.graph(), settings(force=("translate",)))
    assert [(row.hits, row.misses) for row in rows] == [(1, 0), (0, 1), (0, 0)]


def test_explain_names_the_field_that_changed(toy: Toy, video: Path, settings: Make) -> None:
    graph = toy.graph()
    assert explained(video, graph, settings())["ingest.read"] == "not made in any earlier run"
    run_all([video], graph, settings())
    assert set(explained(video, graph, settings()).values()) == {""}
    assert explained(video, graph, settings(crf=30))["deliver.mux"] == "changed: params.crf"
    newer = toy.graph(toy.backend(version="2"))
    found = explained(video, newer, settings())
    assert found["translate.line"] == "changed: backend[1]"
    assert found["deliver"] == "depends on translate"
    assert explained(video, graph, settings(force=("deliver",)))["deliver.mux"] == "forced"


def test_explain_of_a_changed_file_and_of_lost_objects(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    for _, path in list(WorkDir(settings().work_dir).objects()):
        os.truncate(path, 0)
    assert "gone" in explained(video, toy.graph(), settings())["ingest.read"]
    video.write_bytes(video.read_bytes() + b"\0" * 8)
    assert explained(video, toy.graph(), settings())["ingest.read"] == "changed: inputs.file"


def test_difference_shortens_digests_and_sees_what_is_absent() -> None:
    before = {"a": {"x": 1, "d": "a" * 64}, "l": [1, 2]}
    after = {"a": {"x": 2, "d": "b" * 64}, "l": [1]}
    assert list(difference(before, after)) == [
        Change("a.d", "a" * 12, "b" * 12),
        Change("a.x", "1", "2"),
        Change("l[1]", "2", None),
    ]


def test_status_tells_finished_and_killed_runs(toy: Toy, video: Path, settings: Make) -> None:
    store = WorkDir(settings().work_dir)
    assert list(status(store)) == []

    def die(name: str) -> None:
        if name == "translate.line":
            os.kill(os.getpid(), signal.SIGKILL)

    toy.before_make = die
    child = multiprocessing.get_context("fork").Process(
        target=run_all, args=([video], toy.graph(), settings())
    )
    child.start()
    child.join()
    [killed] = status(store, video)
    assert killed.state == "killed"
    assert [(stage.stage, stage.seconds is None) for stage in killed.stages] == [
        ("ingest", False),
        ("translate", True),
    ]
    toy.before_make = lambda name: None
    run_all([video], toy.graph(), settings())
    assert toy.made == ["translate.line", "deliver.mux"]
    newest = next(iter(status(store)))
    assert (newest.state, newest.record.exit_code, newest.record.hits) == ("finished", 0, 1)


def test_status_sees_a_run_that_is_alive(toy: Toy, video: Path, settings: Make) -> None:
    seen = []
    toy.before_make = lambda name: seen.append(next(iter(status(WorkDir(settings().work_dir)))).state)
    run_all([video], toy.graph(), settings())
    assert set(seen) == {"running"}


def test_verify_finds_every_kind_of_damage_and_the_next_run_mends_it(
    toy: Toy, video: Path, settings: Make
) -> None:
    run_all([video], toy.graph(), settings())
    output = (video.parent / "talk.ja.mp4").read_bytes()
    store = WorkDir(settings().work_dir)
    whole = verify(store)
    assert whole.intact
    assert whole.records == 3
    named = [record.outputs["out"].sha256 for record in store.actions()]
    objects = [store.object_path(sha256) for sha256 in named]
    objects[0].write_bytes(bytes(objects[0].stat().st_size))
    objects[1].unlink()
    found = verify(store)
    assert (len(found.damaged), len(found.missing)) == (1, 1)
    assert found.forgotten >= 1
    assert verify(store).intact
    (video.parent / "talk.ja.mp4").unlink()
    run_all([video], toy.graph(), settings())
    assert (video.parent / "talk.ja.mp4").read_bytes() == output


def test_looking_leaves_no_run_behind(toy: Toy, video: Path, settings: Make) -> None:
    plan_of(video, toy.graph(), settings())
    explained(video, replace(toy.graph()), settings())
    assert not list((settings().work_dir / "runs").iterdir())
