"""What was measured against what was accepted. Pure: the same figures give the same findings."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loc.app.regress import picture, sound
from loc.app.regress.baseline import Baseline, Dub, Line, Machine, Sample, Still
from loc.app.regress.cuts import Pair, compare_scores
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
        once = {**_distances(was, now), **_figures(was, now)}
        pairs = {
            **{name: [pair] for name, pair in once.items()},
            "fit.pace": _paces(was, now),
            **compare_scores(was, now),
        }
        for measure in MEASURES:
            if not measure.per_sample and (pairs[measure.name] or not measure.rare):
                yield self._gravest(sample, language, measure, pairs[measure.name])

    def _gravest(self, sample: str, language: str, measure: Measure, pairs: Sequence[Pair]) -> Finding:
        """What the worst of a dub's parts makes of a measure; of several that are as bad the one that moved
        farthest."""
        found = [self._judged(sample, language, measure, *pair) for pair in pairs or [(None, None, "")]]
        gravest = max(found, key=_gravity)
        if gravest.verdict == "same":
            return dataclasses.replace(gravest, detail="")
        if gravest.verdict == "skipped":
            return dataclasses.replace(gravest, detail=gravest.detail or "There is no figure.")
        more = sum(finding.red for finding in found) - 1
        if gravest.red and more:
            return dataclasses.replace(gravest, detail=f"{gravest.detail}; {more} more")
        return gravest

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
    if measure.better == "nearer":
        return "better" if abs(now) < abs(was) - allowed else "worse"
    return "better" if (now < was) == (measure.better == "lower") else "worse"


_GRAVITY: tuple[Verdict, ...] = ("skipped", "new", "same", "better", "worse", "missing")
"""What the worst of several verdicts is."""


def _gravity(finding: Finding) -> tuple[int, float]:
    moved = 0.0 if finding.was is None or finding.now is None else abs(finding.now - finding.was)
    return _GRAVITY.index(finding.verdict), moved


def _words(machine: Machine) -> str:
    return f"{machine.processor}, {machine.cores} cores"


def _distances(was: Dub, now: Dub) -> dict[str, Pair]:
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


def _figures(was: Dub, now: Dub) -> dict[str, Pair]:
    """Measures that each dub has by itself."""
    drawn = [sum(cut.drawn_frames for cut in dub.cuts) for dub in (was, now)]
    fresh = sorted(set(now.defects) - set(was.defects))
    silent = sorted(set(now.silent) - set(was.silent))
    before, after = was.loudness, now.loudness
    return {
        "timing.frames": (was.frames, now.frames, ""),
        "fit.overrun": (_overrun(was), _overrun(now), ""),
        "fit.silent": (len(was.silent), len(now.silent), ", ".join(silent)),
        "loudness.integrated": (before.integrated_lufs, after.integrated_lufs, ""),
        "loudness.peak": (before.true_peak_dbtp, after.true_peak_dbtp, ""),
        "loudness.speech": (before.speech_lufs, after.speech_lufs, ""),
        "picture.drawn": (drawn[0], drawn[1], ""),
        "defects": (len(was.defects), len(now.defects), ", ".join(fresh)),
    }


def _paces(was: Dub, now: Dub) -> list[Pair]:
    """Line by line, so that none hides behind a faster one; and the fastest, which may be a new line."""
    lines = [(a.pace, b.pace, f"line {a.line}") for a, b in same_lines(was, now)]
    return [*lines, (_fastest(was), _fastest(now), "the fastest line")]


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


def paired_stills(was: Dub, now: Dub) -> list[tuple[Still, Still, float]]:
    """(accepted, now, distance) of every still that both have, in the order of frames."""
    after = {(still.frame, still.box, still.of): still for still in now.stills}
    found = []
    for still in was.stills:
        other = after.get((still.frame, still.box, still.of))
        if other is not None:
            found.append((still, other, picture.distance(still.webp, other.webp)))
    return sorted(found, key=lambda pair: (pair[0].frame, pair[0].of))


def _least_like(was: Dub, now: Dub, of: str) -> Pair:
    """The largest distance among stills of one kind."""
    wanted = any(still.of == of for still in was.stills)
    found = [(distance, still.frame) for still, _, distance in paired_stills(was, now) if still.of == of]
    if not found:
        return (0.0 if wanted else None), None, ""
    distance, frame = max(found)
    return 0.0, round(distance, 4), f"frame {frame}"


def _farthest(found: Sequence[tuple[float, str]]) -> Pair:
    """The largest difference and the line that has it; no lines in common differ by nothing."""
    if not found:
        return None, None, ""
    far, line = max(found)
    return 0.0, round(far, 4), f"line {line}" if far else ""
