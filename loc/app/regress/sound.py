"""What is heard in a delivered file: how loud it is, and its envelope, by which a line is found again."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from loc.artifacts import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from loc.media.sound import Samples

ENVELOPE_RATE = 50
"""Steps for each second of an envelope: 20 ms, between which the peak of a correlation is interpolated. An
hour is 0.24 MB in the baseline."""

FLOOR_DB = -80.0
"""What an envelope calls silence."""

SEARCHED = 1.0
"""Seconds either way in which a line is looked for."""

CLEAR = 0.7
"""Correlation under which a line is not told to be the same one: its sound is another, and says nothing
of its time."""

OVERSAMPLING = 4
"""As ITU-R BS.1770 asks for true peaks at 48 kHz."""


class Spoken(Protocol):
    """A line with its place, seconds."""

    @property
    def start(self) -> float: ...
    @property
    def seconds(self) -> float: ...


def envelope_of(audio: Samples) -> str:
    """Base64 of uint8 [n * ENVELOPE_RATE / 48000]: the level of each step, all channels together, from
    `FLOOR_DB` (0) to 0 dB (255).

    Args:
        audio: float32 [n, channels], 48 kHz.
    """
    import numpy as np

    step = SAMPLE_RATE // ENVELOPE_RATE
    padded = np.pad(audio, ((0, -len(audio) % step), (0, 0)))
    power = np.square(padded.astype(np.float64)).mean(axis=1).reshape(-1, step).mean(axis=1)
    level = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    scaled = np.rint(255 * (1 - level.clip(FLOOR_DB, 0) / FLOOR_DB)).astype(np.uint8)
    return base64.b64encode(scaled.tobytes()).decode()


def _levels(envelope: str) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.frombuffer(base64.b64decode(envelope), dtype=np.uint8).astype(np.float64)


def lag(was: str, now: str, line: Spoken, other: Spoken) -> float | None:
    """Seconds by which a line sounds later than it did, from two envelopes; None where it is another sound.

    The envelope of the line as it was is moved along the other one, at most `SEARCHED` either way.

    Args:
        line: its place as it was; `other`: as it is said to be now. One that lasts longer or shorter is not
            the same sound.
    """
    import numpy as np

    if abs(line.seconds - other.seconds) > 1 / ENVELOPE_RATE:
        return None
    before, after = _levels(was), _levels(now)
    start, stop = (round(at * ENVELOPE_RATE) for at in (line.start, line.start + line.seconds))
    start, stop = max(0, start), min(len(before), stop)
    if stop - start < 2:
        return None
    wanted = before[start:stop]
    reach = round(SEARCHED * ENVELOPE_RATE)
    matches = np.full(2 * reach + 1, -1.0)
    for shift in range(-reach, reach + 1):
        first = start + shift
        if first >= 0 and first + len(wanted) <= len(after):
            matches[shift + reach] = _correlation(wanted, after[first : first + len(wanted)])
    best = int(matches.argmax())
    if matches[best] < CLEAR:
        return None
    return (best - reach + _between(matches, best)) / ENVELOPE_RATE


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = float((a @ a) * (b @ b)) ** 0.5
    return float(a @ b) / size if size else -1.0


def _between(matches: npt.NDArray[np.float64], best: int) -> float:
    """Where between its neighbours a peak lies, -0.5..0.5 steps: the vertex of the parabola through them."""
    if not 0 < best < len(matches) - 1 or min(matches[best - 1], matches[best + 1]) <= -1:
        return 0.0
    left, top, right = matches[best - 1 : best + 2]
    bend = left - 2 * top + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0


def loudness(audio: Samples) -> tuple[float | None, float | None]:
    """(integrated LUFS by ITU-R BS.1770-4, true peak dBTP) of a whole track; None: silent.

    By pyloudnorm, not by what made the mix, so that a fault of the latter cannot hide itself.

    Args:
        audio: float32 [n, channels], 48 kHz, any length.
    """
    import numpy as np
    import pyloudnorm

    block = 0.4
    padded = np.pad(audio, ((0, max(0, round(block * SAMPLE_RATE) + 1 - len(audio))), (0, 0)))
    with np.errstate(divide="ignore"):
        level = float(pyloudnorm.Meter(SAMPLE_RATE, block_size=block).integrated_loudness(padded))
    peak = true_peak(audio)
    return (round(level, 2) if np.isfinite(level) else None), (
        round(float(20 * np.log10(peak)), 2) if peak > 0 else None
    )


def true_peak(audio: Samples) -> float:
    """Largest magnitude at four times the rate, in pieces of ten seconds with some overlap."""
    import numpy as np
    from scipy.signal import resample_poly

    piece, overlap = 10 * SAMPLE_RATE, 64
    highest = 0.0
    for start in range(0, len(audio), piece):
        part = audio[max(0, start - overlap) : start + piece + overlap]
        highest = max(highest, float(np.abs(resample_poly(part, OVERSAMPLING, 1, axis=0)).max(initial=0)))
    return highest


def joined(pieces: Iterable[Samples]) -> Samples:
    """One array of all pieces."""
    import numpy as np

    return np.concatenate([*pieces]).astype(np.float32)
