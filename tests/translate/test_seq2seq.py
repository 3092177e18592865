"""M2M100, MADLAD-400 and Marian, from tiny checkpoints in the layout of the published ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file, save_file

from loc.backend import Host
from loc.errors import InputError, LocError
from loc.policy.licences import Purpose, refusal
from loc.settings import Settings
from loc.weights.table import Spoken, published
from stages.translate.contract import SentenceTranslator, Translated
from stages.translate.seq2seq import BATCH, M2M100, SPREAD, STEP, Madlad, Marian
from tests.translate import tiny
from tests.weights.shelving import place, registered

ENGLISH = ("Dogs move.", "Bob saw a bear.", "And so, my fellow Americans,", "I live in a big house.")
SPANISH = ("Los perros se mueven.", "Bob vio un oso.", "Y así, compatriotas,", "Vivo en una casa grande.")
JAPANESE = ("犬は動きます。", "ボブは熊を見ました。", "だから、同胞よ、", "私は大きな家に住んでいます。")

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tiny.Tiny]:
    """One of each family. Not to be changed."""
    return made(tmp_path_factory.mktemp("checkpoints"), tiny.STEPS)


@pytest.fixture(scope="module")
def untaughts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tiny.Tiny]:
    """The same with seeded weights."""
    return made(tmp_path_factory.mktemp("untaughts"), 0)


def made(folder: Path, steps: int) -> dict[str, tiny.Tiny]:
    to_spanish = list(zip(ENGLISH, SPANISH, strict=True))
    both = {("en", "es"): to_spanish, ("en", "ja"): list(zip(ENGLISH, JAPANESE, strict=True))}
    return {
        "marian": tiny.marian(folder / "marian", ("en", "es"), to_spanish, steps),
        "m2m100": tiny.m2m100(folder / "m2m100", both, steps),
        "madlad": tiny.madlad(folder / "madlad", both, steps),
    }


FAMILIES: dict[str, type[Any]] = {"marian": Marian, "m2m100": M2M100, "madlad": Madlad}


@pytest.fixture
def opened(checkpoints: dict[str, tiny.Tiny], untaughts: dict[str, tiny.Tiny], tmp_path: Path) -> Open:
    """Opens the backend of a family over its checkpoint, or over a changed copy of it."""

    def make(family: str, folder: Path | None = None, untaught: bool = False) -> Any:
        model = untaughts[family] if untaught else checkpoints[family]
        if folder is not None:
            model = tiny.Tiny(folder, family, model.pairs)
        model.register(tmp_path / "data", "mine")
        settings = Settings(data_dir=tmp_path / "data")
        return FAMILIES[family](Host(settings, tmp_path / "scratch", model="mine"))

    return make


def texts(made: Any) -> list[str]:
    assert all(isinstance(one, Translated) for one in made), made
    return [one.text for one in made]


def translate(backend: SentenceTranslator, lines: Any, source: str, target: str) -> list[str]:
    found: dict[str, str] = {}
    for batch in backend.batches(lines, source, target):
        found |= zip(batch, texts(backend.translate_batch(batch, source, target)), strict=True)
    return [found[line] for line in lines]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_learned_comes_out(opened: Open, family: str) -> None:
    backend = opened(family)
    assert isinstance(backend, SentenceTranslator)
    assert translate(backend, ENGLISH, "en", "es") == list(SPANISH)


@pytest.mark.parametrize("family", ["m2m100", "madlad"])
def test_a_second_language_does_not_get_the_text_of_the_first(opened: Open, family: str) -> None:
    backend = opened(family)
    for _ in range(2):
        assert translate(backend, ENGLISH, "en", "es") == list(SPANISH)
        assert translate(backend, ENGLISH, "en", "ja") == list(JAPANESE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sentence_does_not_depend_on_the_others(opened: Open, family: str) -> None:
    """Alone, in a batch, in another order: the same."""
    backend = opened(family)
    lines = [*ENGLISH, "Bob saw Bob.", "A big bear.", "My dogs live."]
    alone = {line: backend.translate_batch([line], "en", "es")[0] for line in lines}
    for batch in (*backend.batches(lines, "en", "es"), *backend.batches(lines[::-1], "en", "es")):
        for line, made in zip(batch, backend.translate_batch(batch, "en", "es"), strict=True):
            assert str(made) == str(alone[line])


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_moves_no_probability(opened: Open, family: str) -> None:
    """The numbers behind the choice, of a sentence alone and of the same with padding beside longer ones."""
    backend = opened(family)
    with backend._net as model:
        pass
    row = backend._encode(ENGLISH[0], "en", "es")
    pad, start = model.config.pad_token_id, torch.tensor([[model.config.decoder_start_token_id]])

    def logits(padding: int) -> torch.Tensor:
        ids = torch.tensor([row + [pad] * padding])
        mask = torch.tensor([[1] * len(row) + [0] * padding])
        with torch.inference_mode():
            found: torch.Tensor = model(input_ids=ids, attention_mask=mask, decoder_input_ids=start).logits
        return found

    assert torch.allclose(logits(0), logits(9), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_what_is_about_as_likely_is_another_way_to_say_it(
    opened: Open, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(family)
    # It knows one by heart, and thinks little of all others: fragments of that.
    assert backend.alternatives(ENGLISH[0], "en", "es") == [SPANISH[0]]
    monkeypatch.setattr("stages.translate.seq2seq.MARGIN", 1e9)
    found = backend.alternatives(ENGLISH[0], "en", "es")
    assert found[0] == SPANISH[0]
    assert 1 < len(found) == len(set(found))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_of_a_batch_ends_where_it_would_alone(
    opened: Open, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the model knows: of one without training nothing ends, and all hypotheses take their room."""
    monkeypatch.setattr("stages.translate.seq2seq.ROOM", 3)
    monkeypatch.setattr("stages.translate.seq2seq.ROOM_FACTOR", 1)
    backend = opened(family, untaught=True)
    lines = ["a", "Bob saw Bob.", *ENGLISH, "And so, my fellow dogs, I live in a house with a bear."]
    with backend._net as model:
        rows = [backend._encode(line, "en", "es") for line in lines]
        seen: list[list[list[int]]] = []
        generate = model.generate

        def watched(**given: Any) -> Any:
            made = generate(**given)
            seen.append(made.sequences.tolist())
            return made

        monkeypatch.setattr(model, "generate", watched)
        for row in rows:
            backend._translate([row], "es", model, 4, 1)
        alone, pad = [ids for [ids] in seen], model.config.pad_token_id
        seen.clear()
        backend._translate(rows, "es", model, 4, 1)
    [together] = seen
    lengths = {len(ids) for ids in alone}
    assert len(lengths) > 2
    assert not any(model.config.eos_token_id in ids[1:] for ids in alone), "an end was made up"
    for one, other in zip(alone, together, strict=True):
        assert other[: len(one)] == one
        assert set(other[len(one) :]) <= {pad}


