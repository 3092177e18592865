"""Tiny translation models in the layout of the official checkpoints, over-fitted to the test's own lines.

A vocabulary is learned from the lines by sentencepiece, the configuration and the weights are written as the
publishers write theirs, and the whole enters as a registered set of weights: no way in is special.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from loc.weights.table import Row, Spoken
from tests.weights.shelving import place, registered

STEPS = 300
"""Enough for a few lines to be learned by heart; a test of the model says so."""

Lines = Mapping[tuple[str, str], Sequence[tuple[str, str]]]
"""(source, target) -> pairs of lines."""


@dataclass(frozen=True)
class Tiny:
    """A model and its files, in a folder."""

    folder: Path
    architecture: str
    pairs: tuple[tuple[str, str], ...]

    def register(self, data_dir: Path, weights_id: str, **changes: Any) -> Row:
        """Put it on the shelf of a data folder, as `loc models` does with a fine-tune of the user's."""
        names = sorted(path.name for path in self.folder.iterdir())
        given: dict[str, Any] = {"licence": "apache-2_0", "languages": Spoken(pairs=self.pairs), **changes}
        row = registered(weights_id, given.pop("architecture", self.architecture), *names, **given)
        place(data_dir, row, *((name, (self.folder / name).read_bytes()) for name in names))
        return row


def marian(
    folder: Path, pair: tuple[str, str], lines: Sequence[tuple[str, str]], steps: int = STEPS, **size: Any
) -> Tiny:
    """A Marian model of one pair: source.spm, target.spm, one vocab.json for both sides."""
    folder.mkdir(parents=True)
    sides = [[one[side] for one in lines] for side in (0, 1)]
    pieces: dict[str, None] = {}
    for name, texts in zip(("source.spm", "target.spm"), sides, strict=True):
        pieces |= dict.fromkeys(_learn(folder / name, texts))
    vocabulary = ["</s>", "<unk>", *pieces, *_unused(size.get("vocab_size", 0) - len(pieces) - 3), "<pad>"]
    _write_json(folder / "vocab.json", {piece: number for number, piece in enumerate(vocabulary)})
    _write_json(
        folder / "tokenizer_config.json",
        {"source_lang": pair[0], "target_lang": pair[1], "tokenizer_class": "MarianTokenizer"},
    )
    pad = len(vocabulary) - 1
    own = {**dict.fromkeys(("vocab_size", "decoder_vocab_size"), len(vocabulary)), **_size()}
    config = MarianConfig(
        pad_token_id=pad, eos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=pad,
        scale_embedding=True, activation_function="swish", share_encoder_decoder_embeddings=True,
        max_position_embeddings=128, **{**own, **size},
    )  # fmt: skip
    config.architectures = ["MarianMTModel"]
    torch.manual_seed(0)
    model = MarianMTModel(config)
    tokenizer = MarianTokenizer.from_pretrained(folder, local_files_only=True)
    batch = tokenizer(sides[0], text_target=sides[1], return_tensors="pt", padding=True)
    _fit(model, dict(batch), pad, steps)
    model.save_pretrained(folder)
    return Tiny(folder, "marian", (pair,))


def m2m100(folder: Path, lines: Lines, steps: int = STEPS, **size: Any) -> Tiny:
    """An M2M100 model: one sentencepiece.bpe.model for all languages, fairseq's order in vocab.json."""
    folder.mkdir(parents=True)
    texts = [text for pairs in lines.values() for pair in pairs for text in pair]
    pieces = _learn(folder / "sentencepiece.bpe.model", texts)
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    vocabulary += _unused(size.get("vocab_size", 0) - len(vocabulary) - 108)
    _write_json(folder / "vocab.json", {piece: number for number, piece in enumerate(vocabulary)})
    _write_json(folder / "tokenizer_config.json", {"tokenizer_class": "M2M100Tokenizer"})
    tokenizer = M2M100Tokenizer.from_pretrained(folder, local_files_only=True)
    own = {"vocab_size": len(vocabulary) + len(tokenizer.lang_code_to_id) + 8, **_size()}
    config = M2M100Config(
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, scale_embedding=True,
        max_position_embeddings=128, encoder_layerdrop=0.0, decoder_layerdrop=0.0, **{**own, **size},
    )  # fmt: skip
    config.architectures = ["M2M100ForConditionalGeneration"]
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(config)
    rows: list[tuple[list[int], list[int]]] = []
    for (source, target), pairs in lines.items():
        tokenizer.src_lang, tokenizer.tgt_lang = source, target
        for one in pairs:
            coded = tokenizer(one[0], text_target=one[1])
            rows.append((coded["input_ids"], coded["labels"]))
    _fit(model, _padded(rows, 1), 1, steps)
    model.save_pretrained(folder)
    return Tiny(folder, "m2m100", tuple(lines))


