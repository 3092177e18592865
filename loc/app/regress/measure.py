"""What came out of a run: figures from its report, and from the delivered files themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from loc.app.export import Targets
from loc.app.regress import picture, sound
from loc.app.regress.baseline import Cue, Cut, Dub, Line, Loudness, Score
from loc.app.report import CutReport, LineFit, Report, ScoreReport
from loc.artifacts import SAMPLE_RATE
from loc.settings import Settings

if TYPE_CHECKING:
    from loc.media.frames import Scan
    from loc.media.probe import Facts
    from loc.media.sound import Samples


def measure_dub(
    source: Path, targets: Targets, report: Report, settings: Settings, accepted: Dub | None
) -> Dub:
    """Measure one delivered language.

    Args:
        source: the video it was made from.
        targets: where its files lie.
        accepted: its stills are taken again at the same places.

    Raises:
        LocError: a file cannot be read or decoded.
    """
    from loc.media.probe import probe_source
    from loc.media.subtitles import read_cues

    filmed, delivered = probe_source(source, settings), probe_source(targets.video, settings)
    stills, scan = picture.take_stills(
        source,
        targets.video,
        filmed.video,
        delivered.video,
        [(*cut.frames, cut.drawn_frames > 0) for cut in report.cuts],
        accepted.stills if accepted else (),
    )
    audio = sound.joined(track_of(targets.video, delivered, scan))
    level, peak = sound.loudness(audio)
    subtitles = targets.subtitles.read_bytes()
    # Where nobody speaks they are empty, which is no subtitle file to read.
    cues = read_cues(subtitles, targets.subtitles.name) if subtitles else []
    return Dub(
        cues=tuple(Cue(start=round(cue.start / SAMPLE_RATE, 3), text=cue.text) for cue in cues),
        lines=tuple(_line(line) for line in report.lines),
        silent=tuple(line.line for line in report.silent),
        defects=tuple(sorted(f"{defect.stage} {defect.code}" for defect in report.defects)),
        frames=len(scan.pts),
        loudness=Loudness(
            integrated_lufs=level,
            true_peak_dbtp=peak,
            speech_lufs=_rounded(report.loudness.speech_lufs) if report.loudness else None,
        ),
        envelope=sound.envelope_of(audio),
        cuts=tuple(_cut(cut) for cut in report.cuts),
        stills=stills,
    )


def track_of(path: Path, facts: Facts, scan: Scan) -> Iterator[Samples]:
    """The delivered sound from the first picture on, float32 [n, channels], 48 kHz."""
    from loc.media.audio import decode_track
    from loc.media.frames import first_look
    from loc.media.probe import chosen_track

    track = chosen_track(facts.audio, None)
    if track is not None:
        tick = first_look(path, facts.video.index).time_base
        start = (int(scan.pts[0]) + scan.lead) * tick
        picture = round(scan.duration * tick * SAMPLE_RATE)
        yield from decode_track(path, track, start, picture, scan.timeline(tick).stretches())


def _line(line: LineFit) -> Line:
    return Line(
        line=line.line,
        start=line.start,
        seconds=line.seconds,
        pace=round(line.rate * line.stretch, 4),
        overrun=line.overrun_seconds,
    )


def _cut(cut: CutReport) -> Cut:
    return Cut(frames=cut.frames, drawn_frames=cut.drawn_frames, score=_score(cut.score))


def _score(score: ScoreReport | None) -> Score | None:
    if score is None:
        return None
    picture = score.picture
    return Score(
        measure=score.measure,
        value=_rounded(score.value, 4),
        offset_ms=_rounded(score.offset_ms),
        seam=_rounded(picture.seam) if picture else None,
        lip_colour=_rounded(picture.lip_colour) if picture else None,
        sharpness=_rounded(picture.sharpness, 4) if picture else None,
        jitter=_rounded(picture.jitter) if picture else None,
    )


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
