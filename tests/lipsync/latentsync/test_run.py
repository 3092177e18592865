"""`loc run` with a tiny LatentSync on the shelf: which cuts get finals, what is swapped, and what stays."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from cli.graph import load_graph
from cli.main import app
from loc.app.plan import Row, plan
from loc.app.run import RunResult, prepare, run_job
from loc.artifacts import PictureScore, Score
from loc.backend import Host
from loc.device import Device, Resident
from loc.errors import ExitCode, MissingError, UsageError
from loc.events import ActionDone, CutDecided, Defect, Event, Notice
from loc.settings import Settings
from loc.store.workdir import WorkDir
from stages.lipsync import score as scoring
from stages.lipsync.contract import Patch, RedrawWindow
from stages.lipsync.latentsync import LatentSync
from stages.lipsync.latentsync import model as nets
from stages.lipsync.latentsync.room import Takes
from tests.lipsync.latentsync import tiny
from tests.lipsync.musetalk import tiny as tiny_musetalk
from tests.presenter import Film, write_subtitles
from tests.weights.shelving import place

Run = Callable[..., tuple[RunResult, list[Event]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, two_shot_film: Film) -> Path:
    folder = tmp_path_factory.mktemp("latentsync")
    shutil.copy(two_shot_film.path, folder / "talk.mp4")
    lines = two_shot_film.truth.lines
    write_subtitles(folder / "talk.en.srt", lines, [line.text for line in lines])
    write_subtitles(folder / "talk.ja.srt", lines, ["犬は動きます。"] * len(lines))
    tiny.register(folder / "data")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    def go(**changes: Any) -> tuple[RunResult, list[Event]]:
        given = {"languages": ("ja",), "work_dir": folder / "work", "overwrite": True, "page": "none"}
        given |= {"source_language": "en", "finals_steps": 2, "data_dir": folder / "data"}
        settings = Settings(**{**given, **changes})
        store, graph, events = WorkDir(settings.work_dir), load_graph(), list[Event]()
        prepared = prepare(folder / "talk.mp4", graph, store, settings)
        return run_job(prepared, graph, store, settings, [events.append]), events

    return go


@pytest.fixture(scope="module")
def drafted(run: Run, folder: Path) -> Callable[[str], Path]:
    """A work directory of a test's own in which drafts are made. They are made once: objects are shared by
    hard links, since nothing ever writes to one."""
    made = folder / "drafted"
    result, _ = run(quality="draft", work_dir=made)
    assert result.exit_code is ExitCode.DONE, result.error
    return lambda name: Path(shutil.copytree(made, folder / name, copy_function=os.link))


@pytest.fixture(scope="module")
def redrawn(run: Run, folder: Path, drafted: Callable[[str], Path]) -> Callable[[str], Path]:
    """The same with a final of cut 1."""
    made = drafted("redrawn")
    result, events = run(finals="1", work_dir=made)
    assert [event.unit[:5] for event in drawn_finals(events)] == ["cut 1"], result.error
    return lambda name: Path(shutil.copytree(made, folder / name, copy_function=os.link))


def planted(values: Mapping[tuple[str, int], float]) -> Callable[..., dict[int, Score]]:
    """Scores that say what a test wants, by backend and number of the cut; the pictures' are all alike."""
    look = PictureScore(seam=1.0, lip_colour=2.0, sharpness=1.0, jitter=None, outside=0)

    def scores(
        _context: Any, _film: Any, backend: Any, drawn: Sequence[Any], _clips: Any
    ) -> dict[int, Score]:
        take = f"{backend.card.name} again" if getattr(backend, "_again", False) else backend.card.name
        return {
            one.redraw.cut: Score(
                measure="syncnet", value=values.get((take, one.redraw.cut + 1), 6.0), n=50, picture=look
            )
            for one in drawn
        }

    return scores