def test_batches_are_of_like_lengths_and_hold_each_sentence_once(opened: Open) -> None:
    backend = opened("marian")
    lines = [f"{'a ' * (number % 7)}bear." for number in range(60)] + [
        "b" * number for number in range(1, 40)
    ]
    batches = backend.batches(lines, "en", "es")
    assert sorted(line for batch in batches for line in batch) == sorted(set(lines))
    for batch in batches:
        lengths = [len(backend._encode(line, "en", "es")) for line in batch]
        assert len(batch) <= BATCH
        assert max(lengths) <= SPREAD * min(lengths) + STEP
    assert len(batches) < len({len(backend._encode(line, "en", "es")) for line in lines})


def test_an_endless_sentence_is_an_error_of_its_own(opened: Open) -> None:
    """One overlong line beside others that are translated."""
    backend = opened("marian")
    long = "bear " * 400
    results: dict[str, Translated | LocError] = {}
    for batch in backend.batches([ENGLISH[0], long], "en", "es"):
        results |= zip(batch, backend.translate_batch(batch, "en", "es"), strict=True)
    assert isinstance(results[long], LocError)
    assert results[ENGLISH[0]] == Translated(SPANISH[0], 0)


def test_where_memory_ends_a_batch_is_translated_in_parts(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened("marian")
    whole = backend.translate_batch(ENGLISH, "en", "es")
    generate = backend._translate
    sizes: list[int] = []

    def short_of_memory(rows: list[list[int]], *more: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(rows, *more)

    monkeypatch.setattr(backend, "_translate", short_of_memory)
    assert [str(one) for one in backend.translate_batch(ENGLISH, "en", "es")] == [str(one) for one in whole]
    assert sizes[0] == len(ENGLISH)
    assert sizes.count(1) == len(ENGLISH)


def test_a_sentence_too_large_for_memory_fails_alone(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened("marian")
    whole = backend.translate_batch(ENGLISH, "en", "es")
    generate, large = backend._translate, backend._encode(ENGLISH[1], "en", "es")

    def short_of_memory(rows: list[list[int]], *more: Any) -> Any:
        if large in rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(rows, *more)

    monkeypatch.setattr(backend, "_translate", short_of_memory)
    made = backend.translate_batch(ENGLISH, "en", "es")
    assert isinstance(made[1], InputError)
    assert [one for place, one in enumerate(made) if place != 1] == [*whole[:1], *whole[2:]]
    assert backend.alternatives(ENGLISH[1], "en", "es") == []
    assert backend.alternatives(ENGLISH[0], "en", "es")


def test_a_closed_translator_holds_no_model(opened: Open) -> None:
    backend = opened("marian")
    backend.translate_batch(ENGLISH[:1], "en", "es")
    assert backend._net.loaded
    backend.close()
    assert not backend._net.loaded


def test_a_pickled_checkpoint_is_read_as_tensors_only(
    checkpoints: dict[str, tiny.Tiny], opened: Open, tmp_path: Path
) -> None:
    folder = copied(checkpoints["marian"].folder, tmp_path)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert translate(opened("marian", folder), ENGLISH, "en", "es") == list(SPANISH)


class Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("sprung"),))


def test_a_pickled_checkpoint_that_runs_code_is_refused(
    checkpoints: dict[str, tiny.Tiny], opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = copied(checkpoints["marian"].folder, tmp_path)
    state = load_file(folder / "model.safetensors")
    torch.save({**state, "trap": Trap()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="mine cannot be loaded"), opened("marian", folder)._net:
        pass
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("fault", ["missing", "surplus", "of another shape"])
@pytest.mark.parametrize("family", FAMILIES)
def test_tensors_that_do_not_fit_are_named(
    checkpoints: dict[str, tiny.Tiny], opened: Open, tmp_path: Path, family: str, fault: str
) -> None:
    folder = copied(checkpoints[family].folder, tmp_path)
    state = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(state) if "encoder" in name and state[name].dim() == 2)
    if fault == "missing":
        del state[name]
    elif fault == "surplus":
        name = "model.encoder.layers.7.extra.weight"
        state[name] = torch.zeros(2, 2)
    else:
        state[name] = torch.zeros(3, 5)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError) as caught, opened(family, folder)._net:
        pass
    assert fault in caught.value.why
    assert name in caught.value.why


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_that_knows_more_than_the_network_is_refused(
    checkpoints: dict[str, tiny.Tiny], opened: Open, tmp_path: Path, family: str
) -> None:
    """Its tokens would lie outside the embedding, which ends a process on a device."""
    folder = copied(checkpoints[family].folder, tmp_path)
    surplus = [f"surplus{number}" for number in range(9)]
    path = folder / ("tokenizer.json" if family == "madlad" else "vocab.json")
    said = json.loads(path.read_text())
    if family == "madlad":
        said["model"]["vocab"] += [[piece, -9.0] for piece in surplus]
    else:
        said |= {piece: len(said) + number for number, piece in enumerate(surplus)}
    path.write_text(json.dumps(said))
    with pytest.raises(InputError, match="mine cannot be loaded") as caught, opened(family, folder)._net:
        pass
    assert "tokens" in caught.value.why


def test_a_checkpoint_of_another_family_is_refused(
    checkpoints: dict[str, tiny.Tiny], opened: Open, tmp_path: Path
) -> None:
    folder = copied(checkpoints["marian"].folder, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "m2m_100"}))
    with pytest.raises(InputError, match="'m2m_100', not 'marian'"), opened("marian", folder)._net:
        pass


