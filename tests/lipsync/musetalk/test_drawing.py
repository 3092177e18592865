"""Drawn faces back in their frames: the light they are given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stages.lipsync.musetalk.drawing import MOST_SHIFT, Place, light, patch
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.model import SIDE
from tests.parity import fill

MOUTH = np.array([[40, 110], [216, 110], [190, 235], [66, 235]], dtype=np.float32)
TINT = np.array([1, -0.5, 0.25])


@pytest.fixture(scope="module")
def face() -> npt.NDArray[np.uint8]:
    """A smooth picture away from black and white, uint8 [SIDE, SIDE, 3]."""
    return (fill.picture("light", SIDE, SIDE, 5, 3, 20) // 3 + 80).astype(np.uint8)


def placed(face: npt.NDArray[np.uint8]) -> Place:
    return Place(np.eye(2, 3), MOUTH, 6.0, light(face, MOUTH))


@pytest.mark.parametrize("size", [12.0, 2 * MOST_SHIFT])
def test_a_tint_of_what_is_drawn_is_taken_back_up_to_a_limit(
    face: npt.NDArray[np.uint8], size: float
) -> None:
    tint = size * TINT
    left = tint - np.clip(tint, -MOST_SHIFT, MOST_SHIFT)
    assert (left[0] == 0) == (size < MOST_SHIFT)
    drawn = (face + np.rint(tint)).astype(np.uint8)
    made = patch(placed(face), drawn, Knobs()).pixels
    assert np.abs(made - (face + left)).max() <= 1
    np.testing.assert_array_equal(patch(placed(face), drawn, Knobs(colour_match=False)).pixels, drawn)


def test_colours_are_compared_above_the_mask_and_not_in_it(face: npt.NDArray[np.uint8]) -> None:
    drawn = face.copy()
    drawn[115:230, 80:180] //= 2
    drawn[SIDE // 2 :, :30] = 255
    np.testing.assert_array_equal(patch(placed(face), drawn, Knobs()).pixels, drawn)


def test_a_face_whose_mask_leaves_no_ring_keeps_its_light(face: npt.NDArray[np.uint8]) -> None:
    low = MOUTH + np.array([0, 60], dtype=np.float32)
    assert light(face, low) is None
    drawn = (face // 2).astype(np.uint8)
    np.testing.assert_array_equal(patch(Place(np.eye(2, 3), low, 6.0, None), drawn, Knobs()).pixels, drawn)
