"""Recordings of speakers for engines that imitate: cut from the separated speech of each, by a gate.

A span qualifies where one speaker alone is heard, long enough, well above the background, unclipped, at the
pitch of the speaker's other spans and, where anything tells voices, in their voice. The best of them, in
order of time, make the recording; where they do not add up to enough there is none, and the speaker is not
imitated. A speaker's recording is an artifact of its own: its digest stands in the key of every line that
imitates it.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loc import packages
from loc.analysis import speakers
from loc.analysis.diarization.chosen import embedder
from loc.analysis.diarization.contract import Embedder
from loc.analysis.voice_activity import to_analysis
from loc.artifacts import SAMPLE_RATE, Frozen, Segment, Sound, Stems, Transcript
from loc.errors import LocError
from loc.media.sound import Samples, read_sound, slice_key
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from stages.dub.contract import Reference
from stages.dub.faults import CLIPPED_SHARE, clipped_share

VERSION = 1

SHORTEST = 3 * SAMPLE_RATE // 2
"""Of a span: under 1.5 s there is little more than a word, at the pitch of an exclamation."""
LONGEST = 8 * SAMPLE_RATE
"""Taken of a span, from its beginning."""
CANDIDATES = 16
"""Spans that are listened to, the longest ones: enough for three recordings."""
WANTED = 10 * SAMPLE_RATE
"""Engines listen to the first 6 to 10 s."""
LEAST = 4 * SAMPLE_RATE
"""Under that, engines imitate the room rather than the voice."""

MIN_SNR_DB = 15.0
"""Speech over background in a span. Music that is heard beneath is imitated too; at 15 dB it is not heard."""
MAX_PITCH_GAP = 5.0
"""Half tones between a span and the median of all: a fourth. One speaker's lines scatter by 2.5; a line that
was given to the wrong speaker is further off, if they differ in pitch at all."""
FAINTEST_DB = -45.0
"""Level of speech, dBFS, under which separation leaves mostly noise."""

PAUSE = SAMPLE_RATE // 5
"""Silence between two spans."""
FADE = SAMPLE_RATE // 100

Span = tuple[int, int]
Refusal = Literal["short", "noisy", "clipped", "faint", "other"]


class About(Frozen):
    """What a recording was made of, or why there is none."""

    samples: int
    """0: there is none."""
    spans: int
    """How many were listened to."""
    refused: dict[str, int]
    """Why spans were left out, and how many: `noisy`, `clipped`, `faint`, `other` (by pitch or voice)."""


@dataclass(frozen=True)
class _Heard:
    """A span as it sounds."""

    span: Span
    audio: Samples
    snr_db: float
    f0_hz: float | None
    voice: Samples | None = None
    """What an embedder makes of it, of unit length; None where there is none."""


def spans_of(speaker: str, segments: Sequence[Segment], doubtful: Collection[str] = ()) -> list[Span]:
    """Where one speaker alone is heard, long enough, in order of time: at most `CANDIDATES`.

    Args:
        doubtful: ids of segments in which another may be heard.
    """
    found: list[Span] = []
    for segment in segments:
        if segment.speaker != speaker or segment.id in doubtful:
            continue
        start, stop = segment.start, min(segment.stop, segment.start + LONGEST)
        alone = all(
            other.stop <= start or other.start >= stop for other in segments if other.speaker != speaker
        )
        if alone and stop - start >= SHORTEST:
            found.append((start, stop))
    return sorted(sorted(found, key=lambda span: (span[0] - span[1], span))[:CANDIDATES])


def recordings(
    context: Context, stems: Stems, transcript: Transcript, wanted: Sequence[str]
) -> Mapping[str, Reference | About]:
    """A recording of each speaker, by id, or what there was of them if it is not enough."""
    speech, background = stems.speech, stems.background
    if speech is None:
        return {}
    doubtful = {item.segment for item in transcript.overlaps}
    doubtful.update(item.segment for item in transcript.unsure)
    spans = {speaker: spans_of(speaker, transcript.segments, doubtful) for speaker in wanted}
    made = _made(context, speech, background, spans)
    found: dict[str, Reference | About] = {}
    for speaker, item in made.items():
        about = item.model("about", About)
        if not about.samples:
            found[speaker] = about
            continue
        sound = item.ref("sound")
        found[speaker] = Reference(
            sound, context.store.object_path(sound.sha256), transcript.language or context.job.source_language
        )
    return found


def _made(
    context: Context, speech: Sound, background: Sound | None, spans: Mapping[str, Sequence[Span]]
) -> dict[str, Made]:
    """The recording of each speaker; where what tells voices fails, which is said, by pitch alone."""
    teller = embedder(context)
    work = [_cut(context, speaker, speech, background, own, teller) for speaker, own in spans.items()]
    if teller is None:
        return dict(zip(spans, context.runner.map(work, parallel=True), strict=True))
    done: dict[str, Made] = {}
    for speaker, item in zip(spans, context.runner.attempt(work, parallel=True), strict=True):
        if isinstance(item, LocError):
            why = f"{speaker}: {item} Its spans are told by their pitch alone."
            context.notice("not-listened", why)
            done[speaker] = context.runner.do(
                *_cut(context, speaker, speech, background, spans[speaker], None)
            )
        else:
            done[speaker] = item
    return done


def _cut(
    context: Context,
    speaker: str,
    speech: Sound,
    background: Sound | None,
    spans: Sequence[Span],
    teller: Embedder | None,
) -> tuple[Action, Make]:
    """`dub.reference`: the recording of one speaker.

    Reads: speech and background in the spans in which that speaker alone is heard, 16 at most.
    Leaves out: what is said; target language and engine; everybody else's speech.
    """

    def make(out: Out) -> None:
        heard = [_listen(context, speech, background, span, teller) for span in spans]
        chosen, refused = choose(heard, teller.scale.other if teller is not None else None)
        audio = joined([item.audio for item in chosen])
        if len(audio):
            out.bytes("sound", wav(audio))
        out.model("about", About(samples=len(audio), spans=len(spans), refused=refused))
        out.detail.update(samples=len(audio), spans=len(spans), **refused)

    action = Action(
        name="dub.reference",
        version=VERSION,
        site=context.site("dub", f"speaker {speaker}"),
        inputs={
            "speech": [slice_key(speech, *span) for span in spans],
            "background": [slice_key(background, *span) for span in spans] if background is not None else [],
        },
        backend=(teller.card.id, teller.card.version) if teller is not None else None,
        programs={
            **(teller.fingerprint() if teller is not None else {}),
            "scipy": packages.version("scipy"),
            "soxr": packages.version("soxr"),
        },
    )
    return action, make


def _listen(
    context: Context, speech: Sound, background: Sound | None, span: Span, teller: Embedder | None
) -> _Heard:
    sound = read_sound(context.store, speech, *span)
    audio = np.ascontiguousarray(sound.mean(axis=1), dtype=np.float32)
    beneath = 0.0
    if background is not None:
        beneath = _power(read_sound(context.store, background, *span).mean(axis=1))
    snr = 10 * np.log10(max(_power(audio), 1e-12) / max(beneath, 1e-12))
    plain = to_analysis(sound)
    # What is faint is refused for that, and may hold nothing to be embedded.
    voice = teller.embed(plain).whole if teller is not None and not _faint(audio) else None
    return _Heard(span, audio, float(snr), speakers.measure(plain).f0_hz, voice)


def choose(heard: Sequence[_Heard], other: float | None = None) -> tuple[list[_Heard], dict[str, int]]:
    """The spans that make the recording, in order of time, and why others do not.

    Nothing is chosen where what qualifies is shorter than `LEAST`.

    Args:
        other: similarity to the other spans under which one is somebody else's; None where nothing tells.
    """
    pitches = [item.f0_hz for item in heard if item.f0_hz is not None]
    middle = float(np.median(pitches)) if pitches else None
    refused: dict[str, int] = {}
    good: list[_Heard] = []
    for item in heard:
        why = _why_not(item, middle) or _whose(item, heard, other)
        if why is None:
            good.append(item)
        else:
            refused[why] = refused.get(why, 0) + 1
    taken: list[_Heard] = []
    total = 0
    for item in sorted(good, key=lambda item: (-item.snr_db, item.span)):
        if total >= WANTED:
            break
        taken.append(item)
        total += len(item.audio)
    if total < LEAST:
        return [], refused
    return sorted(taken, key=lambda item: item.span), refused


def _why_not(item: _Heard, middle: float | None) -> Refusal | None:
    if _faint(item.audio):
        return "faint"
    if item.snr_db < MIN_SNR_DB:
        return "noisy"
    if clipped_share(item.audio) > CLIPPED_SHARE:
        return "clipped"
    if item.f0_hz is None or middle is None or abs(12 * np.log2(item.f0_hz / middle)) > MAX_PITCH_GAP:
        return "other"
    return None


def _whose(item: _Heard, heard: Sequence[_Heard], other: float | None) -> Refusal | None:
    """Whether a span is unlike all others of its speaker together."""
    rest = [one.voice for one in heard if one is not item and one.voice is not None]
    if other is None or item.voice is None or not rest:
        return None
    mean = np.mean(rest, axis=0)
    similarity = float(item.voice @ mean) / max(float(np.linalg.norm(mean)), 1e-9)
    return "other" if similarity < other else None


def _faint(audio: Samples) -> bool:
    return bool(10 * np.log10(max(_power(audio), 1e-12)) < FAINTEST_DB)


def joined(parts: Sequence[Samples]) -> Samples:
    """Spans one after the other, each faded at its edges, with pauses between them."""
    pieces: list[Samples] = []
    ramp = np.linspace(0, 1, FADE, dtype=np.float32)
    for part in parts:
        audio = part.copy()
        audio[:FADE] *= ramp
        audio[-FADE:] *= ramp[::-1]
        pieces += [audio, np.zeros(PAUSE, np.float32)]
    return np.concatenate(pieces[:-1]) if pieces else np.zeros(0, np.float32)


def wav(audio: Samples) -> bytes:
    """A WAV file, mono, 48 kHz, 16 bits, its peak at half of full scale."""
    import soundfile

    peak = float(np.abs(audio).max(initial=0.0))
    level = np.float32(0.5 / peak) if peak else np.float32(0)
    file = io.BytesIO()
    soundfile.write(file, audio * level, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def samples(file: bytes) -> Samples:
    """The sound of a recording that `wav` wrote, float32 [n]."""
    import soundfile

    audio, _ = soundfile.read(io.BytesIO(file), dtype="float32")
    return np.asarray(audio, dtype=np.float32)


def refusal(about: About) -> str:
    """Why a speaker is not imitated, in words."""
    reasons = ", ".join(f"{count} {why}" for why, count in sorted(about.refused.items()))
    return (
        f"Of {about.spans} spans in which nobody else speaks too few can be imitated"
        f"{f' ({reasons})' if reasons else ''}: {LEAST / SAMPLE_RATE:.0f} s are needed."
    )


def _power(audio: Samples) -> float:
    return float(np.mean(np.square(audio, dtype=np.float64))) if len(audio) else 0.0
