"""Each fault turns its own measure red and no other; what is better or new is not red; what is lost is."""

from __future__ import annotations

from typing import Any

import pytest

from loc.app.regress.baseline import Baseline, Cue, Cut, Loudness, Machine, Score, Still, Work
from loc.app.regress.compare import Comparison, Failure, Verdict, compare
from loc.app.regress.measures import MEASURES, tolerances
from loc.errors import ExitCode, UsageError
from tests.app.regress.made_up import (
    MOUTH,
    TEXTS,
    WHOLE,
    baseline,
    dub,
    envelope,
    line,
    picture,
    sample,
    score,
    with_dub,
)


def judged(now: Baseline, accepted: Baseline | None = None, **failures: Failure) -> Comparison:
    return compare(accepted or baseline(), now, tolerances(()), {f"{k}.mp4": v for k, v in failures.items()})


def red(comparison: Comparison) -> set[tuple[str | None, str, str]]:
    return {(finding.language, finding.measure, finding.verdict) for finding in comparison.red}


def verdict(comparison: Comparison, measure: str, language: str | None = "es") -> Verdict:
    [found] = [
        finding.verdict
        for finding in comparison.findings
        if (finding.measure, finding.language) == (measure, language)
    ]
    return found


def test_the_same_is_the_same_in_every_measure() -> None:
    comparison = judged(baseline())
    assert {finding.verdict for finding in comparison.findings} == {"same"}
    assert comparison.code is ExitCode.DONE
    by_dub = [measure for measure in MEASURES if not measure.per_sample and not measure.rare]
    assert len(comparison.findings) == 2 * len(by_dub) + 2


def cues(*texts: str) -> tuple[Cue, ...]:
    return tuple(Cue(start=3.0 * number + 0.5, text=text) for number, text in enumerate(texts))


def loud(integrated: float = -19.4, peak: float = -5.4, speech: float = -19.5) -> Loudness:
    return Loudness(integrated_lufs=integrated, true_peak_dbtp=peak, speech_lufs=speech)


def stills(mouth: str, whole: str) -> tuple[Still, ...]:
    return (
        Still(frame=40, box=MOUTH, of="mouth", webp=mouth),
        Still(frame=60, box=WHOLE, of="picture", webp=whole),
        Still(frame=185, box=MOUTH, of="mouth", webp=picture(3)),
    )


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("text", {"cues": cues(TEXTS[0], "Algo distinto.", TEXTS[2])}),
    ("text", {"cues": cues(*TEXTS, "Una de más.")}),
    ("text", {"cues": cues(*TEXTS[:2])}),
    ("timing.start", {"lines": (line(1), line(2, start=3.7), line(3))}),
    ("timing.heard", {"envelope": envelope(0.2)}),
    ("timing.heard", {"envelope": envelope(-0.1)}),
    ("timing.frames", {"frames": 249}),
    ("fit.pace", {"lines": (line(1), line(2, pace=1.6), line(3))}),
    ("fit.overrun", {"lines": (line(1), line(2), line(3, overrun=0.4))}),
    ("fit.silent", {"silent": ("l0002",)}),
    ("loudness.integrated", {"loudness": loud(integrated=-16.4)}),
    ("loudness.integrated", {"loudness": loud(integrated=-22.4)}),
    ("loudness.peak", {"loudness": loud(peak=-1.0)}),
    ("loudness.speech", {"loudness": loud(speech=-25.0)}),
    ("picture.drawn", {"cuts": (Cut(frames=(0, 120), drawn_frames=0, score=score(0.62)), dub().cuts[1])}),
    ("picture.mouth", {"stills": stills(picture(1, blur=15), picture(2))}),
    ("picture.frame", {"stills": stills(picture(1), picture(9))}),
    ("defects", {"defects": ("lipsync failed",)}),
]


@pytest.mark.parametrize(
    ("measure", "changes"), FAULTS, ids=[f"{i}-{name}" for i, (name, _) in enumerate(FAULTS)]
)
def test_a_fault_turns_its_own_measure_red_and_no_other(measure: str, changes: dict[str, Any]) -> None:
    comparison = judged(with_dub(**changes))
    assert red(comparison) == {("es", measure, "worse")}
    assert comparison.code is ExitCode.DEFECTS


def scored(*scores: Score | None) -> Baseline:
    frames, drawn = ((0, 120), (120, 250)), (100, 90)
    cuts = zip(frames, drawn, scores, strict=True)
    return with_dub(cuts=tuple(Cut(frames=a, drawn_frames=n, score=each) for a, n, each in cuts))


OF_SCORES = (
    "agreement",
    "agreement.cut",
    "agreement.offset",
    "picture.seam",
    "picture.lips",
    "picture.sharpness",
    "picture.jitter",
)


