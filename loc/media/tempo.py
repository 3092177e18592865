"""Sound made shorter or longer without a change of pitch: rubberband, through ffmpeg."""

from __future__ import annotations

import numpy as np

from loc.artifacts import SAMPLE_RATE
from loc.media import ffmpeg
from loc.media.sound import Samples

MARGIN = SAMPLE_RATE // 10
"""Samples around what is stretched that the filter hears beside it: parts shorter than its window come out
whole."""

_LEAD = 275 * SAMPLE_RATE // 10_000
"""The filter lines sound up at this place of its window, not at the window's beginning: clicks come early by
the stretch's share of 27.5 ms (measured with clicks at tempos 0.8 to 1.25, ffmpeg 5.1)."""


def stretched(audio: Samples, samples: int, program: str, *, voice: bool) -> Samples:
    """The part of a sound between its margins, at exactly `samples` length; float32 [samples, channels].

    Its length comes out within a sample. Places are exact within 1.3 ms, those of a voice within 5 ms at
    every tempo used.

    Args:
        audio: float32 [`MARGIN` + n + `MARGIN`, channels], 48 kHz.
        voice: keep the formants, as of a voice alone. Otherwise steady tones keep their pitch beside clicks:
            with rubberband's own choice a tone of 220 Hz comes out at 225.

    Raises:
        ChildError: ffmpeg failed; it may have been built without rubberband.
    """
    import ffmpeg as graph

    tempo = (len(audio) - 2 * MARGIN) / samples
    channels = audio.shape[1]
    pcm = {"format": "f32le", "ar": SAMPLE_RATE, "ac": channels}
    options = {"formant": "preserved"} if voice else {"transients": "mixed"}
    stream = graph.input("pipe:0", **pcm).filter("rubberband", tempo=f"{tempo:.9f}", **options)
    raw = ffmpeg.run(stream.output("pipe:1", **pcm), program, np.ascontiguousarray(audio).tobytes())
    start = round(MARGIN / tempo + (0 if voice else _LEAD * (1 - 1 / tempo)))
    part = np.frombuffer(raw, dtype=np.float32).reshape(-1, channels)[start : start + samples]
    return np.pad(part, ((0, samples - len(part)), (0, 0)))
