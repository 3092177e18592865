"""A report made up for the tests of its page: every kind of trouble there is, and text that means harm."""

from __future__ import annotations

from loc.app.page import Said, Subject
from loc.app.record import StageTime
from loc.app.report import (
    BackendUsed,
    BankVoiceReport,
    CastReport,
    CutReport,
    DefectReport,
    DroppedReport,
    LicenceUsed,
    LineFailed,
    LineFit,
    LoudnessReport,
    NotTaken,
    PersonReport,
    PictureReport,
    Report,
    RunReport,
    ScoreReport,
    SourceFacts,
    SpeakerReport,
)
from loc.artifacts import Evidence

HARM = '</script><script>window.harmed = 1</script><img src=x onerror="window.harmed = 1">'
"""In a file name, in what is said and in why a cut was left: it must stay text."""

SECONDS = 60.0


def line(number: int, **changes: object) -> LineFit:
    """A line of two seconds, one every four."""
    fields: dict[str, object] = {
        "line": f"l{number:04}",
        "speaker": f"speaker{number % 2 + 1}",
        "voice": "mei",
        "start": 4.0 * number,
        "seconds": 2.0,
        "slot_seconds": 2.2,
        "rate": 1.1,
        "stretch": 1.0,
        "borrowed_seconds": 0.0,
        "overrun_seconds": 0.0,
        "unknown_words": 0,
    }
    return LineFit.model_validate({**fields, **changes})


PICTURE = PictureReport(seam=0.8, lip_colour=2.5, sharpness=0.94, jitter=1.1, outside=0)


def score(**changes: object) -> ScoreReport:
    """Lips that follow the dub."""
    fields: dict[str, object] = {
        "measure": "renderer-obedience",
        "value": 0.91,
        "offset": 0,
        "offset_ms": 0.0,
        "n": 96,
        "closures": 7,
        "p": 0.001,
        "confidence": 0.83,
        "unscored": None,
        "picture": None,
    }
    return ScoreReport.model_validate({**fields, **changes})


def unscored(why: str) -> ScoreReport:
    """A cut with too little to go by."""
    return score(value=None, offset=None, offset_ms=None, p=None, confidence=None, unscored=why)


def cut(number: int, route: str = "draft", **changes: object) -> CutReport:
    """A cut of five seconds, one after the other, drawn unless it passes through."""
    drawn = route == "draft"
    fields: dict[str, object] = {
        "shot": number + 1,
        "face": f"{number + 1}a",
        "frames": (125 * number, 125 * (number + 1)),
        "start": 5.0 * number,
        "seconds": 5.0,
        "speaker": "speaker1" if drawn else None,
        "route": route,
        "reasons": () if drawn else ("profile: turned by 61 degrees",),
        "backend": "lipsync/warp" if drawn else None,
        "drawn_frames": 110 if drawn else 0,
        "skipped_frames": 0,
        "score": score(picture=PICTURE) if drawn else None,
    }
    return CutReport.model_validate({**fields, **changes})


def casting(shot: int, by: str = "only-face", **changes: object) -> CastReport:
    """The line of a shot's only speaker."""
    fields: dict[str, object] = {
        "shot": shot,
        "speaker": "speaker1",
        "segments": (f"l{shot:04}",),
        "face": f"{shot}a",
        "by": by,
        "certain": by not in ("framing", "unsure"),
        "lip_speed": 0.51,
        "runner_up": None,
        "seconds": 3.2,
        "p": None,
    }
    return CastReport.model_validate({**fields, **changes})


def speaker(number: int, **changes: object) -> SpeakerReport:
    """Somebody with six lines."""
    fields: dict[str, object] = {
        "id": f"speaker{number}",
        "name": f"Name {number}",
        "seconds": 12.0,
        "lines": 6,
        "median_f0_hz": 100.0 * number,
        "voice_class": "high",
    }
    return SpeakerReport.model_validate({**fields, **changes})