@pytest.mark.parametrize(
    ("changes", "measures"),
    [
        ({"value": 0.2}, {"agreement", "agreement.cut"}),
        ({"value": 0.54}, set()),
        ({"offset_ms": -120.0}, {"agreement.offset"}),
        ({"seam": 4.0}, {"picture.seam"}),
        ({"lip_colour": 6.0}, {"picture.lips"}),
        ({"sharpness": 0.5}, {"picture.sharpness"}),
        ({"jitter": 1.6}, {"picture.jitter"}),
        ({"jitter": None}, set()),
    ],
)
def test_a_worse_score_of_one_cut(changes: dict[str, Any], measures: set[str]) -> None:
    comparison = judged(scored(score(**{"value": 0.62, **changes}), score(0.58)))
    assert red(comparison) == {("es", measure, "worse") for measure in measures}


def test_lips_that_never_rest_do_not_tremble() -> None:
    comparison = judged(scored(score(0.62, jitter=None), score(0.58, jitter=None)))
    assert (verdict(comparison, "picture.jitter"), comparison.code) == ("skipped", ExitCode.DONE)


def test_a_cut_that_falls_while_another_rises() -> None:
    assert red(judged(scored(score(0.22), score(0.98)))) == {("es", "agreement.cut", "worse")}


def test_better_scores_lost_scores_and_none() -> None:
    better = judged(scored(score(0.9), score(0.9, seam=0.4)))
    assert (verdict(better, "agreement"), better.code) == ("better", ExitCode.DONE)
    none = scored(None, None)
    assert red(judged(none)) == {("es", measure, "missing") for measure in OF_SCORES}
    assert {verdict(judged(baseline(), none), measure) for measure in OF_SCORES} == {"new"}
    unscored = judged(none, none)
    assert {verdict(unscored, measure) for measure in OF_SCORES} == {"skipped"}
    assert unscored.code is ExitCode.DONE


def test_scores_by_another_measure_are_not_compared() -> None:
    other = [score(0.1, measure="renderer-obedience"), score(0.1, measure="renderer-obedience")]
    comparison = judged(scored(*other))
    assert verdict(comparison, "agreement") == "new"
    assert comparison.code is ExitCode.DONE


@pytest.mark.parametrize(
    ("measure", "accepted", "worst", "worse"),
    [
        ("picture.jitter", {"jitter": 0.61}, {"jitter": 1.55}, {"jitter": 1.5}),
        ("picture.seam", {"seam": 0.5}, {"seam": 3.0}, {"seam": 2.9}),
        ("picture.lips", {"lip_colour": 1.0}, {"lip_colour": 4.0}, {"lip_colour": 3.9}),
        ("picture.sharpness", {"sharpness": 1.0}, {"sharpness": 0.6}, {"sharpness": 0.65}),
        ("agreement.offset", {"offset_ms": 0.0}, {"offset_ms": 80.0}, {"offset_ms": 80.0}),
    ],
)
def test_a_cut_that_is_worse_does_not_hide_behind_one_that_always_was(
    measure: str, accepted: dict[str, float], worst: dict[str, float], worse: dict[str, float]
) -> None:
    was = scored(score(0.6, **worst), score(0.6, **accepted))
    assert judged(was, was).code is ExitCode.DONE
    fell = judged(scored(score(0.6, **worst), score(0.6, **worse)), was)
    assert red(fell) == {("es", measure, "worse")}
    assert fell.red[0].detail == "cut at frame 120"
    both = judged(scored(score(0.6, **worse), score(0.6, **worse)), scored(*[score(0.6, **accepted)] * 2))
    assert [finding.detail.partition("; ")[2] for finding in both.red] == ["1 more"]


def test_a_cut_whose_lips_are_lost_is_missing_and_moves_no_mean() -> None:
    lost = score(None, offset_ms=None, lip_colour=None, jitter=None)
    comparison = judged(scored(score(0.62), lost))
    assert red(comparison) == {
        ("es", measure, "missing")
        for measure in ("agreement.cut", "agreement.offset", "picture.lips", "picture.jitter")
    }
    assert {finding.detail for finding in comparison.red} == {"cut at frame 120: lost"}
    assert verdict(comparison, "agreement") == "same"


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (40.0, -40.0, "worse"),
        (-40.0, 40.0, "worse"),
        (0.0, 40.0, "worse"),
        (-80.0, 0.0, "better"),
        (40.0, 40.0, "same"),
    ],
)
def test_lips_that_were_late_and_are_early_are_worse(was: float, now: float, expected: Verdict) -> None:
    comparison = judged(
        scored(score(0.6, offset_ms=now), score(0.6)), scored(score(0.6, offset_ms=was), score(0.6))
    )
    assert verdict(comparison, "agreement.offset") == expected


