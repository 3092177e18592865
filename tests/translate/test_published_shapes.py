"""The networks that translation models are loaded into, against those that are published: every name and
shape.

Configurations are those of the published `config.json` files, as far as they shape a network. Names and
shapes are derived from them here, by the papers; counts are those of the hub's model cards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

Shapes = dict[str, tuple[int, ...]]


def linear(shapes: Shapes, name: str, out: int, into: int, *, bias: bool) -> None:
    shapes[f"{name}.weight"] = (out, into)
    if bias:
        shapes[f"{name}.bias"] = (out,)


def norm(shapes: Shapes, name: str, width: int, *, bias: bool) -> None:
    shapes[f"{name}.weight"] = (width,)
    if bias:
        shapes[f"{name}.bias"] = (width,)


def fairseq(layers: int, width: int, inner: int, vocabulary: int, positions: int | None) -> Shapes:
    """An encoder and a decoder with one embedding for both sides and the output; `positions`: kept in the
    checkpoint, and then no norm follows the last layer (Marian), or None (M2M100)."""
    shapes: Shapes = {"model.shared.weight": (vocabulary, width)}
    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        for index in range(layers):
            layer = f"model.{side}.layers.{index}"
            for attention in attentions:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    linear(shapes, f"{layer}.{attention}.{part}", width, width, bias=True)
                norm(shapes, f"{layer}.{attention}_layer_norm", width, bias=True)
            linear(shapes, f"{layer}.fc1", inner, width, bias=True)
            linear(shapes, f"{layer}.fc2", width, inner, bias=True)
            norm(shapes, f"{layer}.final_layer_norm", width, bias=True)
        if positions is None:
            norm(shapes, f"model.{side}.layer_norm", width, bias=True)
        else:
            shapes[f"model.{side}.embed_positions.weight"] = (positions, width)
    if positions is not None:
        shapes["final_logits_bias"] = (1, vocabulary)
    return shapes


def t5(layers: int, width: int, inner: int, heads: int, of_head: int, vocabulary: int) -> Shapes:
    """T5 1.1: gated, without biases, an output of its own; distances are embedded in the first layers."""
    shapes: Shapes = {"shared.weight": (vocabulary, width), "lm_head.weight": (vocabulary, width)}
    for side, attentions in (
        ("encoder", ("SelfAttention",)),
        ("decoder", ("SelfAttention", "EncDecAttention")),
    ):
        for index in range(layers):
            block = f"{side}.block.{index}.layer"
            for place, attention in enumerate(attentions):
                for part in "qkv":
                    linear(shapes, f"{block}.{place}.{attention}.{part}", heads * of_head, width, bias=False)
                linear(shapes, f"{block}.{place}.{attention}.o", width, heads * of_head, bias=False)
                norm(shapes, f"{block}.{place}.layer_norm", width, bias=False)
            last = f"{block}.{len(attentions)}"
            for part in ("wi_0", "wi_1"):
                linear(shapes, f"{last}.DenseReluDense.{part}", inner, width, bias=False)
            linear(shapes, f"{last}.DenseReluDense.wo", width, inner, bias=False)
            norm(shapes, f"{last}.layer_norm", width, bias=False)
        shapes[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, heads)
        norm(shapes, f"{side}.final_layer_norm", width, bias=False)
    return shapes


def qwen3(
    layers: int, width: int, inner: int, heads: int, of_values: int, of_head: int, vocabulary: int
) -> Shapes:
    """Grouped attention, `heads` for queries and `of_values` for keys and values; the output is the
    embedding."""
    shapes: Shapes = {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (width,)}
    for index in range(layers):
        layer = f"model.layers.{index}"
        linear(shapes, f"{layer}.self_attn.q_proj", heads * of_head, width, bias=False)
        for part in ("k_proj", "v_proj"):
            linear(shapes, f"{layer}.self_attn.{part}", of_values * of_head, width, bias=False)
        linear(shapes, f"{layer}.self_attn.o_proj", width, heads * of_head, bias=False)
        for part in ("q_norm", "k_norm"):
            norm(shapes, f"{layer}.self_attn.{part}", of_head, bias=False)
        for part in ("gate_proj", "up_proj"):
            linear(shapes, f"{layer}.mlp.{part}", inner, width, bias=False)
        linear(shapes, f"{layer}.mlp.down_proj", width, inner, bias=False)
        for part in ("input_layernorm", "post_attention_layernorm"):
            norm(shapes, f"{layer}.{part}", width, bias=False)
    return shapes


@dataclass(frozen=True)
class Published:
    """A published network: class, what of its configuration shapes it, what it must hold, and how many
    millions of parameters it is said to have."""

    kind: Any
    config: Any
    shapes: Shapes
    millions: float


def m2m100(layers: int, inner: int, millions: float) -> Published:
    config = M2M100Config(
        vocab_size=128_112, d_model=1024, encoder_layers=layers, decoder_layers=layers, encoder_ffn_dim=inner,
        decoder_ffn_dim=inner, encoder_attention_heads=16, decoder_attention_heads=16,
        max_position_embeddings=1024, scale_embedding=True,
    )  # fmt: skip
    return Published(
        M2M100ForConditionalGeneration, config, fairseq(layers, 1024, inner, 128_112, None), millions
    )


def marian(vocabulary: int, millions: float) -> Published:
    config = MarianConfig(
        vocab_size=vocabulary, decoder_vocab_size=vocabulary, d_model=512, encoder_layers=6, decoder_layers=6,
        encoder_ffn_dim=2048, decoder_ffn_dim=2048, encoder_attention_heads=8, decoder_attention_heads=8,
        max_position_embeddings=512, scale_embedding=True, share_encoder_decoder_embeddings=True,
        pad_token_id=vocabulary - 1,
    )  # fmt: skip
    return Published(MarianMTModel, config, fairseq(6, 512, 2048, vocabulary, 512), millions)


PUBLISHED = {
    "m2m100-418m": m2m100(12, 4096, 484),
    "m2m100-1.2b": m2m100(24, 8192, 1239),
    "madlad400-3b": Published(
        T5ForConditionalGeneration,
        T5Config(
            vocab_size=256_000, d_model=1024, d_kv=128, d_ff=8192, num_layers=32, num_decoder_layers=32,
            num_heads=16, feed_forward_proj="gated-gelu",
        ),
        t5(32, 1024, 8192, 16, 128, 256_000),
        2940,
    ),
    "opus-mt-en-es": marian(65_001, 78),
    "qwen3-4b-instruct": Published(
        Qwen3ForCausalLM,
        Qwen3Config(
            vocab_size=151_936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36,
            num_attention_heads=32, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True,
        ),
        qwen3(36, 2560, 9728, 32, 8, 128, 151_936),
        4020,
    ),
}  # fmt: skip


SHARED = frozenset(
    {
        *(
            f"{place}{side}.embed_tokens.weight"
            for place in ("", "model.")
            for side in ("encoder", "decoder")
        ),
        "lm_head.weight",
    }
)
"""Other names of one embedding, unless a network's shapes list them: the package shares T5's output too until
it reads a checkpoint in which it is another."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_library_builds_the_published_network(name: str) -> None:
    published = PUBLISHED[name]
    with torch.device("meta"):
        model = published.kind(published.config)
    built = {
        key: tuple(tensor.shape)
        for key, tensor in model.state_dict().items()
        if key not in SHARED or key in published.shapes
    }
    assert built == published.shapes
    count = sum(math.prod(shape) for shape in published.shapes.values()) / 1e6
    assert count == pytest.approx(published.millions, rel=0.01)
