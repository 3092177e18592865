"""Facts of streams that no file need have, for tests of functions that take them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from loc.artifacts import MasteringDisplay, VideoStream

BT2020 = MasteringDisplay(
    red=(35_400, 14_600),
    green=(8_500, 39_850),
    blue=(6_550, 2_300),
    white=(15_635, 16_450),
    brightest=10_000_000,
    darkest=50,
)
"""A display of 1000 cd/m² with the primaries of BT.2020."""


def video_stream(**changes: Any) -> VideoStream:
    """A small 8-bit 4:2:0 BT.709 stream of 25 frames a second, with `changes`."""
    facts: dict[str, Any] = {
        "index": 0,
        "codec": "h264",
        "profile": None,
        "width": 96,
        "height": 64,
        "pix_fmt": "yuv420p",
        "bit_depth": 8,
        "time_base": Fraction(1, 25),
        "average_rate": Fraction(25),
        "sample_aspect": Fraction(1),
        "rotation": 0,
        "matrix": "bt709",
        "matrix_declared": True,
        "full_range": False,
        "primaries": None,
        "transfer": None,
        "chroma_location": "left",
    }
    return VideoStream(**{**facts, **changes})