def cut(start: int, stop: int, value: float | None = 0.6) -> Cut:
    return Cut(frames=(start, stop), drawn_frames=stop - start, score=None if value is None else score(value))


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ([cut(0, 120), cut(120, 250)], [cut(0, 121), cut(121, 250)], "same"),
        ([cut(0, 120), cut(120, 250)], [cut(0, 121, 0.3), cut(121, 250)], "worse"),
        ([cut(0, 120), cut(120, 250)], [cut(3, 120), cut(124, 250, 0.3)], "worse"),
        ([cut(0, 250)], [cut(0, 130), cut(130, 250, 0.3)], "worse"),
        ([cut(0, 130), cut(130, 250)], [cut(0, 250, 0.3)], "worse"),
        ([cut(0, 250)], [cut(0, 8, None), cut(8, 250)], "same"),
        ([cut(0, 250)], [cut(0, 200, None), cut(200, 250)], "missing"),
        ([cut(0, 120), cut(120, 250)], [cut(0, 120)], "missing"),
        ([cut(0, 120)], [cut(0, 120), cut(120, 250, 0.1)], "same"),
        ([cut(0, 250, 0.3), cut(0, 250, 0.6)], [cut(1, 250, 0.3), cut(0, 249, 0.6)], "same"),
        ([cut(0, 250, 0.3), cut(0, 250, 0.6)], [cut(0, 250, 0.3)], "missing"),
        ([cut(0, 250, 0.3)], [cut(0, 250, 0.3), cut(0, 250, 0.1)], "same"),
    ],
)
def test_cuts_are_known_again_by_the_frames_they_share(
    was: list[Cut], now: list[Cut], expected: Verdict
) -> None:
    """Moved boundaries, a cut in two, two cuts joined, an end that is not drawn any more, and two faces."""
    comparison = judged(with_dub(cuts=tuple(now)), with_dub(cuts=tuple(was)))
    assert verdict(comparison, "agreement.cut") == expected


def faces(first: Score | None, second: Score | None) -> Baseline:
    """Two faces in the same frames."""
    return with_dub(cuts=tuple(Cut(frames=(0, 250), drawn_frames=100, score=one) for one in (first, second)))


def test_two_faces_in_the_same_frames_are_compared_each_with_itself() -> None:
    accepted = faces(score(0.3), score(0.6))
    assert judged(accepted, accepted).code is ExitCode.DONE
    fallen = judged(faces(score(0.1), score(0.8)), accepted)
    assert red(fallen) == {("es", "agreement.cut", "worse")}
    unscored = judged(faces(None, score(0.6)), accepted)
    assert red(unscored) == {("es", measure, "missing") for measure in OF_SCORES if measure != "agreement"}, (
        "the other face stands for no other but itself"
    )


def test_means_and_cuts_are_compared_within_one_measure() -> None:
    def judge(value: float) -> Score:
        return score(value, measure="syncnet")

    accepted = scored(judge(6.0), score(0.6))
    assert judged(accepted, accepted).code is ExitCode.DONE
    assert judged(scored(score(0.6), score(0.6)), accepted).code is ExitCode.DONE, "no fall from 6 to 0.6"
    fell = judged(scored(judge(6.5), score(0.4)), accepted)
    assert red(fell) == {("es", "agreement", "worse"), ("es", "agreement.cut", "worse")}
    assert verdict(fell, "agreement.syncnet") == "better"


@pytest.mark.parametrize(
    ("measure", "was", "within", "under"), [("syncnet", 6.0, 5.8, 5.4), ("stable-syncnet", 0.7, 0.66, 0.58)]
)
def test_networks_have_tolerances_of_their_own(measure: str, was: float, within: float, under: float) -> None:
    accepted = scored(*[score(was, measure=measure)] * 2)
    assert judged(scored(*[score(within, measure=measure)] * 2), accepted).code is ExitCode.DONE
    fell = judged(scored(*[score(under, measure=measure)] * 2), accepted)
    assert red(fell) == {("es", f"agreement.{measure}{part}", "worse") for part in ("", ".cut")}


@pytest.mark.parametrize(
    ("work", "measure"),
    [
        (Work(processor=30.0, peak_mb=490.0), "time"),
        (Work(processor=19.0, peak_mb=900.0), "memory"),
    ],
)
def test_a_slower_and_a_fatter_run(work: Work, measure: str) -> None:
    comparison = judged(baseline(samples={"talk.mp4": sample(work=work)}))
    assert red(comparison) == {(None, measure, "worse")}
    cheaper = judged(baseline(), baseline(samples={"talk.mp4": sample(work=work)}))
    assert (verdict(cheaper, measure, None), cheaper.code) == ("better", ExitCode.DONE)


