"""The mix, sample by sample: placement, the untouched bed, the ceiling, seams, presence, keys."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Loudness, Sound
from loc.errors import MissingError
from loc.media.sound import Samples, encode_flac, read_sound, store_sound
from loc.runner import Made, Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.keys import digest_value
from loc.store.workdir import WorkDir
from stages.dub import loudness, mix
from stages.dub.mix import CEILING, CONTEXT, Level, Placement, Presence
from stages.dub.speech import CLIP_LUFS

STEREO = 2


def no_backend(stage: str, _language: str | None) -> object:
    raise MissingError(stage)


@pytest.fixture
def context(runner: Runner, tmp_path: Path) -> Context:
    job = Job(Path("video.mp4"), "0" * 64, 1, ("de",), "en")
    return Context(runner, Settings(work_dir=tmp_path), job, no_backend, "de")  # type: ignore[arg-type]


def noise(samples: int, amplitude: float, channels: int = 2, seed: int = 0) -> Samples:
    generator = np.random.default_rng(seed)
    return (amplitude * generator.uniform(-1, 1, (samples, channels))).astype(np.float32)


def put(store: WorkDir, audio: Samples, place: int) -> Placement:
    return Placement(store.put_bytes(encode_flac(audio)), place, len(audio))


def mixed(
    context: Context, bed: Sound | None, clips: list[Placement], samples: int, gain_db: float = 0.0
) -> tuple[Samples, list[Made], list[list[int]]]:
    """The whole programme, mixed block by block."""
    spans = [(start, min(start + BLOCK_SAMPLES, samples)) for start in range(0, samples, BLOCK_SAMPLES)]
    indices = [mix.block_clips(clips, *span) for span in spans]
    blocks = [
        context.runner.do(*mix.mix_block(context, bed, [clips[i] for i in among], *span, STEREO, gain_db))
        for span, among in zip(spans, indices, strict=True)
    ]
    sound = Sound(channels=2, samples=samples, blocks=tuple(block.ref("audio") for block in blocks))
    return read_sound(context.store, sound), blocks, indices


def test_clips_lie_at_their_sample_and_the_bed_is_untouched(context: Context) -> None:
    samples = 2 * SAMPLE_RATE
    background = store_sound(context.store, [noise(samples, 0.1)], 2)
    bed = read_sound(context.store, background)
    clip = noise(5000, 0.2, 1, seed=1)
    audio, _, _ = mixed(context, background, [put(context.store, clip, 30_001)], samples, gain_db=-6.0)
    added = audio - bed
    assert not added[:30_001].any()
    assert not added[35_001:].any()
    assert np.allclose(added[30_001:35_001], clip * 10 ** (-6 / 20), atol=1e-6)


def test_blocks_join_without_a_seam(context: Context) -> None:
    """A clip and a limited peak across a block joint: as if the programme were one block."""
    samples = BLOCK_SAMPLES + SAMPLE_RATE
    clip = noise(SAMPLE_RATE, 0.4, 1, seed=2)
    clip[SAMPLE_RATE // 2 - 3] = 1.0
    place = BLOCK_SAMPLES - SAMPLE_RATE // 2
    audio, _, indices = mixed(context, None, [put(context.store, clip, place)], samples, gain_db=3.0)
    assert indices == [[0], [0]]
    whole = np.zeros((samples, 2), np.float32)
    whole[place : place + SAMPLE_RATE] += clip * np.float32(10 ** (3 / 20))
    gain = mix.limiter_gain(loudness.oversampled_peaks(whole))
    assert gain.min() < 0.9
    assert np.abs(audio - whole * gain[:, None]).max() < 1e-6


def test_true_peak_stays_under_the_ceiling_and_quiet_parts_alone(context: Context) -> None:
    samples = 3 * SAMPLE_RATE
    loud = noise(samples, 0.3)
    loud[SAMPLE_RATE : SAMPLE_RATE + 200] = noise(200, 0.999, seed=4)
    background = store_sound(context.store, [loud], 2)
    bed = read_sound(context.store, background)
    audio, _, _ = mixed(context, background, [], samples)
    assert loudness.oversampled_peaks(bed).max() > 10 ** (-1 / 20)
    assert loudness.oversampled_peaks(audio).max() < 10 ** (-1 / 20)
    reach = 2 * mix.LOOK_AHEAD + 2
    assert np.array_equal(audio[: SAMPLE_RATE - reach], bed[: SAMPLE_RATE - reach])
    assert np.array_equal(audio[SAMPLE_RATE + 200 + reach :], bed[SAMPLE_RATE + 200 + reach :])


def test_the_limiter_is_smooth_and_enough() -> None:
    peaks = np.full(10_000, 0.5, np.float32)
    peaks[5000] = 2.0
    gain = mix.limiter_gain(peaks)
    assert gain[5000] <= CEILING / 2
    assert np.abs(np.diff(gain)).max() < 0.01
    assert (gain[: 5000 - 2 * mix.LOOK_AHEAD] == 1).all()
    assert (mix.limiter_gain(np.full(100, CEILING, np.float32)) == 1).all()


def test_presence_finds_each_clip_also_under_another(context: Context) -> None:
    samples = SAMPLE_RATE
    clips = [
        put(context.store, noise(9000, 0.2, 1, seed=5), 1000),
        put(context.store, noise(9000, 0.2, 1, seed=6), 4000),
        put(context.store, np.zeros((9000, 1), np.float32), 20_000),
    ]
    background = store_sound(context.store, [noise(samples, 0.3, seed=7)], 2)
    _, blocks, indices = mixed(context, background, clips, samples)
    found = [block.model("presence", Presence) for block in blocks]
    assert mix.missing(clips, list(zip(indices, found, strict=True))) == [2]
    lost = [dataclasses.replace(clip, place=clip.place + 2 * SAMPLE_RATE) for clip in clips[:1]]
    assert mix.missing(lost, [([0], Presence(clips=((0.0, 1.0),)))]) == [0]


def test_an_edit_touches_only_the_blocks_it_sounds_in(context: Context) -> None:
    samples = 3 * BLOCK_SAMPLES
    clips = [
        put(context.store, noise(2000, 0.2, 1, seed=seed), at)
        for seed, at in ((1, 5), (2, BLOCK_SAMPLES + CONTEXT))
    ]
    _, before, _ = mixed(context, None, clips, samples)
    clips[1] = put(context.store, noise(2000, 0.2, 1, seed=3), clips[1].place)
    _, after, _ = mixed(context, None, clips, samples)
    assert [a.key == b.key for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_the_key_of_a_block_knows_places_only_within_it(context: Context) -> None:
    """Silence with a clip at the same place of another block is the same work."""
    clip = put(context.store, noise(2000, 0.2, 1), 4 * CONTEXT)
    later = dataclasses.replace(clip, place=clip.place + BLOCK_SAMPLES)
    first, _ = mix.mix_block(context, None, [clip], 0, BLOCK_SAMPLES, STEREO, 1.0)
    second, _ = mix.mix_block(context, None, [later], BLOCK_SAMPLES, 2 * BLOCK_SAMPLES, STEREO, 1.0)
    assert digest_value(first.fields()) == digest_value(second.fields())


@pytest.mark.parametrize("level_db", [0.0, -12.0])
def test_gain_matches_the_source(context: Context, level_db: float) -> None:
    """A clip raised by the level's gain, in both channels, is as loud as the source's speech."""
    source = noise(4 * SAMPLE_RATE, 0.2) * np.float32(10 ** (level_db / 20))
    sound = store_sound(context.store, [source], 2)
    meters = [context.runner.do(*work) for work in mix.meter(context, "sound", sound, true_peak=False)]
    level = context.runner.do(*mix.level(context, meters, STEREO)).model("level", Level)
    measure = pyloudnorm.Meter(SAMPLE_RATE)
    wanted = min(max(measure.integrated_loudness(source), mix.QUIETEST_LUFS), mix.LOUDEST_LUFS)
    clip = noise(4 * SAMPLE_RATE, 0.1, 1, seed=9)
    clip *= 10 ** ((CLIP_LUFS - measure.integrated_loudness(clip)) / 20)
    placed = np.repeat(clip, 2, axis=1) * 10 ** (level.gain_db / 20)
    assert measure.integrated_loudness(placed) == pytest.approx(wanted, abs=0.15)


def test_without_speech_to_match_the_dub_has_a_level_of_its_own(context: Context) -> None:
    level = context.runner.do(*mix.level(context, [], STEREO)).model("level", Level)
    assert level.source_speech_lufs is None
    assert level.gain_db == pytest.approx(mix.SILENT_SOURCE_LUFS - CLIP_LUFS - 3.0, abs=0.06)


def test_the_finished_mix_is_measured_across_blocks(context: Context) -> None:
    samples = BLOCK_SAMPLES + 5 * SAMPLE_RATE + 7
    envelope = 0.55 + 0.45 * np.sin(np.arange(samples) / 9000)
    audio = noise(samples, 0.2) * envelope[:, None].astype(np.float32)
    sound = store_sound(context.store, [audio], 2)
    meters = [context.runner.do(*work) for work in mix.meter(context, "sound", sound, true_peak=True)]
    level = Level(source_speech_lufs=None, gain_db=0.0)
    report = context.runner.do(*mix.measured(context, meters, [], level, STEREO)).model("loudness", Loudness)
    assert report.integrated_lufs == pytest.approx(
        pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio), abs=0.1
    )
    peak = loudness.decibels(float(loudness.oversampled_peaks(audio).max()))
    assert report.true_peak_dbtp == pytest.approx(peak, abs=0.01)
    assert report.speech_lufs is None


def test_an_empty_programme_has_nothing_to_measure(context: Context) -> None:
    level = Level(source_speech_lufs=None, gain_db=0.0)
    report = context.runner.do(*mix.measured(context, [], [], level, STEREO)).model("loudness", Loudness)
    assert report.integrated_lufs is None
    assert report.true_peak_dbtp is None