def made(events: Sequence[Event]) -> Counter[str]:
    return Counter(event.action for event in events if isinstance(event, ActionDone) and not event.hit)


def cuts(events: Sequence[Event]) -> list[CutDecided]:
    return [event for event in events if isinstance(event, CutDecided)]


def routes(events: Sequence[Event]) -> list[str]:
    return [cut.route for cut in cuts(events)]


def pictures(result: RunResult) -> npt.NDArray[np.uint8]:
    """Luma of the output, [n, h, w]."""
    import av

    (language,) = result.languages
    with av.open(str(language.targets.video)) as container:  # type: ignore[union-attr]
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def test_a_low_score_gets_a_final_and_only_its_frames_change(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({}))
    first, events = run(quality="draft")
    assert first.exit_code is ExitCode.DONE, first.error
    assert routes(events) == ["draft", "draft"]
    before = pictures(first)

    monkeypatch.setattr(scoring, "scores", planted({("warp", 2): 1.0}))
    second, events = run(quality="standard")
    assert second.exit_code is ExitCode.DONE, second.error
    assert routes(events) == ["draft", "final"]
    assert cuts(events)[1].reasons == ("low-score",)
    assert cuts(events)[1].backend == "latentsync"
    work = made(events)
    assert work["lipsync.final"] >= 1
    assert not any(name in work for name in ("lipsync.draw", "faces.track", "dub.speak", "translate.text"))

    after = pictures(second)
    assert len(after) == len(before)
    changed = np.abs(after.astype(int) - before).reshape(len(after), -1).max(axis=1) > 8
    start, stop = cuts(events)[1].frames.start, cuts(events)[1].frames.stop
    assert changed[start:stop].any()
    assert not changed[:start].any()

    third, events = run(quality="standard")
    assert third.misses == 0
    assert routes(events) == ["draft", "final"]


def test_max_draws_every_cut_again_and_says_what_that_takes(
    run: Run, folder: Path, drafted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({}))
    work = drafted("max")
    first, events = run(finals="1", work_dir=work)
    begun = next(place for place, event in enumerate(events) if isinstance(event, ActionDone))
    (room,) = filter(is_room, events[:begun])
    assert isinstance(room, Notice)
    assert room.message.startswith("Memory for finals: about ")
    assert room.message.endswith(" on CPU: a window at once, 4 pictures at once are encoded")
    (told,) = estimates(events)
    assert "cut 1, " in told
    assert "not measured on this device yet" in told
    assert "a window at once" in told
    row = plan_of(folder, work_dir=work, quality="max")
    assert [(cut.to_draw, cut.device_seconds is not None) for cut in row.cuts] == [
        (False, False),
        (True, True),
    ]
    assert row.cuts[1].measured >= 1

    result, events = run(quality="max", work_dir=work)
    assert result.exit_code is ExitCode.DONE, result.error
    assert routes(events) == ["final", "final"]
    assert [cut.reasons for cut in cuts(events)] == [("all",), ("all",)]
    (told,) = estimates(events)
    assert "cut 2, " in told
    assert " s of the device, by " in told
    spent = device_seconds(result)
    assert {cut for cut, _ in spent} == {1, 2}
    assert all(seconds > 0 for _, seconds in spent)
    assert device_seconds(first)[0] == spent[0]

    third, events = run(quality="max", work_dir=work)
    assert third.misses == 0
    assert not estimates(events)
    assert not any(is_room(event) for event in events)
    assert device_seconds(third) == spent


def is_room(event: Event) -> bool:
    return isinstance(event, Notice) and event.code == "room"


def estimates(events: Sequence[Event]) -> list[str]:
    return [
        event.message for event in events if isinstance(event, Notice) and event.code == "finals-estimate"
    ]


def device_seconds(result: RunResult) -> list[tuple[int, float]]:
    """(cut, seconds of its final) as the report has it."""
    (language,) = result.languages
    report = json.loads(language.targets.report.read_bytes())  # type: ignore[union-attr]
    return [(one["cut"], one["final"]) for one in report["run"]["device_seconds"]]


