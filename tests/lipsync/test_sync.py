"""The judge: crops as the published evaluator takes them, planted shifts, and scores in a run."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loc.analysis.faces import upright_transform
from loc.analysis.sync import syncnet
from loc.analysis.sync.crops import ABOVE, BELOW, BESIDE, OUTSIDE, at_25, cropped, squares
from loc.analysis.sync.judge import CONFIG, StableJudge, SyncNetJudge, find_judges
from loc.analysis.sync.nets import SyncNet
from loc.analysis.sync.stable import StableSyncNet
from loc.policy.licences import Purpose, refusal
from loc.weights.table import published
from tests.lipsync.latentsync import tiny
from tests.lipsync.latentsync.test_drawing import video
from tests.weights.shelving import place, registered

MIDDLE = 18.0
"""Logarithm of the energy of a window that is neither loud nor quiet, in these tests."""
PLAIN = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def register(data_dir: Path, licence: str = "mit", name: str = "my-syncnet") -> None:
    """A SyncNet of random weights, as a user registers one."""
    torch.manual_seed(4)
    file = "syncnet_v2.model"
    row = registered(name, SyncNetJudge.architecture, file, title="A judge", licence=licence)
    place(data_dir, row, (file, tiny.saved(SyncNet().state_dict())))


def test_the_square_reaches_as_the_published_one() -> None:
    boxes = np.repeat(np.array([[100, 60, 180, 160]], np.float32), 30, axis=0)
    left, top, side = squares(boxes, PLAIN)[0]
    half, x, y = 50.0, 140.0, 110.0
    assert (left, top, side) == pytest.approx((x - BESIDE * half, y - ABOVE * half, (ABOVE + BELOW) * half))


def test_a_jump_of_the_tracker_does_not_move_the_square() -> None:
    boxes = np.repeat(np.array([[100, 60, 180, 160]], np.float32), 30, axis=0)
    jumped = boxes.copy()
    jumped[14] += 40
    np.testing.assert_allclose(squares(jumped, PLAIN), squares(boxes, PLAIN))


def test_a_crop_keeps_places_and_fills_what_is_outside() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[50:100, 250:300] = (250, 20, 10)
    made = cropped(picture, np.array([200.0, 0.0, 224.0]), PLAIN)
    assert made.shape == (224, 224, 3)
    assert tuple(made[75, 75]) == (10, 20, 250)
    assert tuple(made[75, 40]) == (0, 0, 0)
    assert tuple(made[75, 150]) == (OUTSIDE,) * 3
    assert tuple(made[210, 20]) == (OUTSIDE,) * 3


def test_a_turned_picture_is_judged_upright() -> None:
    turned = video(rotation=90)
    upright = upright_transform(turned)
    coded = np.zeros((turned.height, turned.width, 3), np.uint8)
    coded[:, :20] = 200
    made = cropped(coded, np.array([0.0, 0.0, float(turned.height)]), upright)
    shown = np.rot90(coded)
    bright = cropped(np.ascontiguousarray(shown), np.array([0.0, 0.0, float(turned.height)]), PLAIN)
    assert np.abs(made.astype(int) - bright).max() <= 1


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 25, 30, 50])
def test_pictures_are_taken_25_times_a_second(rate: Fraction | int) -> None:
    count = int(4 * rate)
    middles = np.array([int((index + 0.5) * 16000 / rate) for index in range(count)])
    shown = at_25(middles, 16000)
    assert abs(len(shown) - 100) <= 1
    assert (np.diff(shown) >= 0).all()
    late = middles[shown] - (np.arange(len(shown)) + 0.5) * 640
    assert np.abs(late).max() <= 8000 / rate + 1


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=60), st.sampled_from([16000, 48000]))
def test_the_nearest_frame_is_taken_and_of_two_the_earlier(steps: list[int], rate: int) -> None:
    # Whole and half multiples of 40 ms make ties, steps of 0 frames at one time.
    middles = np.cumsum(np.array(steps) // 160 * 160)
    shown = at_25(middles, rate)
    wanted = (np.arange(len(shown)) + 0.5) * rate / 25
    np.testing.assert_array_equal(shown, np.abs(middles[None] - wanted[:, None]).argmin(axis=1))


class Known(SyncNet):
    """A network whose embeddings are what pictures and sound say in plain numbers."""

    def lips(self, pictures: torch.Tensor) -> torch.Tensor:
        said = pictures[:, 0, 2, 0, :8] / 255
        return torch.nn.functional.pad(said, (0, 1024 - said.shape[1]))

    def sound(self, cepstra: torch.Tensor) -> torch.Tensor:
        loud = torch.sigmoid(cepstra[:, 0, 0, 8:12].mean(dim=1) - MIDDLE)
        return torch.nn.functional.pad(loud[:, None].expand(-1, 8), (0, 1016))


@pytest.mark.parametrize("planted", [-6, -3, 0, 3, 9])
def test_a_planted_shift_is_found(monkeypatch: pytest.MonkeyPatch, planted: int) -> None:
    """Of a mouth that is as bright as the sound is loud, moved by some frames."""
    from loc.analysis.sync import judge as judging

    rng = np.random.default_rng(2)
    loud = rng.uniform(0, 1, 160)
    sound = np.repeat(loud, 640) * rng.standard_normal(160 * 640) * 0.1
    network = Known().eval()
    monkeypatch.setattr(judging, "_syncnet", lambda _path: network)
    heard = syncnet.sound_windows
    cepstra = torch.from_numpy(heard(_mfcc(sound), 150))
    shine = network.sound(cepstra)[:, 0].numpy()
    assert shine.std() > 0.1

    def shown() -> Any:
        for index in range(160):
            at = int(np.clip(index - 2 - planted, 0, len(shine) - 1))
            yield np.full((224, 224, 3), round(float(shine[at]) * 255), np.uint8)

    judge = SyncNetJudge(weights=_FILES)  # type: ignore[arg-type]
    found = judge.score(judge.compare(shown(), 160, sound.astype(np.float32)))
    # Lips that come late lie behind the sound: it is ahead.
    assert (found.measure, found.offset) == ("syncnet", planted)
    assert found.value is not None
    assert found.value > 0


class KnownStable(torch.nn.Module):
    """Encoders whose vectors are how bright sixteen pictures are, and how loud their sound is, about their
    means."""

    def __init__(self) -> None:
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(1))

    def visual_encoder(self, pictures: torch.Tensor) -> torch.Tensor:
        assert pictures.shape[1:] == (48, 128, 256)
        shine = pictures.reshape(-1, 16, 3, 128, 256).mean(dim=(2, 3, 4))
        return shine - shine.mean(dim=1, keepdim=True)

    def audio_encoder(self, spectra: torch.Tensor) -> torch.Tensor:
        assert spectra.shape[1:] == (1, 80, 52)
        loud = torch.nn.functional.adaptive_avg_pool1d(spectra.mean(dim=(1, 2))[:, None, 1:49], 15)[:, 0]
        loud = torch.nn.functional.pad(loud, (0, 1), mode="replicate")
        return loud - loud.mean(dim=1, keepdim=True)


def talking(planted: int) -> tuple[npt.NDArray[np.float32], Any]:
    """Sound of 160 pictures whose loudness is drawn by lot, and faces as bright as it is loud, some pictures
    later."""
    from loc.analysis.sync.mel import mel

    rng = np.random.default_rng(2)
    loud = rng.uniform(-4, 0, 160)
    sound = (np.repeat(np.exp(loud), 640) * rng.standard_normal(160 * 640) * 0.1).astype(np.float32)
    levels = mel(sound).mean(axis=0)
    heard = np.array([levels[int(3.2 * at) + 1 : int(3.2 * at) + 4].mean() for at in range(160)])
    shine = np.interp(heard, (heard.min(), heard.max()), (0, 255))

    def shown() -> Any:
        for index in range(160):
            at = int(np.clip(index - planted, 0, 159))
            yield np.full((256, 256, 3), round(float(shine[at])), np.uint8)

    return sound, shown()


@pytest.mark.parametrize("planted", [-6, -3, 0, 3, 9])
def test_a_planted_shift_is_found_by_stable_syncnet(monkeypatch: pytest.MonkeyPatch, planted: int) -> None:
    from loc.analysis.sync import judge as judging

    monkeypatch.setattr(judging, "_stable", lambda *_files: KnownStable().eval())
    judge = StableJudge(weights=_FILES)  # type: ignore[arg-type]
    sound, faces = talking(planted)
    found = judge.score(judge.compare(faces, 160, sound))
    assert (found.measure, found.offset) == ("stable-syncnet", planted)
    assert found.value is not None
    assert found.confidence is not None
    assert found.value > 0.5
    assert found.confidence > 0.3
    assert found.distance is None


SMALL = {
    "audio_encoder": {
        "in_channels": 1,
        "block_out_channels": [32, 32, 32, 32, 32, 32, 64],
        "downsample_factors": [[2, 1], 2, 2, 1, 2, 2, [2, 3]],
        "attn_blocks": [0, 0, 0, 1, 0, 0, 0],
    },
    "visual_encoder": {
        "in_channels": 48,
        "block_out_channels": [32, 32, 32, 32, 32, 32, 32, 64],
        "downsample_factors": [[1, 2], 2, 2, 2, 2, 2, 2, 2],
        "attn_blocks": [0, 0, 0, 0, 0, 1, 0, 0],
    },
}


def register_stable(data_dir: Path) -> None:
    """A small StableSyncNet of random weights, under the name the file has in other releases."""
    torch.manual_seed(5)
    net = StableSyncNet(SMALL["audio_encoder"], SMALL["visual_encoder"])
    file = "latentsync_syncnet.pt"
    row = registered("my-stable", StableJudge.architecture, file, CONFIG, title="Another judge")
    state = tiny.saved({"global_step": 1, "state_dict": net.state_dict()})
    place(data_dir, row, (file, state), (CONFIG, json.dumps(SMALL).encode()))


def test_both_judges_are_found_and_read_their_files(tmp_path: Path) -> None:
    register(tmp_path)
    register_stable(tmp_path)
    judges = find_judges(tmp_path, Purpose.INTERNAL)
    assert [judge.measure for judge in judges] == ["syncnet", "stable-syncnet"]
    sound, faces = talking(0)
    found = judges[1].compare(faces, 160, sound)
    assert found.shape == (37, 31)
    assert np.abs(found).max() <= 1 + 1e-5
    score = judges[1].score(found)
    assert score.n == 37
    short = judges[1].score(found[:8])
    assert (short.value, short.unscored) == (None, "8 windows are under 9.")


def test_no_batch_changes_what_stable_syncnet_says(tmp_path: Path) -> None:
    from loc.analysis.sync.stable import agreements

    torch.manual_seed(0)
    net = StableSyncNet(SMALL["audio_encoder"], SMALL["visual_encoder"]).eval()
    sound, _ = talking(2)
    # Flat pictures would not do: what normalising leaves of them is rounding, blown up.
    faces = np.random.default_rng(5).integers(0, 256, (160, 256, 256, 3), np.uint8)
    one, five = (agreements(net, iter(faces), sound, 6, 15, batch) for batch in (1, 5))
    np.testing.assert_allclose(one, five, atol=2e-4)


class _Files:
    files: ClassVar[dict[str, Path]] = {"syncnet_v2.model": Path("x")}


_FILES = _Files()


def _mfcc(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    from loc.analysis.sync.mfcc import mfcc

    return mfcc(np.rint(sound * 32768).astype(np.int16))


def test_a_judge_is_found_where_its_licence_allows_it(tmp_path: Path) -> None:
    assert find_judges(tmp_path, Purpose.RESEARCH) == ()
    register(tmp_path, "syncnet-weights")
    assert find_judges(tmp_path, Purpose.INTERNAL) == ()
    (found,) = find_judges(tmp_path, Purpose.RESEARCH)
    assert any(name.startswith("weights ") for name in found.fingerprint())
    register(tmp_path, "mit", "another")
    assert len(find_judges(tmp_path, Purpose.INTERNAL)) == 1


def test_the_published_judges_stand_under_their_licences() -> None:
    rows = published()
    assert refusal(rows["syncnet-v2"].licence, Purpose.INTERNAL) is not None
    assert refusal(rows["stable-syncnet"].licence, Purpose.INTERNAL) is None
    assert rows["stable-syncnet"].architecture == StableJudge.architecture


def test_what_is_too_short_has_no_windows(tmp_path: Path) -> None:
    register(tmp_path)
    register_stable(tmp_path)
    for judge in find_judges(tmp_path, Purpose.INTERNAL):
        assert judge.compare(iter(()), 4, np.zeros(16000, np.float32)).shape == (0, 31)
