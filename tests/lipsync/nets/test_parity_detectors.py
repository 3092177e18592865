"""S3FD, BiSeNet and RTMPose against the original modules, on seeded weights under the published names."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from stages.lipsync.musetalk import region
from stages.lipsync.nets import bisenet, rtmpose, s3fd
from tests.parity import Golden, golden

pytestmark = pytest.mark.parity


def _filled(net: nn.Module, given: Golden, name: str) -> None:
    """Seeded weights into a net that has the names and shapes of the set."""
    ours = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert ours == given.meta["keys"][name]
    net.load_state_dict(given.weights(name), strict=True)
    net.eval()


def test_s3fd() -> None:
    given = golden("s3fd")
    net = s3fd.S3fd()
    _filled(net, given, "s3fd")
    assert given.meta["mean_subtracted"] == list(s3fd.MEAN)
    picture = given.input("frame", given.meta["cell"])
    shifted = picture.astype(np.float32) - np.array(s3fd.MEAN, np.float32)
    with torch.no_grad():
        heads = net(torch.from_numpy(shifted.transpose(2, 0, 1).copy())[None])
    for index, head in enumerate(heads):
        given.close(f"head{index:02d}", head, 1e-4)
    found = s3fd.candidates(net, picture)
    assert len(found) == given.meta["total_candidates"]
    kept = found[s3fd.suppressed(found, given.meta["nms_iou"])]
    given.close("kept", kept, 1e-2)
    given.close("final", kept[kept[:, 4] > given.meta["keep_score"]], 1e-2)
    given.close("final", s3fd.faces(net, picture), 1e-2)
    best = found[np.argsort(-found[:, 4], kind="stable")]
    given.close("candidates", best[: len(given["candidates"])], 1e-2)


def test_s3fd_suppression() -> None:
    given = golden("s3fd")
    given.same("nms_keep", s3fd.suppressed(given["nms_boxes"], given.meta["nms_iou"]))


def test_musetalk_bisenet() -> None:
    given = golden("musetalk_bisenet")
    net = bisenet.BiSeNet()
    _filled(net, given, "bisenet")
    with torch.no_grad():
        outputs = net(torch.from_numpy(given.input("x")))
    for name, output in zip(("out", "out16", "out32"), outputs, strict=True):
        given.close(name, output, 1e-4)
    found = given.part("labels", outputs[0].argmax(dim=1))
    sure = given["margin"] > 0.01
    np.testing.assert_array_equal(found[sure], given["labels"][sure])
    assert (found == given["labels"]).mean() > 0.999


def test_musetalk_bisenet_photo() -> None:
    given = golden("musetalk_bisenet")
    net = bisenet.BiSeNet()
    _filled(net, given, "bisenet")
    photo = given.input("photo", given.meta["picture_cell"])
    given.close("photo_input", bisenet.prepared(photo), 1e-5)
    labels = bisenet.labels(net, photo)
    assert (given.part("photo_labels", labels) == given["photo_labels"]).mean() > 0.999
    jaw = region.region(labels, "jaw", *given.meta["cheeks"])
    assert (given.part("photo_jaw", jaw) == given["photo_jaw"]).mean() > 0.995


def test_rtmpose() -> None:
    given = golden("rtmpose")
    assert given.meta["padding"] == rtmpose.PADDING
    assert given.meta["split_ratio"] == rtmpose.SPLIT
    assert tuple(given.meta["input_wh"]) == rtmpose.INPUT
    net = rtmpose.RtmPose()
    _filled(net, given, "pose")
    given.same("flip_table", rtmpose.mirror_table())
    picture = given.input("frame", given.meta["cell"])
    centre, size = rtmpose.view_of(picture.shape[1], picture.shape[0])
    given.close("center", centre[None], 1e-4)
    given.close("scale", size[None], 1e-3)
    matrix = rtmpose.view_matrix(centre, size)
    given.close("warp_matrix", matrix, 1e-6)
    crop = np.asarray(cv2.warpAffine(picture, matrix, rtmpose.INPUT, flags=cv2.INTER_LINEAR), dtype=np.uint8)
    given.close("crop", crop, 1)
    assert (given.part("crop", crop) != given["crop"]).mean() < 0.02
    with torch.no_grad():
        features = net.backbone(rtmpose.prepared(crop))
        x, y = net.head(features)
    # One level in a crop, as versions of OpenCV differ, moves features and scores a little.
    same = (given.part("crop", crop) == given["crop"]).all()
    average = rtmpose.averaged(net, crop)
    for name, ours in (
        ("features", features),
        ("x_logits", x),
        ("y_logits", y),
        ("x_average", average[0]),
        ("y_average", average[1]),
    ):
        stored = np.abs(given[name]).max()
        given.close(name, ours, (1e-4 if same else 2e-2) * stored)
    found, scores = rtmpose.decoded(*average)
    told = given["margin"] > 0.1
    assert (found == given["keypoints_crop"])[told].mean() > 0.99
    # Two places whose margin is under twice what the crop's levels moved may have changed their order.
    moved = max(
        np.abs(given.part(name, ours) - given[name]).max()
        for name, ours in zip(("x_average", "y_average"), map(np.asarray, average), strict=True)
    )
    sure = given["margin"] > max(0.1, 2 * moved)
    assert sure.mean() > 0.5
    np.testing.assert_array_equal(found[sure], given["keypoints_crop"][sure])
    placed = rtmpose.placed(found[0], centre, size)[None]
    np.testing.assert_allclose(placed[sure], given["keypoints_frame"][sure], atol=1e-3)
    assert np.abs(scores - given["scores"]).max() < (1e-4 if same else 2e-2) * np.abs(given["scores"]).max()


def test_rtmpose_decoding() -> None:
    given = golden("rtmpose")
    said = re.fullmatch(
        r"default_rng\((\d+)\): normal \((.*)\) as float32, rows ::(\d+) of axis 1 .*; then normal \((.*)\)",
        given.meta["decode_inputs"],
    )
    assert said
    rng = np.random.default_rng(int(said[1]))
    shape_x, shape_y = (tuple(map(int, said[place].split(","))) for place in (2, 4))
    x = rng.standard_normal(shape_x).astype(np.float32)
    x[:, :: int(said[3])] = -np.abs(x[:, :: int(said[3])])
    y = rng.standard_normal(shape_y).astype(np.float32)
    found, scores = rtmpose.located(torch.from_numpy(x), torch.from_numpy(y))
    given.close("decode_locations", found, 1e-6)
    given.close("decode_scores", scores, 1e-6)
    assert (scores <= 0).any()