def madlad(folder: Path, lines: Lines, steps: int = STEPS) -> Tiny:
    """A MADLAD-400 model: a T5 v1.1 whose vocabulary holds `<2es>` and the like."""
    folder.mkdir(parents=True)
    texts = [text for pairs in lines.values() for pair in pairs for text in pair]
    path = folder / "spiece.model"
    pieces = _learn(path, texts)
    scores = sentencepiece.SentencePieceProcessor(model_file=str(path))
    tokens = [f"<2{target}>" for _, target in lines]
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((token, 0.0) for token in tokens)]
    vocabulary += [(piece, scores.get_score(scores.piece_to_id(piece))) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer.save(str(folder / "tokenizer.json"))
    shape: dict[str, Any] = {
        "vocab_size": len(vocabulary), "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 1,
        "num_decoder_layers": 1, "num_heads": 4, "dropout_rate": 0.0, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 0,
    }  # fmt: skip
    config = T5Config(**shape)
    config.architectures = ["T5ForConditionalGeneration"]
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config)
    rows: list[tuple[list[int], list[int]]] = []
    for (_, target), pairs in lines.items():
        language = tokenizer.token_to_id(f"<2{target}>")
        assert language is not None
        rows += [
            ([language, *tokenizer.encode(one).ids], tokenizer.encode(other).ids) for one, other in pairs
        ]
    _fit(model, _padded(rows, 1), 1, steps)
    model.save_pretrained(folder)
    return Tiny(folder, "madlad", tuple(lines))


Talk = tuple[Sequence[Mapping[str, str]], str]
"""Messages, and what the model says to them."""

CHAT = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def instruct(folder: Path, talks: Sequence[Talk], steps: int = STEPS) -> Tiny:
    """A Qwen3 with a chat template, that knows its answers to some requests by heart."""
    fast = _chat_tokenizer(folder, talks)
    config = Qwen3Config(
        vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=4096,
        pad_token_id=0, eos_token_id=1, bos_token_id=None, tie_word_embeddings=True,
    )  # fmt: skip
    config.architectures = ["Qwen3ForCausalLM"]
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    rows = []
    for messages, said in talks:
        asked = fast.apply_chat_template(
            [dict(one) for one in messages], tokenize=False, add_generation_prompt=True
        )
        before = fast(asked, add_special_tokens=False)["input_ids"]
        after = fast(said, add_special_tokens=False)["input_ids"] + [1]
        rows.append((before + after, [0] * len(before) + after))
    if steps:
        _fit(model, _padded(rows, 0), 0, steps)
    model.save_pretrained(folder)
    return Tiny(folder, "instruct", ())


def seeing(folder: Path, talks: Sequence[Talk]) -> Tiny:
    """A Gemma3, which sees, too: its configuration has parts. It knows the words of some talks, and nothing
    else."""
    fast = _chat_tokenizer(folder, talks)
    text = {
        "vocab_size": len(fast), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0,
        "eos_token_id": 1, "bos_token_id": None, "max_position_embeddings": 4096,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=2)
    config.architectures = ["Gemma3ForConditionalGeneration"]
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = [1, 3]
    model.save_pretrained(folder)
    return Tiny(folder, "instruct", ())


def _chat_tokenizer(folder: Path, talks: Sequence[Talk]) -> PreTrainedTokenizerFast:
    folder.mkdir(parents=True)
    special = ["<pad>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [message["content"] for messages, _ in talks for message in messages]
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([*texts, *(said for _, said in talks)], trainer)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<pad>"
    )
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    return fast


def _size() -> dict[str, Any]:
    return {
        "d_model": 64, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "dropout": 0.0,
        "attention_dropout": 0.0, "activation_dropout": 0.0,
    }  # fmt: skip


def _unused(count: int) -> list[str]:
    """Pieces that fill a vocabulary up to a size that was asked for."""
    return [f"<unused{number}>" for number in range(count)]


def _learn(path: Path, texts: Sequence[str]) -> list[str]:
    """Train a sentencepiece model and return its pieces without the special ones."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=400, hard_vocab_limit=False,
        character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    path.write_bytes(written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(number) for number in range(3, model.get_piece_size())]


def _padded(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> dict[str, torch.Tensor]:
    def stack(side: int) -> torch.Tensor:
        longest = max(len(row[side]) for row in rows)
        return torch.tensor([row[side] + [pad] * (longest - len(row[side])) for row in rows])

    inputs = stack(0)
    return {"input_ids": inputs, "attention_mask": (inputs != pad).long(), "labels": stack(1)}


def _fit(model: Any, batch: dict[str, torch.Tensor], pad: int, steps: int) -> None:
    """Learn a batch by heart."""
    batch["labels"] = batch["labels"].masked_fill(batch["labels"] == pad, -100)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        model(**batch).loss.backward()
        optimiser.step()
    model.eval()


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
