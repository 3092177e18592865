"""Baked faces: in step with their frames, whatever the batch, and nothing is lost by keeping them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost
from loc.artifacts import FrameRange, VideoStream
from loc.device import Devices
from loc.errors import LocError
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.settings import Settings
from stages.lipsync.contract import CutView, Heard, MouthPlan, RedrawWindow
from stages.lipsync.musetalk import drawing, model, saying
from stages.lipsync.musetalk.ahead import Ahead
from stages.lipsync.musetalk.baking import Baked, bake, joined, shown
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.unet import unet
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from stages.lipsync.tracks import prepare
from tests.lipsync.musetalk import tiny
from tests.presenter import Film

COUNT = 7


@pytest.fixture(scope="module")
def nets() -> model.Model:
    torch.manual_seed(3)
    vae = eye.Vae(eye.autoencoder(tiny.VAE).eval())
    heard = ear.Encoder(tiny.WIDTH, tiny.LAYERS, tiny.HEADS, 2 * tiny.WIDTH).eval()
    return model.Model(unet(tiny.UNET).eval(), vae, heard, ear.NORMALISED)


@pytest.fixture
def devices(tmp_path: Path) -> Devices:
    return Devices(tmp_path, "cpu")


@pytest.fixture(scope="module")
def view(short_film: Film) -> CutView:
    video = probe_source(short_film.path, Settings()).video
    scan = scan_frames(short_film.path, video)
    base = first_look(short_film.path, video.index).time_base
    timeline = scan.timeline(base)
    frames = FrameRange(start=0, stop=COUNT)
    tracks = foremost(track_range(short_film.path, video, timeline, frames), COUNT)
    return CutView(
        video=video,
        points=prepare(tracks, video.average_rate).points,
        times=np.arange(COUNT, dtype=np.int64) * 1920 + 960,
        pictures=lambda: read_frames(short_film.path, video, timeline, frames),
    )


def window(view: CutView, prepared: Any, offset: int, count: int) -> RedrawWindow:
    still = np.zeros(count, dtype=np.float32)
    frames = FrameRange(start=offset, stop=offset + count)
    rng = np.random.default_rng(5)
    middles = 16_000 + (2 * np.arange(offset, offset + count) + 1) * 320
    return RedrawWindow(
        video=view.video,
        points=view.points[:0],
        plan=MouthPlan(still, still, still),
        profile={},
        pictures=lambda: iter(()),
        first_frame=offset,
        drawn=frames,
        cut=frames,
        heard=Heard(0.1 * rng.standard_normal(3 * 16_000).astype(np.float32), middles),
        prepared=prepared,
        offset=offset,
    )


def baked(view: CutView, nets: model.Model, devices: Devices, batch: int, knobs: Knobs) -> dict[str, Any]:
    return joined(bake(nets, shown(view, knobs), view.video, knobs, batch, devices))


def test_batches_do_not_show(view: CutView, nets: model.Model, devices: Devices) -> None:
    one, other = (baked(view, nets, devices, batch, Knobs()) for batch in (3, 16))
    assert set(one) == set(other)
    for name, values in one.items():
        np.testing.assert_allclose(values.astype(np.float64), other[name], atol=2e-3)
    assert one["face"].tolist() == list(range(COUNT))


def test_faces_drawn_from_what_was_baked_are_those_drawn_at_once(
    view: CutView, nets: model.Model, devices: Devices
) -> None:
    held = baked(view, nets, devices, 4, Knobs())
    asked = window(view, held, 2, 4)
    made = list(saying.patches(nets, asked, Knobs(colour_match=False), 3, devices))
    assert asked.heard is not None
    from stages.lipsync.nets.rows import rows_at

    rows = nets.hear(asked.heard.sound)
    tokens = model.tokens_of(rows, rows_at(asked.heard.middles, 16_000, 2, 2))
    planes = list(view.pictures())
    for index, patch in enumerate(made):
        cutting = drawing.cut(planes[2 + index], view.video, view.points[2 + index], Knobs())
        np.testing.assert_array_equal(patch.matrix, cutting.place.matrix)
        np.testing.assert_array_equal(patch.polygon, cutting.place.polygon)
        at_once = nets.draw(nets.see(cutting.pixels[None]), tokens[index : index + 1])[0]
        assert np.abs(at_once.astype(int) - patch.pixels).max() <= 1


@pytest.mark.parametrize("joint", [2, 4])
def test_what_holds_faces_still_knows_no_joint(
    joint: int, view: CutView, nets: model.Model, devices: Devices
) -> None:
    """Frames after it, from chunk and run-in, are those of a cut in one chunk: boxes to the bit."""
    knobs = Knobs(smoothing=True)
    trembling = view.points + np.random.default_rng(1).normal(0, 2, (COUNT, 1, 2)).astype(np.float32)
    one = replace(view, points=trembling)
    ahead = replace(
        one, points=trembling[:joint], times=one.times[:joint], pictures=lambda: islice(one.pictures(), joint)
    )
    after = replace(
        one,
        points=trembling[joint:],
        run_in=trembling[:joint],
        pictures=lambda: islice(one.pictures(), joint, None),
    )
    whole, before, behind = (baked(each, nets, devices, 3, knobs) for each in (one, ahead, after))
    np.testing.assert_array_equal(whole["matrix"], np.concatenate([before["matrix"], behind["matrix"]]))
    asked = window(view, behind, 0, COUNT)
    drawn = FrameRange(start=joint, stop=COUNT)
    asked = replace(asked, drawn=drawn, before=before)
    made = list(saying.patches(nets, asked, knobs, 3, devices))
    expected = list(saying.patches(nets, window(view, whole, 0, COUNT), knobs, 3, devices))[joint:]
    for patch, other in zip(made, expected, strict=True):
        assert np.abs(patch.pixels.astype(int) - other.pixels).max() <= 1
    # Begun anew they would differ.
    anew = baked(replace(after, run_in=trembling[:0], times=one.times[joint:]), nets, devices, 3, knobs)
    assert (anew["matrix"] != behind["matrix"]).any()


def test_a_face_that_leaves_the_picture_shifts_no_other(
    view: CutView, nets: model.Model, devices: Devices
) -> None:
    away = view.points.copy()
    away[2] -= 10_000
    gone = CutView(view.video, away, view.times, view.pictures)
    held, whole = (baked(one, nets, devices, 2, Knobs()) for one in (gone, view))
    assert held["face"].tolist() == [0, 1, -1, 2, 3, 4, 5]
    one, other = Baked(held), Baked(whole)
    assert one.face(2) is None
    np.testing.assert_allclose(one.latents([2]), other.latents([3]), atol=2e-3)
    np.testing.assert_array_equal(one.place(2).matrix, other.place(3).matrix)
    with pytest.raises(LocError, match="has left the picture"):
        list(saying.patches(nets, window(view, held, 1, 3), Knobs(), 2, devices))
    assert len(list(saying.patches(nets, window(view, held, 3, 4), Knobs(), 2, devices))) == 4


def test_cuts_without_any_face_inside_the_picture_are_refused_by_name(
    view: CutView, nets: model.Model, devices: Devices
) -> None:
    gone = CutView(view.video, view.points - 10_000, view.times, view.pictures)
    held = baked(gone, nets, devices, 2, Knobs())
    assert set(held) == {"face"}
    with pytest.raises(LocError, match="has left the picture"):
        list(saying.patches(nets, window(view, held, 0, 2), Knobs(), 2, devices))


def test_memory_that_ends_halves_the_batch_of_either_side(
    view: CutView, nets: model.Model, tmp_path: Path
) -> None:
    told: list[str] = []
    devices = Devices(tmp_path, "cpu", lambda code, _message: told.append(code))

    class Small:
        """The nets on a device that holds two faces."""

        device = nets.device
        hear = staticmethod(nets.hear)
        computing = staticmethod(nets.computing)

        def see(self, faces: model.Faces) -> torch.Tensor:
            return nets.see(self._held(faces))

        def draw(self, latents: torch.Tensor, tokens: torch.Tensor) -> model.Faces:
            return nets.draw(self._held(latents), tokens)

        def _held(self, batch: Any) -> Any:
            if len(batch) > 2:
                raise RuntimeError("CUDA out of memory.")
            return batch

    small: Any = Small()
    held = joined(bake(small, shown(view, Knobs()), view.video, Knobs(), 8, devices))
    made = list(saying.patches(small, window(view, held, 0, COUNT), Knobs(), 8, devices))
    assert told == ["memory-halved"] * 4
    whole = baked(view, nets, devices, 8, Knobs())
    other = list(saying.patches(nets, window(view, whole, 0, COUNT), Knobs(), 8, devices))
    for one, two in zip(made, other, strict=True):
        assert np.abs(one.pixels.astype(int) - two.pixels).max() <= 1


def test_what_runs_ahead_stops_and_raises_where_it_is_taken() -> None:
    done: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            done.append(len(done))
            yield done[-1]

    with Ahead(endless(), 3) as items:
        assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    held = len(done)
    assert held <= 10

    def broken() -> Iterator[int]:
        yield 1
        raise LocError("Broken.")

    with pytest.raises(LocError, match="Broken"), Ahead(broken(), 3) as items:
        assert list(items) == [1]
    assert len(done) == held


def test_planes_are_held_for_two_batches_at_most(view: CutView, nets: model.Model, devices: Devices) -> None:
    """However long a cut is: what was decoded and not yet looked at stays bounded."""
    taken = [0]

    def frames() -> Iterator[tuple[Planes, Any, None]]:
        (planes, *_) = view.pictures()
        for _ in range(40):
            taken[0] += 1
            yield planes, view.points[0], None

    video: VideoStream = view.video
    batches = bake(nets, frames(), video, Knobs(), 2, devices)
    for number in range(1, 5):
        next(batches)
        # Two that were given, four in the queue, one in the hands of each side.
        assert taken[0] <= 2 * number + 4 + 2
    assert isinstance(batches, Generator)
    batches.close()
