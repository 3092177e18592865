"""The comparison of MuseTalk's faces with those its own models find: what it measures, and who may ask it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import musetalk_faces as bench
from loc.errors import RefusedError
from loc.policy.licences import Purpose
from loc.weights.table import published
from stages.lipsync.nets import bisenet, rtmpose, s3fd
from tests.presenter import Film
from tests.weights.shelving import place


def _saved(net: torch.nn.Module, path: Path) -> bytes:
    torch.save(net.state_dict(), path)
    return path.read_bytes()


def test_boxes_are_compared_by_what_they_share_and_by_their_edges() -> None:
    assert bench.overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert bench.overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert bench.overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert bench.edges((0, 0, 10, 20), (1, -2, 10, 25)) == [10, -10, 0, 25]


def test_it_is_for_research_alone(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="COCO-WholeBody"):
        bench.Models(tmp_path, Purpose.INTERNAL, None)
    held = bench.Models(tmp_path, Purpose.RESEARCH, None)
    assert held.missing == ["dwpose-ll-384", "s3fd", "79999_iter.pth"]


def test_random_models_are_asked_and_agree_with_nothing(tmp_path: Path, short_film: Film) -> None:
    """From files in the published layout; nets that know nothing find another box and another mask."""
    torch.manual_seed(0)
    for name, net in ((bench.POSE, rtmpose.RtmPose()), (bench.DETECTOR, s3fd.S3fd())):
        row = published()[name]
        place(tmp_path, row, (row.files[0].path, _saved(net, tmp_path / "net.pth")))
    parsing = tmp_path / bench.PARSING
    _saved(bisenet.BiSeNet(), parsing)
    models = bench.Models(tmp_path, Purpose.RESEARCH, parsing)
    assert not models.missing
    found = bench.compared(short_film.path, models, every=3, most=1)
    assert found["frames"] == 1
    assert found["unusable"] == 1 or found["iou"]["median"] < 0.9
    assert found["mask"]["median"] > 0.09
