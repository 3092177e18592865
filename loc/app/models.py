"""`loc models` and what plan and doctor say of weights: states, sizes, licences in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from loc.app.run import Graph
from loc.backend import Quality
from loc.errors import RefusedError, UsageError
from loc.policy import licences
from loc.policy.licences import Purpose, refusal
from loc.weights.keep import pinned
from loc.weights.shelf import Shelf
from loc.weights.table import Row


@dataclass(frozen=True)
class Listed:
    """A set of weights, as it stands on this machine."""

    row: Row
    state: str
    """`here`, `adopted`, `yours`, or why it cannot be used."""
    here: bool
    licence: str
    """Its name, and whether the purpose forbids it."""
    digests: Mapping[str, str]
    revision: str | None
    """Commit at which it is fetched from a hub; None elsewhere, and until a first pull has pinned one."""

    def as_json(self) -> dict[str, Any]:
        row = self.row
        return {
            "id": row.id,
            "title": row.title,
            "here": self.here,
            "state": self.state,
            "architecture": row.architecture,
            "quality": row.quality,
            "licence": row.licence,
            "bytes": row.size,
            "memory_mb": row.memory_mb,
            "source": row.source.model_dump(exclude_none=True),
            "revision": self.revision,
            "sha256": dict(self.digests),
        }


def listed(shelf: Shelf, purpose: Purpose) -> list[Listed]:
    """Every set, those that are here first."""
    found = [_listed(shelf, row, purpose) for row in shelf.rows().values()]
    return sorted(found, key=lambda item: (not item.here, item.row.architecture or "~", item.row.rank))


def _listed(shelf: Shelf, row: Row, purpose: Purpose) -> Listed:
    why, manifest = shelf.lacks(row), shelf.manifest(row.id)
    held = manifest.files if manifest is not None else {}
    adopted = any(item.path is not None for item in held.values())
    whole = "yours" if row.source.kind == "registered" else "adopted" if adopted else "here"
    revision = pinned(shelf, row)
    if why is not None and row.source.kind == "hub" and revision is None:
        why += ", not pinned yet"
    return Listed(
        row,
        why or whole,
        why is None,
        licence_of(row, purpose),
        {path: item.sha256 for path, item in held.items()},
        revision,
    )


def licence_of(row: Row, purpose: Purpose) -> str:
    """The name of a set's licence, with what forbids it."""
    known = licences.table().get(row.licence)
    name = known.name if known else row.licence
    return f"{name}; not for {purpose}" if refusal(row.licence, purpose) else name


def names_here(shelf: Shelf) -> list[str]:
    """Ids of the sets of which anything came in."""
    return [name for name in shelf.rows() if shelf.manifest(name) is not None]


def in_bytes(count: int) -> str:
    """A number of bytes in words."""
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{count / (1 << 20):.1f} MiB"


def size(row: Row) -> str:
    """What a set takes on the disk."""
    return bytes_in_words(row.size, exact=row.about_mb is None)


def bytes_in_words(count: int | None, *, exact: bool) -> str:
    """A size that may not be known, or not exactly."""
    if count is None:
        return "size not known"
    return in_bytes(count) if exact else f"about {in_bytes(count)}"


def require_allowed(row: Row, purpose: Purpose) -> None:
    """See that a set may be used at all before it is fetched.

    Raises:
        RefusedError: its licence forbids the purpose.
    """
    if why := refusal(row.licence, purpose):
        raise RefusedError(f"{row.title} was not pulled.", why=f"{why}.", fix="--purpose research allows it.")


def require_known(graph: Graph, architecture: str, licence: str, quality: str | None) -> None:
    """See that what is said of a model of the user's own can be true.

    Raises:
        UsageError: no backend loads the architecture, or the licence or quality does not exist.
    """
    known = sorted({card.architecture for card in (backend.card for backend in graph.backends.values())
                    if card.architecture})  # fmt: skip
    if architecture not in known:
        raise UsageError(
            f"No backend loads the architecture {architecture!r}.", fix=f"Known: {', '.join(known)}."
        )
    if licence not in licences.table():
        raise UsageError(
            f"There is no licence {licence!r} in the table.",
            fix="`loc licences` lists them; a licence that is not in it cannot be weighed.",
        )
    if quality is not None and quality not in get_args(Quality):
        raise UsageError(
            f"--quality: there is no {quality!r}.", fix=f"Known: {', '.join(get_args(Quality))}."
        )


def require_loadable(graph: Graph, row: Row) -> None:
    """See that its backend finds what it loads among a model's files.

    Raises:
        InputError: it does not.
    """
    for card in (backend.card for backend in graph.backends.values()):
        if card.architecture == row.architecture and card.checkpoint:
            row.checkpoint(card.checkpoint, card.beside)
