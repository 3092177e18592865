"""Reading checkpoints: tensors only, and every one in its place.

safetensors files are read by their library. What torch saved, in its zip form or the older one, is read by
`torch.load(weights_only=True)`, which builds tensors and plain containers and runs nothing. A module takes a
state whole or not at all.

Imports torch inside its functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loc.errors import MissingError
from loc.weights.table import published

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, "Tensor"]
"""Name of a tensor inside its module -> tensor, on the CPU."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "state")
"""Under which name trainers put the state beside their own counters: LatentSync, Whisper, fairseq, Demucs."""

MAX_NAMED = 5
"""Tensors that are named of each kind of fault: the first ones show what a file is."""

MAX_HEADER = 100_000_000
"""Bytes of a safetensors header, at most; its library has the same limit."""

Form = Literal["safetensors", "zip", "pickle"]

_STRANGERS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
    (b"<", "a page of a web server"),
    (b"GGUF", "a GGUF file of llama.cpp"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{", "a JSON file"),
    (b"[", "a JSON file"),
)
"""First bytes of what is found under the name of a checkpoint, and what it is."""


def read_state(path: Path) -> State:
    """The tensors of a checkpoint.

    A file of torch may be a plain dict of tensors or hold one under a name of `WRAPPERS`.

    Args:
        path: a safetensors file or one that torch saved, whatever its suffix.

    Raises:
        MissingError: it is not there, no checkpoint, damaged, or holds other things than tensors.
    """
    form = _form(path)
    if form == "safetensors":
        return _read_safetensors(path)
    return _state_of(_read_torch(path, form, ()), path)


def read_saved(path: Path, allow: Sequence[Any] = ()) -> Mapping[str, Any]:
    """All that a file of torch holds: the dict as it was saved, for checkpoints with more than a state.

    Args:
        path: the file.
        allow: classes and functions that may stand in it besides tensors and plain containers; they are
            built when it is read.

    Raises:
        MissingError: as `read_state`, or it is no dict.
    """
    form = _form(path)
    if form == "safetensors":
        raise _unusable(path, "It is a safetensors file; a file of torch was expected.")
    saved = _read_torch(path, form, allow)
    if not isinstance(saved, Mapping):
        raise _unusable(path, f"It holds a {type(saved).__name__}; a dict was expected.")
    return saved


def load_strict(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Fill a module with a state: every tensor in its place and none left over, or nothing at all.

    Numbers are converted to the module's own type, e.g. float16 to float32.

    Args:
        module: on any device.
        state: as `read_state` gives it; names of the module's own.
        what: title of the weights, for messages.

    Raises:
        MissingError: tensors are missing, surplus, of another shape, or whole numbers where fractions belong.
    """
    own: dict[str, Tensor] = module.state_dict()
    faults = [
        ("missing", sorted(own.keys() - state.keys())),
        ("surplus", sorted(state.keys() - own.keys())),
        (
            "of another shape",
            [
                f"{name} {_shape(state[name])}, not {_shape(tensor)}"
                for name, tensor in sorted(own.items())
                if name in state and state[name].shape != tensor.shape
            ],
        ),
        (
            "of another kind",
            [
                f"{name} {state[name].dtype}, not {tensor.dtype}"
                for name, tensor in sorted(own.items())
                if name in state and state[name].is_floating_point() != tensor.is_floating_point()
            ],
        ),
    ]
    wrong = [f"{kind}: {_some(names)}" for kind, names in faults if names]
    if wrong:
        known = _known(state)
        hint = f" The file is that of {known}." if known else ""
        raise MissingError(
            f"{what} cannot be loaded.",
            why=f"Its tensors are not those of the network ({len(own)} tensors); {'; '.join(wrong)}.{hint}",
            fix="`loc models verify` says whether its files are those that were published; pull or register "
            "the ones that belong to this model.",
        )
    module.load_state_dict(dict(state), strict=True)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "single number"


def _known(state: Mapping[str, Tensor]) -> str | None:
    """Id and title of the published weights whose marks a state bears, the most telling ones."""
    fits = [
        row
        for row in published().values()
        if row.marks
        and all(name in state and tuple(state[name].shape) == shape for name, shape in row.marks.items())
    ]
    if not fits:
        return None
    best = max(fits, key=lambda row: len(row.marks))
    return f"{best.id} ({best.title})"


def _form(path: Path) -> Form:
    """What a file is, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise _unusable(path, f"{error.strerror}.") from error
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x80"):
        return "pickle"
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= header <= MAX_HEADER:
        return "safetensors"
    if not head:
        raise _unusable(path, "It is empty.")
    stranger = next(
        (said for start, said in _STRANGERS if head.lstrip().startswith(start)), "of no known kind"
    )
    raise _unusable(path, f"It is {stranger}; a safetensors file or one saved by torch was expected.")


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise _unusable(path, f"It is a damaged safetensors file ({_first_line(error)}).") from error


def _read_torch(path: Path, form: Form, allow: Sequence[Any]) -> Any:
    import pickle

    import torch

    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allow)):
            # Notes on how torch was used when the file was written.
            warnings.simplefilter("ignore")
            # A zip is mapped: its tensors are read where they are copied to, not held twice.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=form == "zip")
    except pickle.UnpicklingError as error:
        if "nsupported" in str(error) or "not allowed" in str(error):
            why = "It holds more than tensors, and reading that would mean running its code"
        else:
            why = "It is damaged, or no file of torch"
        raise _unusable(path, f"{why} ({_first_line(error)}).") from error
    except Exception as error:  # a damaged file can make its reader stumble anywhere
        raise _unusable(path, f"torch cannot read it ({_first_line(error)}).") from error


def _state_of(saved: Any, path: Path) -> State:
    """The tensors of what torch saved: it itself, or what one of the wrappers holds."""
    from torch import Tensor

    if isinstance(saved, Mapping):
        if saved and all(isinstance(value, Tensor) for value in saved.values()):
            return {str(name): tensor.detach() for name, tensor in saved.items()}
        for name in WRAPPERS:
            if isinstance(inner := saved.get(name), Mapping) and inner:
                return _state_of(inner, path)
        others = [str(name) for name, value in saved.items() if not isinstance(value, Tensor)]
        found = f"a dict with {_some(others)}" if others else "an empty dict"
    else:
        found = f"a {type(saved).__name__}"
    raise _unusable(
        path, f"It holds {found}; a dict of tensors, or one under {' or '.join(WRAPPERS)}, was expected."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:160].rstrip(".") if lines else type(error).__name__


def _unusable(path: Path, why: str) -> MissingError:
    return MissingError(
        f"{path.name} cannot be loaded.",
        why=f"{path}: {why}",
        fix="`loc models verify` reads every file again; pull or register the one that belongs there.",
    )
