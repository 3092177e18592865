"""Weights that stay in the host's memory and are lent to a device while they are needed. Imports torch."""

from __future__ import annotations

from typing import Any

import torch


def lend(module: torch.nn.Module, device: torch.device) -> None:
    """Let a module compute on a device on which its weights are only meanwhile.

    They are copied there before each call and forgotten there after it; those at home never change.

    Args:
        module: in evaluation mode, on the host; what it is given lies on the device.
    """
    home: list[tuple[torch.Tensor, torch.Tensor]] = []

    def bring(*_: Any) -> None:
        for tensor in (*module.parameters(), *module.buffers()):
            home.append((tensor, tensor.data))
            tensor.data = tensor.data.to(device, copy=True)

    def leave(*_: Any) -> None:
        while home:
            tensor, own = home.pop()
            tensor.data = own

    module.register_forward_pre_hook(bring)
    # Also where memory ends amid the call: it will be tried again.
    module.register_forward_hook(leave, always_call=True)
