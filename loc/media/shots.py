"""Shots: where the picture is cut, and how much it moves from frame to frame.

PySceneDetect's adaptive detector: a cut is a change of hue, saturation and brightness that stands out from
the changes around it, so a moving camera or a gesture is none. Dissolves and fades are not cuts; they stay
inside a shot.
"""

from __future__ import annotations

import itertools
from array import array
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import FrameRange
from loc.media.durations import frames_lasting

LOOK_SIZE = 256
"""Longer side in pixels of the copy that is compared: the size the detector's thresholds were set at."""

MIN_SHOT_S = Fraction(1, 2)
"""A change this soon after a cut is a flash or a whip pan, not another shot, seconds."""

MIN_CHANGE = 15.0
"""Least mean change (0..255) of a cut; the detector's default. A quickly turning head reaches it too (18 in a
512 px close-up), so it never decides alone."""

STANDS_OUT = 3.0
"""How many times the mean change of the two frames before and after a cut must change; the default."""


def fingerprint() -> dict[str, str]:
    """The versions of what finds shots."""
    return {
        "scenedetect": packages.version("scenedetect"),
        "opencv": packages.version("opencv-contrib-python"),
    }


class ShotFinder:
    """Looks at every picture of a stream once, in order.

    Args:
        rate: frames per second, on average.
    """

    def __init__(self, rate: Fraction) -> None:
        from av.video.reformatter import VideoReformatter
        from scenedetect.detectors import AdaptiveDetector

        self._detector = AdaptiveDetector(
            adaptive_threshold=STANDS_OUT,
            min_content_val=MIN_CHANGE,
            min_scene_len=frames_lasting(MIN_SHOT_S, rate),
        )
        self._copier = VideoReformatter()
        self._cuts: list[int] = []
        self._changes = array("f")
        self._before: npt.NDArray[np.uint8] | None = None
        self._size: tuple[int, int] | None = None

    def look(self, frame: Any) -> None:
        """Take in the next `av.VideoFrame`."""
        import cv2

        small = self._small(frame)
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        self._cuts += self._detector.process_frame(len(self._changes), small)
        self._changes.append(0.0 if self._before is None else cv2.mean(cv2.absdiff(luma, self._before))[0])
        self._before = luma

    def _small(self, frame: Any) -> npt.NDArray[np.uint8]:
        """A copy in BGR, `LOOK_SIZE` pixels on its longer side. Some broadcasts change their picture's shape
        midway; what is compared has that of the first."""
        if self._size is None:
            scale = LOOK_SIZE / max(frame.width, frame.height)
            self._size = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
        width, height = self._size
        # One that is kept prepares the scaling once; a picture's own would for each.
        small = self._copier.reformat(frame, width, height, "bgr24", interpolation="AREA")
        return np.asarray(small.to_ndarray(), dtype=np.uint8)

    def shots(self) -> tuple[FrameRange, ...]:
        """The shots of what was looked at, in order and without gaps."""
        edges = [0, *self._cuts, len(self._changes)]
        return tuple(
            FrameRange(start=start, stop=stop) for start, stop in itertools.pairwise(edges) if start < stop
        )

    def changes(self) -> npt.NDArray[np.float32]:
        """float32 [n]: mean difference of brightness (0..255) from the frame before; 0 for the first."""
        return np.array(self._changes, dtype=np.float32)
