"""Demucs in the pipeline, with checkpoints in its own forms that the tests make.

How well the published model parts voices from music is no matter of tests without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr
import torch

from cli.graph import load_graph
from loc.app.run import prepare, run_job
from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Stems
from loc.backend import Host
from loc.errors import InputError, MissingError
from loc.media.sound import read_sound
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Slot
from loc.store.workdir import WorkDir
from stages.separate import demucs
from stages.separate.contract import Inputs
from stages.separate.demucs import Demucs, load
from stages.separate.known import si_sdr
from stages.separate.stage import run
from tests.hearing import context, source_of
from tests.presenter import OTTO, Said, Script, Shot
from tests.presenter.film import render
from tests.presenter.samples import write_subtitles
from tests.presenter.voice import Soundtrack, soundtrack
from tests.tiny_demucs import arguments, blank, overfit, package, safetensors, segments
from tests.voices import music
from tests.weights.shelving import place, registered

ROW = registered("mine", "htdemucs", "mine.th", title="My own Demucs")
SCRIPT = Script(
    lines=(Said(OTTO, "Papa has a map.", pause=0.2),),
    shots=(Shot(0, "close", "plain", (OTTO,)),),
    music_db=-2.0,
    tail=0.3,
    size=(160, 90),
)


def backend(data: Path) -> Demucs:
    return Demucs(Host(Settings(data_dir=data), data, model="mine"))


def level(backend: Demucs, audio: npt.NDArray[np.float32]) -> dict[str, float]:
    return backend.combine([backend.survey(audio)])


@dataclass(frozen=True)
class Job:
    path: Path
    sound: Soundtrack
    settings: Settings


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A film with music under its speech, its texts, and a checkpoint that knows its sound by heart."""
    folder = tmp_path_factory.mktemp("demucs")
    sound = soundtrack(SCRIPT)
    truth = render(SCRIPT, folder / "film.mp4", sound=sound)
    write_subtitles(folder / "film.en.srt", truth.lines, [line.text for line in truth.lines])
    write_subtitles(folder / "film.es.srt", truth.lines, ["Papá tiene un mapa."])
    mix, speech = (
        segments(soxr.resample(part, SAMPLE_RATE, 44_100), (0.0, 0.4)) for part in (sound.mix, sound.speech)
    )
    place(folder / "data", ROW, ("mine.th", package(overfit(mix, speech))))
    settings = Settings(
        languages=("es",),
        lipsync=False,
        work_dir=folder / "store",
        data_dir=folder / "data",
        backend={"separate": "demucs"},
    )
    return Job(folder / "film.mp4", sound, settings)


def test_the_checkpoint_is_found_among_other_files(tmp_path: Path) -> None:
    files = (("README.md", b"mine"), ("mine.th", package(blank())))
    place(tmp_path / "one", registered("mine", "htdemucs", *(name for name, _ in files)), *files)
    place(tmp_path / "two", registered("mine", "htdemucs", "a.th", "b.th"), ("a.th", b""), ("b.th", b""))
    audio, whole = np.full((4800, 2), 0.1, np.float32), {"mean": 0.0, "deviation": 1.0}
    assert backend(tmp_path / "one").separate(audio, whole, 0).shape == audio.shape
    with pytest.raises(InputError, match=r"its files are a\.th, b\.th"):
        backend(tmp_path / "two").separate(audio, whole, 0)


def test_a_film_is_parted_by_a_fine_tune_and_dubbed(job: Job) -> None:
    store, graph = WorkDir(job.settings.work_dir), load_graph()
    prepared = prepare(job.path, graph, store, job.settings)
    result = run_job(prepared, graph, store, job.settings)
    assert result.error is None
    card = result.choices.card("separate", None)
    assert card is not None
    assert card.choice == "separate/demucs:mine"
    assert result.languages[0].lines == 1
    separated = backend(job.settings.data_dir)
    speech = separated.separate(job.sound.mix, level(separated, job.sound.mix), 0)
    gain = si_sdr(speech, job.sound.speech) - si_sdr(job.sound.mix, job.sound.speech)
    assert gain > 3
    changed = replace_weights(job)
    again = run_job(prepare(job.path, graph, store, changed), graph, store, changed)
    assert again.error is None
    assert again.misses > 0
    assert run_job(prepared, graph, store, job.settings).misses == 0


def replace_weights(job: Job) -> Settings:
    other = job.settings.data_dir.parent / "other"
    place(other, ROW, ("mine.th", package(blank(seed=5))))
    return job.settings.model_copy(update={"data_dir": other})


def test_stems_sum_to_the_master(tmp_path: Path, runner: Runner) -> None:
    place(tmp_path, ROW, ("mine.th", package(blank())))
    audio = music(2.0, 3)[:, :1] * 0.5
    stems: Stems = run(
        context(runner, {"separate": backend(tmp_path)}),
        Inputs(Slot("ingest", source_of(runner.store, audio))),
    )
    assert stems.speech is not None
    assert stems.background is not None
    parts = [read_sound(runner.store, part) for part in (stems.speech, stems.background)]
    assert np.abs(parts[0] + parts[1] - audio).max() < 2**-22
    assert parts[0].any()


