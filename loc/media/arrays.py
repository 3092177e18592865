"""Named arrays in one file: NumPy's .npz, without pickle and with the same bytes for the same arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.errors import StorageError

Array = npt.NDArray[Any]


def save_arrays(arrays: Mapping[str, Array]) -> bytes:
    """The bytes of an uncompressed .npz holding `arrays` in name order; reproducible: it has no clock."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            # ZipInfo's default date is the constant 1980-01-01.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(  # type: ignore[no-untyped-call]
                    member, np.asarray(arrays[name]), allow_pickle=False
                )
    return buffer.getvalue()


def load_arrays(path: Path) -> dict[str, Array]:
    """Every array of an .npz, by name.

    Raises:
        StorageError: the file is no .npz or holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StorageError(f"{path.name[:12]} holds no arrays.", why=str(error)) from error
