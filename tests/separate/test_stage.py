"""The stage: exact sums, quiet joints, and keys that cover what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import BLOCK_SAMPLES, Stems
from loc.backend import Card, Host
from loc.events import ActionDone, Defect, EventBus
from loc.media.sound import decode_flac, encode_flac, read_sound
from loc.runner import NotMade, Runner
from loc.stage import Slot
from loc.store.workdir import WorkDir
from stages.separate.centre_mask import CentreMask
from stages.separate.contract import Inputs
from stages.separate.stage import run, split
from tests.hearing import context, silent_source, source_of
from tests.voices import SENTENCES, music, pause, speak

BACKENDS = {"separate": CentreMask(Host(settings=None, scratch=Path()))}


def programme(samples: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Speech over music, float32 [samples, 2], holding 24-bit values."""
    lines = [part for text in SENTENCES for part in (speak(text, "en+m3"), pause(0.4))]
    speech = np.resize(np.concatenate(lines), samples) * 0.5
    background = music(samples / 48_000 + 1, seed)[:samples] * 0.5
    return decode_flac(encode_flac(speech[:, None] + background))


def separate(runner: Runner, audio: npt.NDArray[np.float32]) -> Stems:
    return run(context(runner, BACKENDS), Inputs(Slot("ingest", source_of(runner.store, audio))))


def test_stems_sum_to_the_master_and_joints_are_quiet(runner: Runner) -> None:
    audio = programme(BLOCK_SAMPLES + 5 * 48_000)
    stems = separate(runner, audio)
    assert stems.speech is not None
    assert stems.background is not None
    speech = read_sound(runner.store, stems.speech)
    assert np.array_equal(speech + read_sound(runner.store, stems.background), audio)
    assert stems.speech_snr_db is not None
    # At the joint two passes of the noise model meet: the step must drown in the speech's own steps.
    joint = slice(BLOCK_SAMPLES - 240, BLOCK_SAMPLES + 240)
    backend = BACKENDS["separate"]
    whole = backend.separate(
        audio, backend.combine([backend.survey(audio[:BLOCK_SAMPLES]), backend.survey(audio[BLOCK_SAMPLES:])])
    )
    difference = np.abs(whole[joint] - speech[joint]).max()
    assert difference < 0.02 * np.abs(speech).max()


class Half:
    """Calls half of everything speech, and hears one second to each side."""

    card: ClassVar = Card("separate", "half", "1", "half", "embedded", "basic", "in-process")
    context_samples = 48_000
    all_voices = False

    def __init__(self, host: Host) -> None:
        del host

    def fingerprint(self) -> dict[str, str]:
        return {}

    def close(self) -> None: ...

    def survey(self, audio: npt.NDArray[np.float32]) -> dict[str, float]:
        return {"samples": float(len(audio))}

    def combine(self, surveys: list[dict[str, float]]) -> dict[str, float]:
        return {"gain": 0.5}

    def separate(
        self, audio: npt.NDArray[np.float32], parameters: Mapping[str, float], before: int
    ) -> npt.NDArray[np.float32]:
        return audio * np.float32(parameters["gain"])


def test_a_change_costs_its_block_and_the_pieces_that_hear_it(store: WorkDir) -> None:
    events: list[ActionDone] = []
    runner = Runner(
        store, EventBus(lambda event: events.append(event) if isinstance(event, ActionDone) else None)
    )
    backends = {"separate": Half(Host(settings=None, scratch=Path()))}
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, (3 * BLOCK_SAMPLES, 1)).astype(np.float32)

    def make(sound: npt.NDArray[np.float32]) -> set[tuple[str, str]]:
        events.clear()
        run(context(runner, backends), Inputs(Slot("ingest", source_of(store, sound))))
        return {(event.action, event.unit) for event in events if not event.hit}

    assert len(make(audio)) == 7
    assert make(audio) == set()
    edited = audio.copy()
    edited[10 * 48_000] += 0.01
    assert make(edited) == {
        ("separate.survey", "block 1"),
        ("separate.block", "block 1"),
        ("separate.block", "block 2"),
    }
    runner.close()


def test_same_sound_same_objects(tmp_path: Path) -> None:
    audio = programme(6 * 48_000)
    made = []
    for name in ("one", "two"):
        fresh = Runner(WorkDir(tmp_path / name), EventBus())
        made.append(separate(fresh, audio))
        fresh.close()
    assert made[0] == made[1]


def test_look_mode_names_the_stage(store: WorkDir) -> None:
    looker = Runner(store, EventBus(), mode="look")
    with pytest.raises(NotMade) as missing:
        separate(looker, programme(48_000))
    assert missing.value.stage == "separate"
    assert [look.action.name for look in looker.looks] == ["separate.survey"]
    looker.close()


@pytest.mark.parametrize(
    ("other", "cancel"),
    [(lambda left: -left, True), (lambda left: -0.85 * left, True), (lambda left: -0.8 * left, False),
     (lambda left: np.roll(left, 4800), False), (lambda left: 0 * left, False)],
)  # fmt: skip
def test_channels_of_which_one_is_the_other_turned_over_are_a_defect(
    store: WorkDir, other: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]], cancel: bool
) -> None:
    left = programme(3 * 48_000)[:, 0]
    for _ in range(2):
        events: list[object] = []
        runner = Runner(store, EventBus(events.append), run="test")
        separate(runner, np.stack([left, other(left)], axis=1))
        found = [event.code for event in events if isinstance(event, Defect)]
        assert found == (["channels-cancel"] if cancel else [])


def test_silence_cancels_nothing(store: WorkDir) -> None:
    events: list[object] = []
    separate(Runner(store, EventBus(events.append), run="test"), np.zeros((48_000, 2), np.float32))
    assert not any(isinstance(event, Defect) for event in events)


def test_without_sound_there_are_no_stems(runner: Runner) -> None:
    stems = run(context(runner), Inputs(Slot("ingest", silent_source(48_000))))
    assert stems == Stems(speech=None, background=None, speech_snr_db=None)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_split_is_exact_even_beyond_full_scale(scale: float) -> None:
    rng = np.random.default_rng(0)
    master = decode_flac(encode_flac(rng.uniform(-1, 1, (10_000, 2)).astype(np.float32)))
    speech, background = split(master, rng.uniform(-scale, scale, master.shape).astype(np.float32))
    stored = [decode_flac(encode_flac(part)) for part in (speech, background)]
    assert np.array_equal(stored[0] + stored[1], master)
