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
    by_dub = [measure for measure in MEASURES if not measure.per_sample]
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
    assert red(judged(none)) == {
        ("es", measure, "missing") for measure in OF_SCORES if measure != "agreement.cut"
    }
    assert {verdict(judged(baseline(), none), measure) for measure in OF_SCORES} == {"new", "skipped"}
    unscored = judged(none, none)
    assert {verdict(unscored, measure) for measure in OF_SCORES} == {"skipped"}
    assert unscored.code is ExitCode.DONE


def test_scores_by_another_measure_are_not_compared() -> None:
    other = [score(0.1, measure="renderer-obedience"), score(0.1, measure="renderer-obedience")]
    comparison = judged(scored(*other))
    assert verdict(comparison, "agreement") == "new"
    assert comparison.code is ExitCode.DONE


def faces(first: Score | None, second: Score | None) -> Baseline:
    """Two faces in the same frames."""
    return with_dub(cuts=tuple(Cut(frames=(0, 250), drawn_frames=100, score=one) for one in (first, second)))


def test_two_faces_in_the_same_frames_are_compared_each_with_itself() -> None:
    accepted = faces(score(0.3), score(0.6))
    assert judged(accepted, accepted).code is ExitCode.DONE
    fallen = judged(faces(score(0.1), score(0.8)), accepted)
    assert red(fallen) == {("es", "agreement.cut", "worse")}
    unscored = judged(faces(None, score(0.6)), accepted)
    assert verdict(unscored, "agreement.cut") == "same"


def test_means_and_cuts_are_compared_within_one_measure() -> None:
    def judge(value: float) -> Score:
        return score(value, measure="syncnet")

    accepted = scored(judge(6.0), score(0.6))
    assert judged(accepted, accepted).code is ExitCode.DONE
    assert judged(scored(score(0.6), score(0.6)), accepted).code is ExitCode.DONE, "no fall from 6 to 0.6"
    fell = judged(scored(judge(6.5), score(0.4)), accepted)
    assert red(fell) == {("es", "agreement", "worse"), ("es", "agreement.cut", "worse")}
    assert next(one.detail for one in fell.red if one.measure == "agreement") == "viseme-agreement"


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
