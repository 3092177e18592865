"""Decoded pictures as tests read them, and planes as tests make them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from loc.media.frames import Plane


def time_of(shown: av.VideoFrame | av.AudioFrame | av.Packet[Any]) -> Fraction:
    """Seconds at which a picture, sound or packet is shown; it has a timestamp."""
    assert shown.pts is not None
    assert shown.time_base is not None
    return shown.pts * shown.time_base


def shown_times(path: Path) -> list[Fraction]:
    """When each picture of a video is shown, seconds from the first."""
    with av.open(str(path)) as container:
        times = [time_of(frame) for frame in container.decode(video=0)]
    return [time - times[0] for time in times]


def luma_of(frame: av.VideoFrame) -> Plane:
    """A copy of the luma [h, w] of a picture of 8 or 10 bits."""
    plane, deep = frame.planes[0], "10" in frame.format.name
    lines = np.frombuffer(bytes(plane), np.uint16 if deep else np.uint8).reshape(plane.height, -1)
    return plane_of(lines[:, : plane.width], deep=deep)


def plane_of(values: npt.NDArray[Any], *, deep: bool) -> Plane:
    """Values within range as a plane, rounded towards zero: uint16 where samples are deep, else uint8."""
    values = np.ascontiguousarray(values)
    return values.astype(np.uint16) if deep else values.astype(np.uint8)


def like(plane: Plane, values: npt.NDArray[Any]) -> Plane:
    """What a function without types made of a plane, as a plane of the same depth."""
    return plane_of(values, deep=plane.dtype == np.uint16)
