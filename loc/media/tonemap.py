"""HDR to SDR, as a table of colours that ffmpeg's `lut3d` applies.

Code values become light (ITU-R BT.2100: perceptual quantiser, or hybrid log-gamma on a display of
1000 cd/m²); light above what paper reflects is rolled off by the curve of BT.2390, 5.4.1, on the brightest of
R, G and B, so that hues stay; primaries become those of BT.709 (BT.2087), what lies outside them is cut; and
light becomes code values again by the display of BT.1886. White paper in HDR (203 cd/m², BT.2408) is SDR's
white: faces keep their brightness against it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from loc.artifacts import HDR_TRANSFERS, Frozen, VideoStream

Values = npt.NDArray[np.float64]

WHITE = 203.0
"""cd/m² of HDR reference white (BT.2408), and what SDR's white stands for here."""

USUAL_PEAK = 1000
"""cd/m² of the brightest pixel where nothing says so: what most programmes are graded for, and the display
for which BT.2100 states HLG."""

PQ_PEAK = 10_000.0
"""cd/m² of PQ's largest code value."""

HLG_WHITE = 0.75
"""HLG's value of HDR reference white, BT.2408."""

SDR_GAMMA = 2.4
"""BT.1886."""

HLG_GAMMA = 1.2
"""System gamma of a display of 1000 cd/m², BT.2100."""

SIZE = 65
"""Colours along each side of the table: between them it is straight to 0.3/255 on average (0.03 of HLG), and
off by more than 4/255 only in PQ where a colour is about to leave BT.709."""

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""PQ, BT.2100 table 4."""

_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * np.log(4 * _A)
"""HLG, BT.2100 table 5."""

_LUMA = np.array([0.2627, 0.6780, 0.0593])

_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
"""Linear RGB of BT.2020 to that of BT.709, BT.2087."""


class ToneMap(Frozen):
    """From which HDR to SDR."""

    transfer: str
    """One of `HDR_TRANSFERS`."""
    wide: bool
    """Whether the primaries are those of BT.2020, not BT.709."""
    matrix: Literal["bt601", "bt709", "bt2020nc"]
    full_range: bool
    siting: Literal["left", "center", "topleft"]
    """Of chroma that is halved."""
    peak: int
    """cd/m² of the brightest pixel."""


def tone_map_for(video: VideoStream) -> ToneMap:
    """How this HDR stream becomes SDR.

    The peak is what the file says of its content, else of the display it was graded on. HLG is relative, and
    seen on the display of BT.2100.
    """
    peak = USUAL_PEAK
    if video.transfer == HDR_TRANSFERS[0]:
        if video.content_light is not None:
            peak = video.content_light.most
        elif video.mastering is not None:
            peak = round(video.mastering.brightest / 10_000)
    return ToneMap(
        transfer=video.transfer or "",
        wide=video.primaries != "bt709",
        matrix=video.matrix,
        full_range=video.full_range,
        siting=video.chroma_location,
        peak=min(max(peak, round(WHITE)), round(PQ_PEAK)),
    )


def graphics_white(video: VideoStream) -> float:
    """The code value, 0..1, at which white paper and white text stand: 203 cd/m² in HDR (58 % of PQ, 75 % of
    HLG, BT.2408), all there is in SDR."""
    if video.transfer == HDR_TRANSFERS[0]:
        return float(_pq_values(np.array(WHITE)))
    return HLG_WHITE if video.is_hdr else 1.0


def to_sdr(rgb: Values, how: ToneMap) -> Values:
    """BT.709 code values, float64 [..., 3], 0..1.

    Args:
        rgb: float64 [..., 3], HDR code values, 0..1.
    """
    light = _pq_light(rgb) if how.transfer == HDR_TRANSFERS[0] else _hlg_light(rgb)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light = light * (_rolled_off(brightest, how.peak) / brightest)
    if how.wide:
        light = light @ _TO_BT709.T
    return np.asarray((light / WHITE).clip(0, 1) ** (1 / SDR_GAMMA))


def shown_in_sdr(rgb: npt.NDArray[np.uint8], video: VideoStream) -> npt.NDArray[np.uint8]:
    """A picture of an HDR stream, uint8 [h, w, 3] in its own curve, for an ordinary screen."""
    return np.asarray(np.rint(255 * to_sdr(rgb / 255, tone_map_for(video))), dtype=np.uint8)


def write_table(how: ToneMap, path: Path) -> None:
    """Write the table as a .cube file, red fastest."""
    steps = np.linspace(0, 1, SIZE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    table = to_sdr(np.stack([red, green, blue], axis=-1), how).reshape(-1, 3)
    lines = [f"LUT_3D_SIZE {SIZE}", *(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table.tolist())]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _pq_light(values: Values) -> Values:
    """cd/m² of PQ code values."""
    root = np.asarray(values) ** (1 / _M2)
    return np.asarray(PQ_PEAK * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def _pq_values(light: Values) -> Values:
    """PQ code values of cd/m²."""
    power = (np.asarray(light) / PQ_PEAK) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_light(values: Values) -> Values:
    """cd/m² of HLG code values on the display of BT.2100."""
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - _C) / _A) + _B) / 12)
    luma = (scene @ _LUMA)[..., None]
    return np.asarray(USUAL_PEAK * np.maximum(luma, 1e-9) ** (HLG_GAMMA - 1) * scene)


def _rolled_off(light: Values, peak: int) -> Values:
    """cd/m², at most `WHITE`: as it is up to a knee, then bent so that `peak` becomes `WHITE`."""
    whole = _pq_values(np.array(float(peak)))
    most = float(_pq_values(np.array(WHITE)) / whole)
    knee = 1.5 * most - 0.5
    given = np.minimum(_pq_values(light) / whole, 1)
    if most >= 1:
        return np.minimum(light, WHITE)
    share = (given - knee) / (1 - knee)
    bent = (
        (2 * share**3 - 3 * share**2 + 1) * knee
        + (share**3 - 2 * share**2 + share) * (1 - knee)
        + (3 * share**2 - 2 * share**3) * most
    )
    return _pq_light(np.where(given < knee, given, bent) * whole)