def test_costs_of_work_that_was_found_made_are_not_judged_and_said() -> None:
    comparison = judged(baseline(samples={"talk.mp4": sample(work=None)}))
    skipped = [finding for finding in comparison.findings if finding.verdict == "skipped"]
    assert [finding.measure for finding in skipped] == ["time", "memory"]
    assert all("measured with --cached" in finding.detail for finding in skipped)


@pytest.mark.parametrize(("processor", "is_red"), [(30.0, False), (39.0, True)])
def test_on_another_machine_twice_the_time_is_worse(processor: float, is_red: bool) -> None:
    other = baseline(
        machine=Machine(processor="Example 2", cores=8),
        samples={"talk.mp4": sample(work=Work(processor=processor, peak_mb=490.0))},
    )
    comparison = judged(other)
    assert red(comparison) == ({(None, "time", "worse")} if is_red else set())
    [finding] = [finding for finding in comparison.findings if finding.measure == "time"]
    assert "Example 1, 2 cores" in finding.detail


def test_no_line_hides_behind_a_faster_one() -> None:
    was = with_dub(lines=(line(1), line(2, pace=1.6), line(3)))
    now = with_dub(lines=(line(1), line(2, pace=1.6), line(3, pace=1.3)))
    comparison = judged(now, was)
    assert red(comparison) == {("es", "fit.pace", "worse")}
    assert (comparison.red[0].was, comparison.red[0].now) == (1.1, 1.3)
    assert comparison.red[0].detail == "line l0003"


def test_a_new_line_that_is_faster_than_all_shows() -> None:
    now = with_dub(lines=(line(1), line(2), line(4, pace=1.6)))
    assert red(judged(now)) == {("es", "fit.pace", "worse")}


def test_what_was_better_before_is_no_fault() -> None:
    better = with_dub(lines=tuple(line(number, pace=1.0) for number in (1, 2, 3)), silent=())
    comparison = judged(better)
    assert verdict(comparison, "fit.pace") == "better"
    assert comparison.code is ExitCode.DONE


def test_a_line_with_another_sound_says_nothing_of_its_time() -> None:
    longer = with_dub(lines=(line(1), line(2, seconds=2.4), line(3)), envelope=envelope(0.0))
    assert verdict(judged(longer), "timing.heard") == "same"


def test_new_and_missing_samples_and_dubs() -> None:
    more = baseline(samples={"talk.mp4": sample(), "more.mp4": sample()})
    assert judged(more).code is ExitCode.DONE
    assert [f.measure for f in judged(more).findings if f.verdict == "new"] == ["sample"]
    assert red(judged(baseline(), more)) == {(None, "sample", "missing")}
    one = baseline(samples={"talk.mp4": sample(dubs={"es": dub()})})
    assert red(judged(one)) == {("ja", "dub", "missing")}
    assert judged(baseline(), one).code is ExitCode.DONE


def test_another_file_under_a_sample_s_name() -> None:
    """A sample that is drawn or encoded where it is used: its dub is judged all the same."""
    comparison = judged(baseline(samples={"talk.mp4": sample(sha256="b" * 64)}))
    assert [finding.measure for finding in comparison.findings if finding.verdict == "new"] == ["source"]
    assert comparison.code is ExitCode.DONE


def test_failed_samples_have_the_codes_of_failed_inputs() -> None:
    failure = Failure(ExitCode.MISSING, "ffmpeg was not found.", fix="Run `loc doctor`.")
    alone = judged(baseline(samples={}), talk=failure)
    assert (alone.code, red(alone)) == (ExitCode.MISSING, {(None, "run", "worse")})
    assert "loc doctor" in alone.red[0].detail
    more = baseline(samples={"talk.mp4": sample(), "other.mp4": sample()})
    assert judged(baseline(), more, other=failure).code is ExitCode.SOME_FAILED
    assert judged(baseline(), new=failure).code is ExitCode.SOME_FAILED


def test_a_tolerance_of_one_s_own() -> None:
    louder = with_dub(loudness=loud(integrated=-18.0))
    assert compare(baseline(), louder, tolerances(())).code is ExitCode.DEFECTS
    assert compare(baseline(), louder, tolerances(["loudness.integrated=2"])).code is ExitCode.DONE


@pytest.mark.parametrize(
    "item", ["loudness", "loud=1", "text", "text=", "text=x", "text=-1", "text=nan", "text=inf"]
)
def test_a_tolerance_that_makes_no_sense(item: str) -> None:
    with pytest.raises(UsageError, match="--tolerance"):
        tolerances([item])


def test_every_tolerance_says_where_it_comes_from() -> None:
    assert [measure.name for measure in MEASURES if not measure.origin.endswith(".")] == []
