"""Facts of streams that no file need have, for tests of functions that take them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from loc.artifacts import VideoStream


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
