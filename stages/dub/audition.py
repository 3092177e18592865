"""Whether a recording can stand for a person in the voice bank: long enough, loud, clean, and one voice.

A gate: what speaks against a recording comes back as reasons, none of which is a proof. Music under the voice
is not heard where it never pauses, and two people of like pitch pass for one (see `voices_in`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from loc.analysis import speakers, voice_activity
from loc.analysis.diarization.contract import Embedder
from loc.analysis.diarization.grouping import by_vectors
from loc.analysis.speakers import Spoken
from loc.analysis.voice_activity import ANALYSIS_RATE, FRAME, FRAME_48K, RATIO, to_analysis
from loc.artifacts import SAMPLE_RATE, Reason
from loc.media.sound import Samples
from stages.dub.faults import CLIPPED_SHARE, clipped_share
from stages.dub.reference import FAINTEST_DB, LEAST, MIN_SNR_DB

Range = tuple[int, int]

PIECE = 2 * ANALYSIS_RATE
"""Of the pieces that voices are told by. In the four recordings of real people at hand, cut in spans of 6 to
22 s, pitch and timbre took none of 17 spans for two people; of 18 joints of two of them, 3 to 10 s of each,
they heard the second voice in 9."""
SHORTEST_PIECE = ANALYSIS_RATE * 3 // 4
"""A shorter piece is a word or two, at the pitch of an exclamation."""

LEAST_SPEECH = LEAST * 3 // 4
"""Samples of the shortest recording that are speech: phrases have pauses between them."""

FEWEST_PAUSES = 10
"""Frames of 30 ms between speech that say how loud the background is."""

TOO_SHORT = "too-short"
"""The one reason for which a recording is never taken: no engine could imitate it."""


@dataclass(frozen=True)
class Heard:
    """What is heard in a recording.

    Args:
        seconds: of speech.
        spoken: from where to where somebody speaks, pauses included, samples at 48 kHz.
        voices: how many people seem to speak; 0 where nobody does.
        told_by: what tells that.
        reasons: why it should not stand for a person; empty where nothing speaks against it.
    """

    seconds: float
    spoken: Range
    voices: int
    told_by: str
    reasons: tuple[Reason, ...]


def audition(audio: Samples, raw: Samples, embedder: Embedder | None) -> Heard:
    """Listen to a recording.

    Args:
        audio: float32 [n], mono, 48 kHz.
        raw: float32 [m, channels], as it was recorded: mixing and resampling hide flat tops.
        embedder: tells voices better than pitch and timbre, where one is at hand.

    Raises:
        LocError: the embedder failed.
    """
    heard = to_analysis(audio[:, None])
    frames = voice_activity.measure(heard)
    runs = voice_activity.regions(frames)
    seconds = sum(stop - start for start, stop in runs) * FRAME / ANALYSIS_RATE
    regions = [(start * FRAME, min(len(heard), stop * FRAME)) for start, stop in runs]
    spoken = (runs[0][0] * FRAME_48K, min(len(audio), runs[-1][1] * FRAME_48K)) if runs else (0, 0)
    voices = voices_in(heard, regions, embedder)
    told_by = "pitch and timbre" if embedder is None else embedder.card.name
    found = [
        _length(seconds, (spoken[1] - spoken[0]) / SAMPLE_RATE),
        _faint(frames, runs),
        _noisy(frames, runs),
        _clipped(raw),
        _several(voices, told_by),
    ]
    return Heard(seconds, spoken, voices, told_by, tuple(reason for reason in found if reason is not None))


def voices_in(heard: Samples, regions: list[Range], embedder: Embedder | None) -> int:
    """How many people seem to speak.

    Args:
        heard: float32 [n], mono, 16 kHz.
        regions: where somebody does, in its samples.
    """
    pieces = [heard[start:stop] for region in regions for start, stop in _pieces(*region)]
    if not pieces:
        return 0
    if embedder is None:
        spoken = [Spoken(speakers.measure(piece), len(piece) * RATIO) for piece in pieces]
        return len(speakers.group(spoken).speakers)
    vectors = np.stack([embedder.embed(piece).whole for piece in pieces])
    firm = [len(piece) >= embedder.scale.shortest for piece in pieces]
    return len(set(by_vectors(vectors, firm, embedder.scale.joined, 1, len(pieces)).tolist()))


def _pieces(start: int, stop: int) -> list[Range]:
    """A stretch of speech in equal pieces of about `PIECE`; none where it is too short for one."""
    count = max(1, round((stop - start) / PIECE))
    edges = [start + (stop - start) * place // count for place in range(count + 1)]
    return [piece for piece in itertools.pairwise(edges) if piece[1] - piece[0] >= SHORTEST_PIECE]


def _length(seconds: float, whole: float) -> Reason | None:
    """Args: seconds of speech; of the recording from its first to its last."""
    if seconds >= LEAST_SPEECH / SAMPLE_RATE and whole >= LEAST / SAMPLE_RATE:
        return None
    detail = (
        f"Somebody speaks for {seconds:.1f} s, within {whole:.1f} s; {LEAST_SPEECH / SAMPLE_RATE:.0f} s "
        f"within {LEAST / SAMPLE_RATE:.0f} s are needed."
    )
    return Reason(code=TOO_SHORT, detail=detail)


def _power(frames: voice_activity.VoiceFrames, runs: list[Range], *, inside: bool) -> float | None:
    """Mean power of the frames in or between speech; None where there are too few."""
    chosen = np.zeros(len(frames), dtype=bool)
    for start, stop in runs:
        chosen[start:stop] = True
    levels = frames.level_db[chosen if inside else ~chosen]
    return float(np.mean(10 ** (levels / 10))) if len(levels) >= FEWEST_PAUSES else None


def _faint(frames: voice_activity.VoiceFrames, runs: list[Range]) -> Reason | None:
    power = _power(frames, runs, inside=True)
    if power is None or 10 * np.log10(power) >= FAINTEST_DB:
        return None
    detail = f"Speech is at {10 * np.log10(power):.0f} dBFS; it should be above {FAINTEST_DB:.0f}."
    return Reason(code="faint", detail=detail)


def _noisy(frames: voice_activity.VoiceFrames, runs: list[Range]) -> Reason | None:
    speech, pauses = (_power(frames, runs, inside=inside) for inside in (True, False))
    if speech is None or pauses is None:
        return None
    ratio = 10 * np.log10(speech / max(pauses, 1e-12))
    if ratio >= MIN_SNR_DB:
        return None
    detail = f"Speech is {ratio:.0f} dB over what is heard in its pauses; {MIN_SNR_DB:.0f} dB are asked for."
    return Reason(code="noisy", detail=detail)


def _clipped(raw: Samples) -> Reason | None:
    # A silent channel is flat, too.
    sounding = [raw[:, channel] for channel in range(raw.shape[1]) if raw[:, channel].any()]
    share = max(map(clipped_share, sounding), default=0.0)
    if share <= CLIPPED_SHARE:
        return None
    return Reason(code="clipped", detail=f"{100 * share:.1f} % of it is cut flat.")


def _several(voices: int, told_by: str) -> Reason | None:
    if voices < 2:
        return None
    return Reason(code="several", detail=f"{voices} people seem to speak, by {told_by}.")