def test_where_a_model_has_no_room_a_smaller_one_draws_and_where_none_has_drafts_stay(
    run: Run, folder: Path, drafted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free memory of the test's own: what the better of two models needs is more than there is."""
    monkeypatch.setattr(scoring, "scores", planted({}))
    both, work = folder / "both", drafted("room")
    tiny.register(both)
    place(both, tiny.row("smaller").model_copy(update={"rank": 60}), *tiny.files(1).items())
    takes = nets.taken_by

    def heavy(model: str, *others: Any) -> Takes:
        taken = takes(model, *others)
        return replace(taken, unet=taken.unet << (20 if model == tiny.ID else 0))

    monkeypatch.setattr(nets, "taken_by", heavy)
    result, events = run(finals="1", data_dir=both, work_dir=work)
    assert result.exit_code is ExitCode.DONE, result.error
    (told,) = [event for event in events if isinstance(event, Notice) and event.code == "finals-smaller"]
    assert "There is no room for Tiny LatentSync" in told.message
    assert made(events)["lipsync.final"] >= 1
    assert credited(result) == ["smaller"]

    # What is drawn already needs no room.
    again, events = run(finals="1", data_dir=both, work_dir=work)
    assert (again.exit_code, again.misses) == (ExitCode.DONE, 0)

    result, events = run(finals="2", work_dir=work)
    assert result.exit_code is ExitCode.DEFECTS
    assert [event.code for event in events if isinstance(event, Defect)] == ["no-finals"]
    assert routes(events) == ["draft", "draft"]
    assert cuts(events)[1].reasons == ("asked", "no-finals")
    assert credited(result) == []
    row = plan_of(folder, work_dir=work, finals="2", stage="finals")
    assert row.room is not None
    assert "There is no room for" in row.room


def test_drafts_by_one_model_and_finals_by_another(
    run: Run, folder: Path, drafted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in its cuts; and what is free for the second is asked when the first has left."""
    monkeypatch.setattr(scoring, "scores", planted({}))
    data, loaded, asked = folder / "two", list[str](), list[list[str]]()
    tiny_musetalk.register(data)
    place(data, tiny.row(), *tiny.files().items())
    load, unload, free = Resident.load, Resident.unload, Device.free_mb

    def loading(resident: Resident[Any], *given: Any) -> None:
        load(resident, *given)
        loaded.append(resident.title)

    def unloading(resident: Resident[Any]) -> None:
        unload(resident)
        loaded.remove(resident.title)

    def asking(device: Device) -> int | None:
        asked.append(list(loaded))
        return free(device)

    monkeypatch.setattr(Resident, "load", loading)
    monkeypatch.setattr(Resident, "unload", unloading)
    monkeypatch.setattr(Device, "free_mb", asking)
    result, events = run(finals="1", data_dir=data, work_dir=drafted("mixed"))
    assert result.exit_code is ExitCode.DONE, result.error
    assert [(cut.route, cut.backend) for cut in cuts(events)] == [
        ("final", "latentsync"),
        ("draft", "musetalk"),
    ]
    drew = {(event.action, event.unit[:5]) for event in events if is_drawing(event)}
    assert drew == {("lipsync.draw", "cut 1"), ("lipsync.draw", "cut 2"), ("lipsync.final", "cut 1")}
    assert len(asked) >= 4
    assert not any(asked), "a model was in the way of the question what is free"
    (language,) = result.languages
    report = json.loads(language.targets.report.read_bytes())  # type: ignore[union-attr]
    spent = {one["cut"]: (one["draft"] > 0, one["final"] > 0) for one in report["run"]["device_seconds"]}
    assert spent == {1: (True, True), 2: (True, False)}
    credited = {(one["stage"], one["name"]) for one in report["backends"]}
    assert credited >= {("lipsync", "musetalk"), ("finals", "latentsync")}


def is_drawing(event: Event) -> TypeGuard[ActionDone]:
    return isinstance(event, ActionDone) and event.action in ("lipsync.draw", "lipsync.final")


def test_a_final_that_is_there_stays_until_a_better_model_is_named(
    run: Run, folder: Path, redrawn: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({}))
    where: dict[str, Any] = {"data_dir": folder / "later", "work_dir": redrawn("stays")}
    tiny.register(folder / "later")
    first, _ = run(finals="1", **where)
    assert first.exit_code is ExitCode.DONE, first.error
    better = tiny.row("better").model_copy(update={"rank": -1})
    place(folder / "later", better, *tiny.files(1).items())

    row = plan_of(folder, finals="all", **where)
    assert [(cut.to_draw, cut.better) for cut in row.cuts] == [(False, "better"), (True, None)]
    second, events = run(finals="all", **where)
    assert second.exit_code is ExitCode.DONE, second.error
    assert routes(events) == ["final", "final"]
    assert {event.unit[:5] for event in drawn_finals(events)} == {"cut 2"}
    assert credited(second) == ["better", "tiny-latentsync"]
    (told,) = [event for event in events if isinstance(event, Notice) and event.code == "finals-stay"]
    assert told.message.startswith("Finals for cut 1 stay as tiny-latentsync drew them")

    named, events = run(finals="all", backend={"finals": "better"}, **where)
    assert named.exit_code is ExitCode.DONE, named.error
    assert {event.unit[:5] for event in drawn_finals(events)} == {"cut 1"}
    assert credited(named) == ["better"]


def credited(result: RunResult) -> list[str]:
    """The models that the report says drew finals."""
    (language,) = result.languages
    report = json.loads(language.targets.report.read_bytes())  # type: ignore[union-attr]
    models = [one["model"] for one in report["backends"] if one["stage"] == "finals"]
    drew = {cut["model"] for cut in report["cuts"] if cut["route"] == "final"}
    assert set(models) == drew
    return models


def drawn_finals(events: Sequence[Event]) -> list[ActionDone]:
    return [
        event
        for event in events
        if isinstance(event, ActionDone) and event.action == "lipsync.final" and not event.hit
    ]


def test_a_final_that_is_worse_gives_way_to_its_draft(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "scores", planted({("latentsync", 1): 4.0}))
    result, events = run(finals="1")
    assert result.exit_code is ExitCode.DONE, result.error
    assert routes(events) == ["draft", "draft"]
    assert cuts(events)[0].reasons == ("asked", "worse-sync")


def test_a_cut_under_the_limit_is_tried_once_more_and_then_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        scoring, "scores", planted({("latentsync", 1): 1.0, ("latentsync again", 1): 7.0, ("warp", 1): 0.5})
    )
    result, events = run(finals="1")
    assert result.exit_code is ExitCode.DONE, result.error
    assert routes(events) == ["final", "draft"]
    assert cuts(events)[0].reasons == ("asked", "second-try")

    monkeypatch.setattr(
        scoring, "scores", planted({("latentsync", 1): 1.0, ("latentsync again", 1): 2.0, ("warp", 1): 0.5})
    )
    both = [("under-limit", "Its lips do not follow what is heard, in its draft as in two finals.")]
    result, events = run(finals="1")
    assert result.exit_code is ExitCode.DEFECTS
    assert [(event.code, event.message) for event in events if isinstance(event, Defect)] == both

    monkeypatch.setattr(
        scoring, "scores", planted({("latentsync", 1): 1.0, ("latentsync again", 1): 1.2, ("warp", 1): 2.0})
    )
    result, events = run(finals="1")
    assert result.exit_code is ExitCode.DEFECTS
    assert routes(events) == ["draft", "draft"]
    assert cuts(events)[0].reasons == ("asked", "worse-sync")
    assert [(event.code, event.message) for event in events if isinstance(event, Defect)] == both


@pytest.mark.parametrize(("steps", "again"), [(1, 2), (20, 30), (60, 90), (100, 150)])
def test_a_second_try_takes_more_steps_however_many_the_first_took(
    folder: Path, steps: int, again: int
) -> None:
    settings = Settings(data_dir=folder / "data", finals_steps=steps, finals_reuse=3)
    second = LatentSync(Host(settings, folder, model=tiny.ID)).second_try()
    assert second.fingerprint()["sampling"] == f"{again} steps, guidance 1.5, reuse 1"


@pytest.mark.parametrize(
    ("draft", "final", "route", "said"),
    [
        (0.5, 1.0, "final", ["in its draft as in its final."]),
        (3.2, 2.9, "final", ["in its final: 2.9; its draft passed with 3.2, better by no more than noise."]),
        (6.0, 1.0, "draft", []),
    ],
)
def test_a_second_take_that_fails_leaves_the_first_to_be_judged(
    run: Run,
    redrawn: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    draft: float,
    final: float,
    route: str,
    said: list[str],
) -> None:
    drawn = LatentSync.draw

    def draw(self: LatentSync, window: RedrawWindow) -> Iterator[Patch]:
        if self._again:
            raise RuntimeError("no more")
        return drawn(self, window)

    monkeypatch.setattr(LatentSync, "draw", draw)
    monkeypatch.setattr(scoring, "scores", planted({("latentsync", 1): final, ("warp", 1): draft}))
    result, events = run(finals="1", work_dir=redrawn(f"fails {draft} {final}"))
    assert result.exit_code is ExitCode.DEFECTS
    assert routes(events)[0] == route
    failed, *others = (event for event in events if isinstance(event, Defect))
    assert failed.code == "final-failed"
    assert failed.message.startswith("Its second take failed; its first is judged alone. The final could not")
    assert [event.code for event in others] == ["under-limit"] * len(said)
    for event, words in zip(others, said, strict=True):
        assert event.message.endswith(words)


def test_a_random_network_is_told_from_a_draft_by_real_scores(run: Run) -> None:
    result, events = run(finals="1")
    assert result.exit_code is ExitCode.DONE, result.error
    assert routes(events) == ["draft", "draft"]
    assert {"asked", "worse-seam"} <= set(cuts(events)[0].reasons)


def test_a_number_nobody_has_ends_before_anything_is_drawn(run: Run, folder: Path) -> None:
    result, events = run(finals="2,7-9", work_dir=folder / "nobody")
    assert result.exit_code is ExitCode.USAGE
    assert str(result.error).startswith("There is no cut 7-9")
    assert "are 1-2; drawn: 1-2" in str(result.error)
    assert "lipsync.draw" not in made(events)


def plan_of(folder: Path, stage: str = "lipsync", **changes: Any) -> Row:
    """What `loc plan` says of a stage."""
    given = {"languages": ("ja",), "work_dir": folder / "planned", "data_dir": folder / "data"}
    settings = Settings(**{**given, "source_language": "en", "finals_steps": 2, **changes})
    store, graph = WorkDir(settings.work_dir), load_graph()
    rows = plan(prepare(folder / "talk.mp4", graph, store, settings, look=True), graph, store, settings)
    (row,) = [row for row in rows if row.stage == stage]
    return row


def test_plan_says_of_each_cut_what_is_known_and_why(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({("warp", 2): 1.0}))
    assert plan_of(folder).cuts == ()
    run(quality="draft", work_dir=folder / "planned")
    row = plan_of(folder)
    assert (row.misses, [cut.route for cut in row.cuts]) == (1, ["draft", "final"])
    assert [reason.code for reason in row.cuts[1].reasons] == ["low-score"]
    assert all(cut.chosen for cut in row.cuts)
    assert [cut.route for cut in plan_of(folder, force=("lipsync",)).cuts] == []
    assert [cut.route for cut in plan_of(folder, finals="1").cuts] == ["final", "draft"]
    assert plan_of(folder, finals="9").problem is not None

    command = ["plan", str(folder / "talk.mp4"), "--lang", "ja", "--from", "en", "--finals-steps", "2"]
    command += ["--work-dir", str(folder / "planned"), "--data-dir", str(folder / "data")]
    shown = CliRunner().invoke(app, command).output
    assert "Memory for finals ja: about" in shown
    assert shown.count("Cuts of ") == shown.count("Cuts of lipsync ja:") == 1
    assert "Its draft scored under the limit of its measure." in shown


def test_plan_knows_a_dropped_final_while_others_are_to_be_drawn(
    run: Run, folder: Path, redrawn: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({("latentsync", 1): 4.0}))
    work = redrawn("dropped")
    run(finals="1", work_dir=work)
    row = plan_of(folder, finals="all", work_dir=work)
    assert [(cut.route, cut.to_draw) for cut in row.cuts] == [("draft", False), ("final", True)]
    assert [[reason.code for reason in cut.reasons] for cut in row.cuts] == [["all", "worse-sync"], ["all"]]
    assert (row.misses, row.waits_for) == (1, None)


def test_plan_counts_the_finals_of_every_cut(
    run: Run, folder: Path, drafted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({}))
    row = plan_of(folder, quality="max", work_dir=drafted("every"))
    assert [(cut.route, cut.to_draw) for cut in row.cuts] == [("final", True)] * 2
    assert row.misses == 2


def test_without_a_model_standard_keeps_drafts_and_says_so_and_max_is_refused(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({("warp", 1): 1.0}))
    result, events = run(data_dir=folder / "nothing")
    assert result.exit_code is ExitCode.DONE, result.error
    assert routes(events) == ["draft", "draft"]
    assert cuts(events)[0].reasons == ("low-score", "no-finals")
    (notice,) = [event for event in events if isinstance(event, Notice) and event.code == "no-finals"]
    assert "1 cut" in notice.message
    with pytest.raises(MissingError, match="finals"):
        run(data_dir=folder / "nothing", quality="max")


def test_finalize_upgrades_a_cut_and_touches_nothing_else(
    run: Run, folder: Path, drafted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "scores", planted({}))
    work = drafted("finalize")
    first, _ = run(quality="draft", work_dir=work, crf=20)
    before = pictures(first)
    sound = made_of(work)
    said = ["finalize", str(folder / "talk.mp4"), "--cuts", "2", "--work-dir", str(work)]
    done = CliRunner().invoke(app, [*said, "--data-dir", str(folder / "data"), "--quiet"])
    assert done.exit_code == 0, done.output
    after = pictures(first)
    new = made_of(work) - sound
    assert {name.split(" ")[0] for name in new} == {"lipsync.final", "deliver.encode", "deliver.mux"}
    changed = np.abs(after.astype(int) - before).reshape(len(after), -1).max(axis=1) > 0
    first_changed = int(np.flatnonzero(changed)[0])
    assert changed.any()
    assert not changed[: len(changed) // 3].any()
    assert first_changed > 10

    nobody = CliRunner().invoke(app, [*said, "--data-dir", str(folder / "data"), "--quiet", "--cuts", "99"])
    assert nobody.exit_code == ExitCode.USAGE
    assert "There is no cut 99" in nobody.output
    assert made_of(work) - sound == new
    assert np.array_equal(pictures(first), after)

    said[-1] = str(folder / "none")
    assert isinstance(CliRunner().invoke(app, said).exception, UsageError)


def made_of(work_dir: Path) -> set[str]:
    """Name and key of every action ever made in a work directory."""
    store = WorkDir(work_dir)
    found = {key: store.read_action(key) for key in store.action_keys()}
    return {f"{record.name} {key}" for key, record in found.items() if record is not None}
