"""Reading checkpoints of the transformers package: strictly, from local files alone, and silently."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc.errors import InputError, LocError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextlib.contextmanager
def reading(title: str) -> Iterator[None]:
    """Whatever the package says of a checkpoint it cannot read becomes one error; what it merely mentions is
    not for users."""
    from transformers.utils.logging import disable_progress_bar

    quiet = logging.getLogger("transformers")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except LocError:
        raise
    except Exception as error:
        raise InputError(
            f"{title} cannot be loaded.",
            why=f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}",
            fix="Pull or register it again, with the files that belong together.",
        ) from error
    finally:
        quiet.setLevel(level)


def load_model(kind: Any, folder: Path, title: str, dtype: str = "float32") -> PreTrainedModel:
    """Load a checkpoint of transformers: every tensor in its place, and none left over.

    Args:
        kind: the model class.
        folder: the checkpoint's files.
        title: of the weights, for messages.
        dtype: what it computes in, by torch's name; `auto`: as published.

    Raises:
        InputError: tensors are missing, surplus or of another shape than the configuration says.
    """
    has_safe = any(folder.glob("*.safetensors"))
    if not has_safe and not any(folder.glob("*.bin")):
        why = "There is neither model.safetensors nor pytorch_model.bin among its files."
        raise InputError(f"{title} cannot be loaded.", why=why)
    with reading(title):
        model, said = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=has_safe,
            weights_only=True,
            trust_remote_code=False,
            dtype=dtype,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    wrong = [
        f"{word}: {', '.join(sorted(map(str, said[which]))[:5])} ({len(said[which])} in all)"
        for word, which in (
            ("missing", "missing_keys"),
            ("surplus", "unexpected_keys"),
            ("of another shape", "mismatched_keys"),
        )
        if said[which]
    ]
    if wrong:
        raise InputError(
            f"{title} cannot be loaded.",
            why=f"Its weights do not fit its config.json; {'; '.join(wrong)}.",
            fix="Pull or register it again, with the files that belong together.",
        )
    loaded: PreTrainedModel = model
    loaded.train(False)
    return loaded
