"""What was measured against what was accepted. Pure: the same figures give the same findings."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loc.app.regress import picture, sound
from loc.app.regress.baseline import Baseline, Dub, Line, Machine, Sample, Score, Still
from loc.app.regress.measures import BY_NAME, MEASURES, Measure
from loc.errors import ExitCode

Verdict = Literal["better", "same", "worse", "new", "missing", "skipped"]
"""`missing`: was accepted and is not there any more. `skipped`: not judged, and why is said."""

RED: frozenset[Verdict] = frozenset({"worse", "missing"})

OTHER_MACHINE = 1.0
"""Tolerance of processor time, at the least, on another processor or number of cores than the baseline's:
twice as long. What the calibration does for one kind of processor it does for another only roughly."""

_LIKE = 1e-9
"""What floating point adds to a difference that is just the tolerance."""


@dataclass(frozen=True)
class Failure:
    """A sample that could not be run."""

    code: ExitCode
    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)


@dataclass(frozen=True)
class Finding:
    """One measure of one dub.

    Args:
        language: None of what is measured of a sample as a whole.
        measure: a name of `MEASURES`, or `run`, `sample`, `source`, `dub` for what cannot be measured at all.
        was, now: in the measure's unit; None where there is no figure.
        tolerance: in the same unit, also of a relative measure.
    """

    sample: str
    language: str | None
    measure: str
    verdict: Verdict
    was: float | None = None
    now: float | None = None
    tolerance: float | None = None
    detail: str = ""

    @property
    def red(self) -> bool:
        return self.verdict in RED

    @property
    def title(self) -> str:
        """The measure in words."""
        return BY_NAME[self.measure].title if self.measure in BY_NAME else _TITLES[self.measure]

    def figure(self, value: float | None) -> str:
        """`was`, `now` or `tolerance` as it is printed."""
        measure = BY_NAME.get(self.measure)
        if value is None or measure is None:
            return "–"
        return measure.words(value)


_GONE = "Accepted, and not among the samples."

_ANOTHER = "Not the very file of which the dub was accepted: what follows may be its doing."

_TITLES = {
    "run": "the run",
    "sample": "the sample",
    "source": "the file that is localized",
    "dub": "the dub",
}


@dataclass(frozen=True)
class Comparison:
    """Everything that was found, and what was compared."""

    findings: tuple[Finding, ...]
    failures: Mapping[str, Failure]
    accepted: Baseline
    measured: Baseline

    @property
    def red(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.red]

    @property
    def code(self) -> ExitCode:
        """As of `loc run`: the failure's own where nothing could be run, 8 where some could not; else 3 where
        something is worse."""
        if self.failures:
            codes = {failure.code for failure in self.failures.values()}
            alone = len(codes) == 1 and not self.measured.samples
            return codes.pop() if alone else ExitCode.SOME_FAILED
        return ExitCode.DEFECTS if self.red else ExitCode.DONE


def compare(
    accepted: Baseline,
    measured: Baseline,
    limits: Mapping[str, float],
    failures: Mapping[str, Failure] | None = None,
) -> Comparison:
    """Judge every measure of every sample of either.

    Args:
        limits: tolerance by measure.
        failures: samples that were found and could not be run.
    """
    failed = dict(failures or {})
    judge = _Judge(limits, accepted.machine, measured.machine)
    findings: list[Finding] = []
    for name in sorted({*accepted.samples, *measured.samples, *failed}):
        if name in failed:
            findings.append(Finding(name, None, "run", "worse", detail=str(failed[name])))
        elif name not in measured.samples:
            findings.append(Finding(name, None, "sample", "missing", detail=_GONE))
        elif name not in accepted.samples:
            findings.append(Finding(name, None, "sample", "new", detail="Not accepted yet."))
        else:
            findings += judge.sample(name, accepted.samples[name], measured.samples[name])
    return Comparison(tuple(findings), failed, accepted, measured)


@dataclass(frozen=True)
class _Judge:
    limits: Mapping[str, float]
    was_on: Machine
    now_on: Machine

    def sample(self, name: str, was: Sample, now: Sample) -> Iterator[Finding]:
        if was.sha256 != now.sha256:
            yield Finding(name, None, "source", "new", detail=_ANOTHER)
        for language in sorted({*was.dubs, *now.dubs}):
            if language not in now.dubs:
                yield Finding(name, language, "dub", "missing", detail="Accepted, and not made.")
            elif language not in was.dubs:
                yield Finding(name, language, "dub", "new", detail="Not accepted yet.")
            else:
                yield from self._dub(name, language, was.dubs[language], now.dubs[language])
        yield from self._work(name, was, now)

    def _dub(self, sample: str, language: str, was: Dub, now: Dub) -> Iterator[Finding]:
        pairs = {**_distances(was, now), **_figures(was, now)}
        for measure in MEASURES:
            if not measure.per_sample:
                before, after, where = pairs[measure.name]
                finding = self._judged(sample, language, measure, before, after, where)
                if finding.verdict == "same":
                    finding = dataclasses.replace(finding, detail="")
                elif finding.verdict == "skipped":
                    finding = dataclasses.replace(finding, detail=where or "There is no figure.")
                yield finding

    def _work(self, name: str, was: Sample, now: Sample) -> Iterator[Finding]:
        if was.work is None or now.work is None:
            which = "accepted" if was.work is None else "measured"
            for measure in MEASURES:
                if measure.per_sample:
                    detail = f"It was {which} with --cached, and what is found made costs nothing."
                    yield Finding(name, None, measure.name, "skipped", detail=detail)
            return
        other = self.was_on != self.now_on
        detail = f"Accepted on another machine: {_words(self.was_on)}." if other else ""
        least = OTHER_MACHINE if other else 0.0
        yield self._judged(
            name, None, BY_NAME["time"], was.work.processor, now.work.processor, detail, least=least
        )
        yield self._judged(name, None, BY_NAME["memory"], was.work.peak_mb, now.work.peak_mb)

    def _judged(
        self,
        sample: str,
        language: str | None,
        measure: Measure,
        was: float | None,
        now: float | None,
        detail: str = "",
        *,
        least: float = 0.0,
    ) -> Finding:
        limit = max(self.limits[measure.name], least)
        allowed = limit * abs(was or 0.0) if measure.relative else limit
        verdict = _verdict(measure, was, now, allowed)
        return Finding(sample, language, measure.name, verdict, was, now, allowed, detail)


def _verdict(measure: Measure, was: float | None, now: float | None, allowed: float) -> Verdict:
    if was is None or now is None:
        return "skipped" if was is now else "new" if was is None else "missing"
    if abs(now - was) <= allowed + _LIKE:
        return "same"
    if measure.better == "neither":
        return "worse"
    return "better" if (now < was) == (measure.better == "lower") else "worse"


def _words(machine: Machine) -> str:
    return f"{machine.processor}, {machine.cores} cores"


_OF_SCORES: Mapping[str, Callable[[Score], float | None]] = {
    "agreement.offset": lambda score: None if score.offset_ms is None else abs(score.offset_ms) / 1000,
    "picture.seam": lambda score: score.seam,
    "picture.lips": lambda score: score.lip_colour,
    "picture.sharpness": lambda score: score.sharpness,
    "picture.jitter": lambda score: score.jitter,
}
"""Measures that are the worst figure among the scores of all cuts."""

_Pair = tuple[float | None, float | None, str]
"""(was, now, detail)."""


def _distances(was: Dub, now: Dub) -> dict[str, _Pair]:
    """Measures that are themselves differences: 0 of what was accepted."""
    starts = [(abs(b.start - a.start), a.line) for a, b in same_lines(was, now)]
    heard = [
        (abs(lag), a.line)
        for a, b in same_lines(was, now)
        if (lag := sound.lag(was.envelope, now.envelope, a, b)) is not None
    ]
    return {
        "text": (0, changed_cues(was, now), ""),
        "timing.start": _farthest(starts),
        "timing.heard": _farthest(heard),
        "picture.mouth": _least_like(was, now, "mouth"),
        "picture.frame": _least_like(was, now, "picture"),
    }


def _figures(was: Dub, now: Dub) -> dict[str, _Pair]:
    """Measures that each dub has by itself."""
    drawn = [sum(cut.drawn_frames for cut in dub.cuts) for dub in (was, now)]
    fresh = sorted(set(now.defects) - set(was.defects))
    silent = sorted(set(now.silent) - set(was.silent))
    before, after = was.loudness, now.loudness
    return {
        "timing.frames": (was.frames, now.frames, ""),
        "fit.pace": (_fastest(was), _fastest(now), ""),
        "fit.overrun": (_overrun(was), _overrun(now), ""),
        "fit.silent": (len(was.silent), len(now.silent), ", ".join(silent)),
        "loudness.integrated": (before.integrated_lufs, after.integrated_lufs, ""),
        "loudness.peak": (before.true_peak_dbtp, after.true_peak_dbtp, ""),
        "loudness.speech": (before.speech_lufs, after.speech_lufs, ""),
        **_scores(was, now),
        "picture.drawn": (drawn[0], drawn[1], ""),
        "defects": (len(was.defects), len(now.defects), ", ".join(fresh)),
    }


def _fastest(dub: Dub) -> float | None:
    return max((line.pace for line in dub.lines), default=None)


def _overrun(dub: Dub) -> float:
    return round(sum(line.overrun for line in dub.lines), 3)


def same_lines(was: Dub, now: Dub) -> list[tuple[Line, Line]]:
    """The lines that both have, by id."""
    after = {line.line: line for line in now.lines}
    return [(line, after[line.line]) for line in was.lines if line.line in after]


def changed_cues(was: Dub, now: Dub) -> int:
    """Cues that were changed, added or left out."""
    return sum(max(len(before), len(after)) for before, after in text_changes(was, now))


def text_changes(was: Dub, now: Dub) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Runs of texts that differ: (what was said, what is said)."""
    before, after = [cue.text for cue in was.cues], [cue.text for cue in now.cues]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [(before[i1:i2], after[j1:j2]) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _scores(was: Dub, now: Dub) -> dict[str, _Pair]:
    """What the scores of the drawn cuts say."""
    before, after = _agreements(was), _agreements(now)
    unscored = "" if after else "Unscored."
    falls = [
        (value - after[cut][1], _place(*cut))
        for cut, (measure, value) in before.items()
        if cut in after and after[cut][0] == measure
    ]
    fall, where = max(falls) if falls else (None, unscored)
    looks: dict[str, _Pair] = {name: (_worst(name, was), _worst(name, now), "") for name in _OF_SCORES}
    if looks["picture.jitter"][1] is None and any(cut.score for cut in now.cuts):
        # Lips that never rest do not tremble at rest.
        looks["picture.jitter"] = (None, None, "No lips rest.")
    return {
        "agreement": _agreement(before, after, unscored),
        "agreement.cut": (None, None, unscored) if fall is None else (0.0, round(max(fall, 0.0), 4), where),
        **looks,
    }


_Agreements = Mapping[tuple[tuple[int, int], int], tuple[str, float]]
"""Frames of a cut, and which of the cuts with the same frames it is (faces of one shot) -> how its agreement
was measured, and what it is."""


def _agreements(dub: Dub) -> _Agreements:
    seen: Counter[tuple[int, int]] = Counter()
    found = {}
    for cut in dub.cuts:
        if cut.score is not None and cut.score.value is not None:
            found[cut.frames, seen[cut.frames]] = (cut.score.measure, cut.score.value)
        seen[cut.frames] += 1
    return found


def _place(frames: tuple[int, int], number: int) -> str:
    return f"cut at frame {frames[0]}" + (f", face {number + 1} of it" if number else "")


def _agreement(before: _Agreements, after: _Agreements, detail: str) -> _Pair:
    """The means by the measure that fell farthest of those that both have: they have scales of their own."""
    was, now = _means(before), _means(after)
    common = sorted(was.keys() & now.keys())
    if common:
        name = max(common, key=lambda name: was[name] - now[name])
        return was[name], now[name], name if len(was | now) > 1 else detail
    return None if now else next(iter(was.values()), None), next(iter(now.values()), None), detail


def _means(agreements: _Agreements) -> dict[str, float]:
    """The mean by measure, that of the most cuts first."""
    by_measure: dict[str, list[float]] = {}
    for measure, value in agreements.values():
        by_measure.setdefault(measure, []).append(value)
    most = sorted(by_measure.items(), key=lambda item: -len(item[1]))
    return {measure: round(sum(values) / len(values), 4) for measure, values in most}


def _worst(name: str, dub: Dub) -> float | None:
    """The worst figure among the scores of all cuts; None where none has it."""
    figure = _OF_SCORES[name]
    values = [value for cut in dub.cuts if cut.score and (value := figure(cut.score)) is not None]
    if not values:
        return None
    return min(values) if BY_NAME[name].better == "higher" else max(values)


def paired_stills(was: Dub, now: Dub) -> list[tuple[Still, Still, float]]:
    """(accepted, now, distance) of every still that both have, in the order of frames."""
    after = {(still.frame, still.box, still.of): still for still in now.stills}
    found = []
    for still in was.stills:
        other = after.get((still.frame, still.box, still.of))
        if other is not None:
            found.append((still, other, picture.distance(still.webp, other.webp)))
    return sorted(found, key=lambda pair: (pair[0].frame, pair[0].of))


def _least_like(was: Dub, now: Dub, of: str) -> _Pair:
    """The largest distance among stills of one kind."""
    wanted = any(still.of == of for still in was.stills)
    found = [(distance, still.frame) for still, _, distance in paired_stills(was, now) if still.of == of]
    if not found:
        return (0.0 if wanted else None), None, ""
    distance, frame = max(found)
    return 0.0, round(distance, 4), f"frame {frame}"


def _farthest(found: Sequence[tuple[float, str]]) -> _Pair:
    """The largest difference and the line that has it; no lines in common differ by nothing."""
    if not found:
        return None, None, ""
    far, line = max(found)
    return 0.0, round(far, 4), f"line {line}" if far else ""