def test_both_published_forms_are_the_same_network(tmp_path: Path) -> None:
    model = blank()
    row = registered("mine", "htdemucs", "mine.safetensors")
    place(tmp_path / "th", ROW, ("mine.th", package(model)))
    place(tmp_path / "st", row, ("mine.safetensors", safetensors(model)))
    audio = music(1.5, 1) * 0.5
    one, two = backend(tmp_path / "th"), backend(tmp_path / "st")
    assert np.array_equal(
        one.separate(audio, level(one, audio), 0), two.separate(audio, level(two, audio), 0)
    )
    assert one.fingerprint() != two.fingerprint()


@pytest.mark.parametrize("channels", [1, 2])
def test_segments_and_rates_leave_no_trace(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that takes everything for voice gives it back: nothing is shifted, scaled or seamed."""
    monkeypatch.setattr(demucs, "_vocals", lambda model, piece: piece)
    place(tmp_path, ROW, ("mine.th", package(blank())))
    audio = np.concatenate([music(9.0, 2), music(9.0, 4)], axis=1)[: 9 * SAMPLE_RATE, :channels] * 0.5
    audio = soxr.resample(soxr.resample(audio, SAMPLE_RATE, 32_000), 32_000, SAMPLE_RATE).astype(np.float32)
    separator = backend(tmp_path)
    found = separator.separate(audio, level(separator, audio), 0)
    assert found.shape == audio.shape
    inner = slice(2400, -2400)
    assert np.abs(found - audio)[inner].max() < 2e-3 * np.abs(audio).max()


def test_two_blocks_agree_at_their_joint(tmp_path: Path) -> None:
    place(tmp_path, ROW, ("mine.th", package(blank(segment=Fraction(39, 5), t_layers=0))))
    separator = backend(tmp_path)
    context = separator.context_samples
    # The end of one block and the beginning of the next, as the stage cuts them.
    audio = music(14.0, 7) * 0.5
    joint = 6 * SAMPLE_RATE
    parameters = level(separator, audio)
    before = separator.separate(audio[: joint + context], parameters, 0)
    after = separator.separate(audio[joint - context :], parameters, context)
    near = 2400
    left = before[joint - near : joint + near]
    right = after[context - near : context + near]
    assert np.abs(left).max() > 0
    assert np.abs(left - right).max() < 1e-4 * np.abs(left).max()


SETTLED = SAMPLE_RATE // 10
"""Samples after which a resampler no longer tells that its input was cut."""


def test_a_full_block_has_a_segment_on_its_joints() -> None:
    for seconds in (Fraction(39, 5), Fraction(1), Fraction(5)):
        stride = demucs._stride(int(seconds * 44_100))
        assert (BLOCK_SAMPLES * demucs.DOWN // demucs.UP) % stride < 40
        assert stride <= demucs.STRIDE_SHARE * seconds * 44_100
    assert demucs._stride(343_980) == 6 * 44_100
    assert Demucs.context_samples >= 343_980 // 2 * demucs.UP // demucs.DOWN + SETTLED // 2


def test_silence_has_no_voice(tmp_path: Path) -> None:
    place(tmp_path, ROW, ("mine.th", package(blank())))
    separator, audio = backend(tmp_path), np.zeros((SAMPLE_RATE, 2), np.float32)
    assert not separator.separate(audio, level(separator, audio), 0).any()


def test_where_memory_ends_with_one_segment_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network fills up every shorter segment to the one it was taught: there is no half to retry with."""

    def vocals(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    place(tmp_path, ROW, ("mine.th", package(blank())))
    separator = backend(tmp_path)
    audio = np.random.default_rng(0).normal(0, 0.1, (SAMPLE_RATE, 2)).astype(np.float32)
    monkeypatch.setattr(demucs, "_vocals", vocals)
    with pytest.raises(MissingError, match="Demucs") as caught:
        separator.separate(audio, level(separator, audio), 0)
    assert "--device cpu" in caught.value.fix
    separator.close()


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    model = blank()
    state = {name: tensor.half() for name, tensor in model.state_dict().items()}
    _, kwargs = arguments(model)
    cases = {
        "missing": (
            package(model, state={k: v for k, v in state.items() if "freq_emb" not in k}),
            "freq_emb",
        ),
        "arguments": (package(model, kwargs={**kwargs, "colour": 1}), "colour"),
        "sources": (package(model, args=(["drums", "bass", "other", "piano"],)), "vocals"),
        "class": (package(model, klass=Fraction), "package"),
        "code": (package(model, training_args=[Path("x")]), "more than tensors"),
        "metadata": (safetensors(model, klass="os.system"), "metadata"),
    }
    for name, (content, said) in cases.items():
        path = tmp_path / (f"{name}.safetensors" if name == "metadata" else f"{name}.th")
        path.write_bytes(content)
        with pytest.raises(MissingError) as caught:
            load(path, "Mine")
        assert said in caught.value.why, name