def test_a_language_the_vocabulary_lacks_is_an_error(opened: Open) -> None:
    with pytest.raises(InputError, match="does not know the language 'de'"):
        opened("madlad").batches(["Dogs move."], "en", "de")


def test_keys_hold_the_weights_and_not_where_they_lie(
    checkpoints: dict[str, tiny.Tiny], tmp_path: Path
) -> None:
    def of(data: str, name: str, changed: bool = False) -> dict[str, str]:
        folder = checkpoints["marian"].folder
        if changed:
            folder = copied(folder, tmp_path / data)
            state = load_file(folder / "model.safetensors")
            save_file({name: value + 1 for name, value in state.items()}, folder / "model.safetensors")
        tiny.Tiny(folder, "marian", ()).register(tmp_path / data, name, languages=Spoken())
        host = Host(Settings(data_dir=tmp_path / data), tmp_path, model=name)
        return dict(Marian(host).fingerprint())

    assert of("here", "mine") == of("there", "yours")
    assert of("here", "mine2") != of("elsewhere", "mine", changed=True)


def test_files_in_folders_are_gathered_where_they_belong(tmp_path: Path) -> None:
    row = registered("mine", "marian", "config.json", "onnx/model.bin")
    place(tmp_path / "data", row, ("config.json", b"{}"), ("onnx/model.bin", b"x"))
    weights = Host(Settings(data_dir=tmp_path / "data"), tmp_path).weights("mine")
    for _ in range(2):
        folder = weights.gathered(tmp_path / "scratch")
        assert (folder / "onnx/model.bin").read_bytes() == b"x"
        assert (folder / "config.json").read_bytes() == b"{}"


def test_every_published_row_names_the_files_that_are_read() -> None:
    wanted = {
        "marian": {"source.spm", "target.spm", "vocab.json", "tokenizer_config.json"},
        "m2m100": {"sentencepiece.bpe.model", "vocab.json", "tokenizer_config.json"},
        "madlad": {"tokenizer.json"},
    }
    rows = [row for row in published().values() if row.architecture in FAMILIES]
    assert {row.architecture for row in rows} == set(FAMILIES)
    for row in rows:
        assert row.architecture is not None
        names = {file.path for file in row.files}
        assert wanted[row.architecture] | {"config.json"} < names, row.id
        assert names & {"model.safetensors", "pytorch_model.bin"}, row.id
        assert (row.architecture == "marian") == (row.languages is not None), row.id
        assert refusal(row.licence, Purpose.DELIVERY) is None, row.id


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))
