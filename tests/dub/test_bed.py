"""Voices that are put back: exactly what was taken out, without clicks, and only where they are kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Kept, Stems
from loc.media.sound import decode_flac, encode_flac, read_sound, store_sound
from loc.runner import Runner
from stages.dub.bed import FADE, bed, gate
from tests.hearing import context

S = SAMPLE_RATE


def stems(runner: Runner, samples: int) -> tuple[Stems, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    chance = np.random.default_rng(1)
    parts = [
        decode_flac(encode_flac(chance.uniform(-0.4, 0.4, (samples, 2)).astype(np.float32))) for _ in range(2)
    ]
    speech, background = (store_sound(runner.store, [part], 2) for part in parts)
    return Stems(speech=speech, background=background, speech_snr_db=None), parts[0], parts[1]


def test_a_kept_stretch_is_the_source_and_the_rest_the_background(runner: Runner) -> None:
    both, speech, background = stems(runner, 2 * BLOCK_SAMPLES + 7 * S)
    kept = [
        Kept(start=29 * S, stop=31 * S, by="no-words"),
        Kept(start=65 * S, stop=len(speech), by="marked"),
    ]
    made = bed(context(runner), both, kept)
    assert made is not None
    sound = read_sound(runner.store, made)
    for item in kept:
        inner = slice(item.start + FADE, item.stop - FADE)
        assert np.array_equal(sound[inner], (speech + background)[inner])
    touched = np.zeros(len(sound), bool)
    for item in kept:
        touched[item.start : item.stop] = True
    assert np.array_equal(sound[~touched], background[~touched])


def test_blocks_without_a_kept_voice_are_the_same_objects(runner: Runner) -> None:
    both, _, _ = stems(runner, 2 * BLOCK_SAMPLES)
    assert both.background is not None
    made = bed(context(runner), both, [Kept(start=0, stop=S, by="no-words")])
    assert made is not None
    assert made.blocks[0] != both.background.blocks[0]
    assert made.blocks[1] == both.background.blocks[1]
    assert bed(context(runner), both, []) is both.background


def test_the_gate_moves_slowly_and_goes_on_over_joints() -> None:
    opened = gate(S, [(-FADE, S // 4), (S // 2, S + FADE)])
    assert opened[0] == opened[-1] == 1
    assert not opened[S // 4 : S // 2].any()
    assert np.abs(np.diff(opened)).max() < 1.5 / FADE
