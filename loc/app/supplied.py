"""Edited subtitles that were imported for a source: how a job finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loc.errors import DamagedObjectError, StorageError
from loc.stage import SuppliedText
from loc.store.workdir import WorkDir


@dataclass(frozen=True)
class Imported:
    """Edited subtitles of one source."""

    transcript: SuppliedText | None = None
    translations: Mapping[str, SuppliedText] = field(default_factory=dict)


def imported(store: WorkDir, source: str) -> Imported:
    """What `loc subtitles import` registered for the source with this digest.

    Precedence of supplied text: a file named by a flag, then this, then a sidecar. Who takes this says so.

    Raises:
        StorageError: a record or its text is damaged; it cannot be made again, only imported again.
    """
    transcript: SuppliedText | None = None
    translations: dict[str, SuppliedText] = {}
    for record in store.supplied(source):
        try:
            store.open_object(record.ref)
        except DamagedObjectError as error:
            raise StorageError(
                f"The imported subtitles {record.name} are damaged in the store.",
                why=error.what,
                fix="Import them again, or drop them with `loc subtitles forget`.",
            ) from error
        text = SuppliedText(record.language, record.ref, record.name, record.ids, record.marks)
        if record.kind == "transcript":
            transcript = text
        elif record.language is not None:
            translations[record.language] = text
    return Imported(transcript, translations)
