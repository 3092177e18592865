"""Boxes, windows of sound, cycles and masks against upstream's own."""

from __future__ import annotations

import numpy as np
import pytest

from stages.lipsync.musetalk import boxes, cycle, region
from stages.lipsync.nets.rows import rows_at
from tests.parity import Golden, fill, golden
from tests.upstream.musetalk import upstream_rows

pytestmark = pytest.mark.parity


def test_musetalk_box() -> None:
    meta = golden("musetalk_box").meta
    faces = [boxes.from_landmarks(points) for points in meta["landmarks"]]
    seen = [face for face, found in zip(faces, meta["detections"], strict=True) if found is not None]
    for case in meta["cases"]:
        for face, found, expected in zip(faces, meta["detections"], case["boxes"], strict=True):
            box = boxes.face_box(face, case["shift"]) or found
            assert list(meta["placeholder"] if found is None else box) == expected
            ours = boxes.face_box(face, case["shift"])
            if ours is None:
                continue
            # What renders is cut to the picture: to one that ends inside the box, and to one far larger.
            for width, height in ((4000, 4000), (int(ours[2]) - 2, int(ours[3]) - 2)):
                for margin in (0, 10):
                    x1, y1, x2, y2 = boxes.with_margin(ours, margin, height)
                    wanted = int(x1), int(y1), min(width, int(x2)), int(y2)
                    small = min(wanted[2] - wanted[0], wanted[3] - wanted[1]) < boxes.LEAST_SIDE
                    shown = boxes.clamped(face, case["shift"], margin, width, height)
                    assert shown == (None if small else wanted)
        low = int(np.mean([face.shift_range[0] for face in seen]))
        high = int(np.mean([face.shift_range[1] for face in seen]))
        assert (low, high) == (case["range_low"], case["range_high"])


def test_musetalk_audio_index() -> None:
    given = golden("musetalk_audio_index")
    for case in given.meta["cases"]:
        asked = case["samples"], case["fps"], case["left"], case["right"]
        if case["frames"] == "exit":
            with pytest.raises(ValueError, match="no windows"):
                upstream_rows(*asked)
            continue
        rows = upstream_rows(*asked)
        assert len(rows) == case["frames"]
        given.same(case["table"], rows + 1)
        if case["fps"] == 25:
            middles = (2 * np.arange(case["frames"]) + 1) * 16_000 // 50
            ours = rows_at(middles, 16_000, case["left"], case["right"])
            outside = (ours < 0) | (ours >= case["samples"] * 50 // 16_000)
            given.same(case["table"], np.where(outside, 0, ours + 1))


def test_musetalk_cycle() -> None:
    for case in golden("musetalk_cycle").meta["cases"]:
        start = case["delay"]
        picks = [cycle.pick(start + index, case["items"]) for index in range(case["chunks"])]
        assert picks == case["picks"]


def _label_maps(given: Golden) -> list[str]:
    """Names of the set's label maps."""
    return given.named("labels_")


def _masks(given: Golden, labels: str) -> dict[region.Mode, region.Mask]:
    left, right = given.meta["cheeks"]
    modes: tuple[region.Mode, ...] = ("raw", "neck", "jaw")
    return {mode: region.region(given[f"labels_{labels}"], mode, left, right) for mode in modes}


def test_musetalk_blend_masks() -> None:
    given = golden("musetalk_blend")
    given.same("jaw_kernel", region.jaw_kernel())
    given.same("cheek_mask_row", region.cheek_columns(*given.meta["cheeks"]))
    assert region.jaw_kernel().sum() == given.meta["jaw_kernel_ones"]
    for labels in _label_maps(given):
        for mode, mask in _masks(given, labels).items():
            given.same(f"seg_{labels}_{mode}", mask)
    for name, box in given.meta["boxes"].items():
        crop = region.crop_of(box)
        assert list(crop) == given.meta["crops"][name]
        for route, blur in (("offline", region.OFFLINE_BLUR), ("realtime", region.LIVE_BLUR)):
            side = region.blur_kernel(crop[2] - crop[0], blur)
            assert [side, side] == given.meta["blur_kernels"][name][route]
    for side, expected in given.meta["blur_by_square_box_side"].items():
        crop = region.crop_of((0, 0, int(side), int(side)))
        assert list(crop) == expected["crop"]
        width = crop[2] - crop[0]
        assert region.blur_kernel(width, region.OFFLINE_BLUR) == expected["offline"]
        assert region.blur_kernel(width, region.LIVE_BLUR) == expected["realtime"]


def test_musetalk_blend_frames() -> None:
    given = golden("musetalk_blend")
    height, width = given.meta["frame"][:2]
    frame = fill.picture("musetalk_blend/frame", height, width, given.seed, cell=given.meta["frame_cell"])
    pasted = 0
    for labels in _label_maps(given):
        for mode, mask in _masks(given, labels).items():
            for name, box in given.meta["boxes"].items():
                face = given.input(f"face_{name}", given.meta["face_cell"])
                for route, blur in (("offline", region.OFFLINE_BLUR), ("realtime", region.LIVE_BLUR)):
                    stored = f"{route}_{name}_{labels}_{mode}"
                    if stored not in given.arrays:
                        continue
                    soft = region.blurred(mask, box, blur)
                    if route == "realtime":
                        given.same(f"mask_{name}_{labels}_{mode}", soft)
                    given.close(stored, region.paste(frame, face, box, soft), 1)
                    pasted += 1
    assert pasted == sum(name.startswith(("offline_", "realtime_")) for name in given.arrays)
