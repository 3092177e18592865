"""The network that Demucs' checkpoints are loaded into, against the one that is published: every name and
shape.

Names and shapes of htdemucs, and of htdemucs_ft, which was taught further from it, are derived here by the
paper (Rouard et al., 2023) from the arguments that their files carry; the count of parameters is the paper's
42 million.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from demucs.htdemucs import HTDemucs

from loc.errors import MissingError
from stages.separate import demucs
from tests.tiny_demucs import SOURCES, package, safetensors

Shapes = dict[str, tuple[int, ...]]

CHANNELS, DEPTH, BOTTOM, LAYERS, KERNEL = 48, 4, 512, 5, 8
BINS = 4096 // 2 // 4
"""Frequencies after the first stride."""


def both(shapes: Shapes, name: str, *weight: int, bias: int | None = None) -> None:
    shapes[f"{name}.weight"] = weight
    shapes[f"{name}.bias"] = (weight[0] if bias is None else bias,)


def branches(shapes: Shapes, name: str, width: int) -> None:
    """The two dilated residual branches of a layer, an eighth as wide inside."""
    for index in range(2):
        branch = f"{name}.dconv.layers.{index}"
        both(shapes, f"{branch}.0", width // 8, width, 3)
        both(shapes, f"{branch}.1", width // 8)
        both(shapes, f"{branch}.3", 2 * width, width // 8, 1)
        both(shapes, f"{branch}.4", 2 * width)
        shapes[f"{branch}.6.scale"] = (width,)


def attending(shapes: Shapes, name: str, *, across: bool) -> None:
    """One layer of the transformer, within its own branch or across to the other."""
    attention = f"{name}.{'cross' if across else 'self'}_attn"
    shapes[f"{attention}.in_proj_weight"] = (3 * BOTTOM, BOTTOM)
    shapes[f"{attention}.in_proj_bias"] = (3 * BOTTOM,)
    both(shapes, f"{attention}.out_proj", BOTTOM, BOTTOM)
    both(shapes, f"{name}.linear1", 4 * BOTTOM, BOTTOM)
    both(shapes, f"{name}.linear2", BOTTOM, 4 * BOTTOM)
    for norm in ("norm1", "norm2", *(("norm3",) if across else ()), "norm_out"):
        both(shapes, f"{name}.{norm}", BOTTOM)
    for gain in ("gamma_1", "gamma_2"):
        shapes[f"{name}.{gain}.scale"] = (BOTTOM,)


def published_shapes() -> Shapes:
    shapes: Shapes = {"freq_emb.embedding.weight": (BINS, CHANNELS)}
    widths = [CHANNELS * 2**index for index in range(DEPTH)]
    # A spectrum has the real and the imaginary part of both channels, and is two-dimensional.
    for before, heard, spread, around in (("", 4, (1,), (3, 3)), ("t", 2, (), (3,))):
        for index, width in enumerate(widths):
            into = widths[index - 1] if index else heard
            encoder, decoder = f"{before}encoder.{index}", f"{before}decoder.{DEPTH - 1 - index}"
            both(shapes, f"{encoder}.conv", width, into, KERNEL, *spread)
            both(shapes, f"{encoder}.rewrite", 2 * width, width, 1, *spread)
            out = widths[index - 1] if index else heard * len(SOURCES)
            both(shapes, f"{decoder}.conv_tr", width, out, KERNEL, *spread, bias=out)
            both(shapes, f"{decoder}.rewrite", 2 * width, width, *around)
            branches(shapes, encoder, width)
            branches(shapes, decoder, width)
    for after in ("", "_t"):
        both(shapes, f"channel_upsampler{after}", BOTTOM, widths[-1], 1)
        both(shapes, f"channel_downsampler{after}", widths[-1], BOTTOM, 1)
        both(shapes, f"crosstransformer.norm_in{after}", BOTTOM)
        for index in range(LAYERS):
            attending(shapes, f"crosstransformer.layers{after}.{index}", across=index % 2 == 1)
    return shapes


def shapes_of(model: torch.nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def published() -> HTDemucs:
    """The network by the arguments of the published files, without memory for its tensors."""
    with torch.device("meta"):
        model: HTDemucs = HTDemucs(
            list(SOURCES), bottom_channels=BOTTOM, dconv_mode=3, segment=Fraction(39, 5)
        )
    return model


def state(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}


def test_the_library_builds_the_published_network() -> None:
    model = published()
    assert shapes_of(model) == published_shapes()
    assert sum(item.numel() for item in model.parameters()) == 41_984_456
    assert model.samplerate == demucs.MODEL_RATE
    assert model.segment == demucs.LONGEST_SEGMENT


@pytest.mark.parametrize("form", ["th", "safetensors"])
def test_a_file_with_the_published_tensors_is_taken_whole(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"published.{form}"
    if form == "th":
        path.write_bytes(package(published(), state=state(published_shapes())))
    else:
        model: HTDemucs = published().to_empty(device="cpu")
        path.write_bytes(safetensors(model))
    loaded = demucs.load(path, "Mine")
    assert shapes_of(loaded) == published_shapes()
    assert {item.dtype for item in loaded.parameters()} == {torch.float32}
    assert loaded.segment == demucs.LONGEST_SEGMENT


LAST = "crosstransformer.layers_t.4.gamma_2.scale"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({LAST: None}, f"missing: {LAST}."),
        ({"tencoder.4.conv.bias": (768,)}, "surplus: tencoder.4.conv.bias."),
        ({"freq_emb.embedding.weight": (512, 24)}, "freq_emb.embedding.weight 512x24, not 512x48."),
        (
            {"decoder.3.conv_tr.weight": (48, 24, 8, 1), "decoder.3.conv_tr.bias": (24,)},
            "of another shape: decoder.3.conv_tr.bias 24, not 16, "
            "decoder.3.conv_tr.weight 48x24x8x1, not 48x16x8x1.",
        ),
    ],
)
def test_a_file_that_differs_in_one_tensor_is_refused_and_the_tensor_named(
    changes: dict[str, tuple[int, ...] | None], said: str, tmp_path: Path
) -> None:
    other = {**published_shapes(), **changes}
    shapes = {name: shape for name, shape in other.items() if shape is not None}
    path = tmp_path / "other.th"
    path.write_bytes(package(published(), state=state(shapes)))
    with pytest.raises(MissingError) as caught:
        demucs.load(path, "Mine")
    assert said in caught.value.why
    assert "533 tensors" in caught.value.why
