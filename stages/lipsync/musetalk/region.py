"""Where a drawn face is pasted: masks over the crop about its box, as MuseTalk makes them.

A crop is a square about the box, half as wide again. A label map says what each of its pixels shows, 512 x
512, in the classes of CelebAMask-HQ; `region` turns it into the part that is replaced. `blurred` and `paste`
are upstream's last steps; what we render goes through `outline`, which hands the same region on as a polygon
with a soft edge, for the picture is composed elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
"""[SIDE, SIDE]; classes as below, others 0."""
Mask = npt.NDArray[np.uint8]
"""0 or 255, until it is blurred."""
Mode = Literal["jaw", "neck", "raw"]
Box = tuple[int, int, int, int]

SIDE = 512
SKIN, NOSE, MOUTH, UPPER_LIP, LOWER_LIP, NECK = 1, 10, 11, 12, 13, 14
ON = 255

CROP = 1.5
"""Half a crop's side over half the box's longer one."""
UPPER_BOUNDARY = 0.5
"""Share of the crop's height above which nothing is replaced."""
CONE, STEM = 11, 12
"""Rows of the kernel that dilates the skin: a cone of widths 1, 3 .. 21, and a column as wide as its end.
Skin spreads by 16 rows upwards and 6 downwards."""
KERNEL_SIDE = 33
EROSION = (35, 3)
"""Width and height of the ellipse that takes skin away beside the cheeks, applied twice."""
OFFLINE_BLUR, LIVE_BLUR = 0.05, 0.1
"""Kernel of the blur over the crop's width: what scripts that render use, and those that play."""


def crop_of(box: Sequence[int]) -> Box:
    """The square about a box; it may leave the picture."""
    x1, y1, x2, y2 = box
    half = int(max(x2 - x1, y2 - y1) // 2 * CROP)
    cx, cy = (x1 + x2) // 2, (y1 + y2) // 2
    return cx - half, cy - half, cx + half, cy + half


@cache
def jaw_kernel() -> npt.NDArray[np.uint8]:
    """uint8 [33, 33] of 0 and 1: see `CONE`."""
    kernel = np.zeros((KERNEL_SIDE, KERNEL_SIDE), np.uint8)
    middle = KERNEL_SIDE // 2
    first = KERNEL_SIDE - CONE - STEM
    for row in range(CONE + STEM):
        reach = min(row, CONE - 1)
        kernel[first + row, middle - reach : middle + reach + 1] = 1
    return kernel


def cheek_columns(left: int, right: int) -> Mask:
    """The columns beside the cheeks, uint8 [SIDE]: ON further than `left` and `right` from the middle."""
    x = np.arange(SIDE)
    beside = (x <= SIDE // 2 - left) | (x >= SIDE // 2 + right)
    return np.where(beside, ON, 0).astype(np.uint8)


def region(labels: Labels, mode: Mode, left_cheek: int, right_cheek: int) -> Mask:
    """What is replaced, uint8 [SIDE, SIDE] of 0 and ON.

    Args:
        mode: "raw" skin and mouth; "neck" those and the neck; "jaw" skin spread over the jaw's edge, narrowed
            beside the cheeks, without the nose, and the mouth.
        left_cheek, right_cheek: of "jaw": distance from the middle of the crop, in 512ths of it, beyond which
            the skin is narrowed.
    """
    lips = np.isin(labels, (MOUTH, UPPER_LIP, LOWER_LIP))
    if mode != "jaw":
        kept = (SKIN, NECK) if mode == "neck" else (SKIN,)
        return np.where(lips | np.isin(labels, kept), ON, 0).astype(np.uint8)
    skin = np.where(labels == SKIN, ON, 0).astype(np.uint8)
    spread = cv2.dilate(skin, jaw_kernel())
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, EROSION)
    narrowed = cv2.erode(spread, ellipse, iterations=2)
    beside = cheek_columns(left_cheek, right_cheek) == ON
    jaw = np.where(beside[None], narrowed, spread)
    jaw[labels == NOSE] = 0
    jaw[lips] = ON
    return np.asarray(jaw, dtype=np.uint8)


def blur_kernel(width: int, blur: float) -> int:
    """Side of the Gaussian kernel for a crop, pixels, odd."""
    return int(blur * width // 2 * 2) + 1


def blur_deviation(kernel: int) -> float:
    """OpenCV's deviation for a kernel, where none is given, pixels."""
    return 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8


def blurred(mask: Mask, box: Sequence[int], blur: float) -> npt.NDArray[np.uint8]:
    """The mask that is pasted through, uint8 of the crop's size: inside the box and below the boundary.

    Args:
        mask: [SIDE, SIDE] as `region` gives it, over the crop.
        box: in the picture.
    """
    from PIL import Image

    xs, ys, xe, ye = crop_of(box)
    x1, y1, x2, y2 = box
    whole = np.asarray(Image.fromarray(mask).resize((xe - xs, ye - ys)))
    kept = np.zeros_like(whole)
    inside = slice(y1 - ys, y2 - ys), slice(x1 - xs, x2 - xs)
    kept[inside] = whole[inside]
    kept[: int((ye - ys) * UPPER_BOUNDARY)] = 0
    kernel = blur_kernel(xe - xs, blur)
    return np.asarray(cv2.GaussianBlur(kept, (kernel, kernel), 0), dtype=np.uint8)


def paste(
    picture: npt.NDArray[np.uint8],
    face: npt.NDArray[np.uint8],
    box: Sequence[int],
    mask: npt.NDArray[np.uint8],
) -> npt.NDArray[np.uint8]:
    """A picture with a face of its box's size put in through a mask over its crop, as upstream does."""
    from PIL import Image

    xs, ys, xe, ye = crop_of(box)
    body = Image.fromarray(picture)
    about = body.crop((xs, ys, xe, ye))
    about.paste(Image.fromarray(face), (box[0] - xs, box[1] - ys))
    body.paste(about, (xs, ys), Image.fromarray(mask))
    return np.asarray(body)
