"""Layers that several networks are made of, named as diffusers names them in checkpoints.

Imports torch: import it only from modules that hold networks, and those only inside functions.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention of tokens [n, a, width] to tokens [n, b, context].

    Args:
        width: of the tokens that ask, and of the result.
        heads: how many; each has a width of `width / heads`.
        context: width of the tokens that are asked, else `width`.
        bias: whether query, key and value have one; the result always has.
    """

    def __init__(self, width: int, heads: int, context: int | None = None, bias: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=bias)
        self.to_k = nn.Linear(context or width, width, bias=bias)
        self.to_v = nn.Linear(context or width, width, bias=bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        asked = tokens if context is None else context
        query, key, value = (
            made.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for made in (self.to_q(tokens), self.to_k(asked), self.to_v(asked))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out


class _Gated(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, tokens: Tensor) -> Tensor:
        value, gate = self.proj(tokens).chunk(2, dim=-1)
        out: Tensor = value * functional.gelu(gate)
        return out


class FeedForward(nn.Module):
    """Four times as wide inside, gated by a GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # The place between the two is that of a dropout, which has no tensors.
        self.net = nn.ModuleList([_Gated(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.net[2](self.net[0](tokens))
        return out