def troubled() -> Report:
    """One minute with 12 lines and 12 cuts, among them one of every trouble."""
    lines = [line(number) for number in range(12)]
    lines[2] = line(2, seconds=3.1, rate=1.35, stretch=1.25, borrowed_seconds=0.4, overrun_seconds=0.5)
    lines[5] = line(5, unknown_words=2)
    cuts = [cut(number) for number in range(12)]
    cuts[3] = cut(3, "passthrough")
    cuts[4] = cut(4, "passthrough", reasons=(f"odd: {HARM}",))
    cuts[7] = cut(7, skipped_frames=12)
    cuts[5] = cut(5, score=unscored("1.2 s of speech are under 2 s."))
    cuts[8] = cut(8, score=score(value=0.62, offset=4, offset_ms=160.0))
    cuts[9] = cut(9, drawn_frames=0, reasons=("failed: The face was lost.",), score=None)
    cuts[10] = cut(10, score=score(value=0.24, offset=-1, offset_ms=-40.0, p=0.21))
    return Report(
        loc_version="0.1.0",
        language="ja",
        translation="supplied",
        transcript="recognised",
        source=SourceFacts(
            subtitles_in_picture=0,
            sha256="ab" * 32,
            bytes=12_345_678,
            container="mov,mp4",
            width=1280,
            height=720,
            shown_width=720,
            shown_height=1280,
            frames=1500,
            rate="25/1",
            seconds=SECONDS,
            audio_tracks=1,
            audio_track=1,
            shots=12,
            speakers=2,
            language="en",
        ),
        output_sha256="cd" * 32,
        backends=(
            BackendUsed(
                stage="dub",
                name="openjtalk",
                version="1",
                quality="basic",
                family="embedded",
                licences=(
                    LicenceUsed(item="mei", kind="voice", licence="CC BY 3.0", terms="Credit the author."),
                ),
            ),
        ),
        lines=tuple(lines),
        speakers=(
            speaker(
                1, bank_voice=BankVoiceReport(voice="anna", own=None, person=f"Anna {HARM}", rights=None)
            ),
            speaker(2),
        ),
        silent=(LineFailed(line="l0090", reason="no phones", start=49.0, seconds=2.0),),
        dropped=(
            DroppedReport(start=30.5, seconds=1.5, reason="a line of credits"),
            DroppedReport(start=40.0, seconds=2.0, reason="voice, but no word was recognised"),
        ),
        cast=(
            casting(1),
            casting(2, "lips", runner_up=0.05, p=0.004),
            casting(3, "framing"),
            casting(6, "listener", face=None, segments=("l0006", "l0007")),
        ),
        people=(
            PersonReport(name="person1", faces=("1a", "3a"), certain=False),
            PersonReport(name="person2", faces=("2a",), certain=True),
        ),
        cuts=tuple(cuts),
        loudness=LoudnessReport(
            integrated_lufs=-19.4, true_peak_dbtp=-5.4, speech_lufs=None, source_speech_lufs=-20.0
        ),
        defects=(DefectReport(stage="lipsync", unit="cut 10", code="failed", message="The face was lost."),),
        run=RunReport(
            id="20261126T080000.000000Z-abcd",
            stages=(
                StageTime(stage="ingest", language=None, seconds=1.5, hits=0, misses=5),
                StageTime(stage="lipsync", language="ja", seconds=12.5, hits=2, misses=9),
            ),
            not_taken=(
                NotTaken(
                    stage="lipsync",
                    name=f"sharp:{HARM}",
                    models=3,
                    quality="best",
                    gate="needs",
                    reason="missing: weights sharp-1",
                ),
            ),
            notices=(f"{HARM} is taken as the transcript.",),
            bytes_kept=17_500_000,
        ),
    )


def subject(evidence: Evidence | None = None, *, bare: bool = False) -> Subject:
    """What goes with `troubled`."""
    said = {f"l{number:04}": Said(f"台詞 {number} {HARM}", f"Line {number}.") for number in range(12)}
    return Subject(
        name=f"{HARM}.mp4",
        said={} if bare else said,
        dropped=() if bare else (f"Subtitles by {HARM}", ""),
        shots=[5.0 * number for number in range(12)],
        evidence=evidence,
    )
