"""`loc cache ls` and `loc cache gc`: what the work directory holds, for whom, and what of it may go.

Kept for every source, target language and variant of the settings: what its newest finished run touched, its
newest unfinished one, and every unfinished one since the newest finished: the newest may have been stopped
after seconds, the one before it after hours of work that no other run has touched. Besides: everything any
run of a source touched that is being worked on now, since the run at work may come to want it; edited
subtitles that were imported; and what living processes claim.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loc.app.record import FINISHED, RunRecord, events, is_alive, read_run, run_ids
from loc.events import ActionDone
from loc.store.collect import Collected, Collection, alone, require_readable
from loc.store.workdir import WorkDir, storage_error

SHARED = "shared"
"""Under which name stands what serves all languages."""

_ROOT_FOLDER = "supplied"
"""Folder of the work directory whose JSON files name objects to keep, where it is there."""

_NAME = re.compile(rb"[0-9a-f]{64}")

Needed = Mapping[str, frozenset[str] | None]
"""Run id -> the languages for which it is needed; None: for all it touched."""

_Place = tuple[str, str, str]
"""Of a run: source, language, variant."""


def collect(store: WorkDir, *, dry_run: bool = False) -> Collected:
    """Remove what is not kept; with `dry_run` only count it. Runs may be at work meanwhile.

    Raises:
        StorageError: something may not be read or removed.
    """
    with alone(store):
        collection = Collection(store)
        with _reading():
            collection.keep(_roots(store))
        return collection.remove(dry_run=dry_run)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error("Could not read what the work directory holds.", error) from error


def needed(store: WorkDir) -> Needed:
    """The runs whose work is kept. One whose record cannot be read is needed: nobody knows what for."""
    records = {run: read_run(store, run) for run in run_ids(store)}
    alive = {run for run in records if is_alive(store, run)}
    busy = {record.source for run, record in records.items() if record is not None and run in alive}
    met: dict[bool, set[_Place]] = {True: set(), False: set()}
    found: dict[str, frozenset[str] | None] = {}
    for run, record in records.items():
        if record is None:
            found[run] = None
            continue
        kept = set()
        for language in record.languages:
            place, finished = (record.source, language, record.settings), _finished(record, language)
            if place not in met[finished] or place not in met[True]:
                kept.add(language)
            met[finished].add(place)
        if run in alive or record.source in busy:
            found[run] = None
        elif kept:
            found[run] = frozenset(kept)
    return found


def _finished(record: RunRecord, language: str) -> bool:
    return record.exit_code in FINISHED and language not in record.failed


def touched(store: WorkDir, run: str) -> dict[str, set[str | None]]:
    """Key of every action a run made or found -> the languages it did so for; None: for all."""
    found: dict[str, set[str | None]] = defaultdict(set)
    for event in events(store, run):
        if isinstance(event, ActionDone):
            found[event.key].add(event.language)
    return found


def _roots(store: WorkDir) -> Iterator[str]:
    yield from _named_below(store.root / _ROOT_FOLDER)
    # A log that may not be read would be a run that found nothing, a lease one that has ended.
    for run in run_ids(store):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            require_readable((store.root / "runs" / run).iterdir())
    yield from needed_keys(store)


def _named_below(folder: Path) -> Iterator[str]:
    """Every digest in the JSON files of a folder and of those inside it. One that goes meanwhile has none.

    Raises:
        OSError: something may not be read; what it names would be taken for what nobody needs.
    """
    for where, _, files in os.walk(folder, onerror=_unless_gone):
        for path in (Path(where, name) for name in files if name.endswith(".json")):
            with contextlib.suppress(FileNotFoundError):
                yield from (name.decode() for name in _NAME.findall(path.read_bytes()))


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def needed_keys(store: WorkDir) -> Iterator[str]:
    """The keys of the actions whose results are kept for the runs that are needed."""
    made = _made_by(store)
    for run, languages in needed(store).items():
        keys = touched(store, run)
        for key, served in keys.items():
            if languages is None or None in served or languages & served:
                yield key
        # Made and recorded, but killed before it was logged.
        yield from made.get(run, set()) - keys.keys()


def _made_by(store: WorkDir) -> Mapping[str, set[str]]:
    made: dict[str, set[str]] = defaultdict(set)
    for record in store.actions():
        made[record.run].add(record.key)
    return made


@dataclass(frozen=True)
class Share:
    """Objects that belong to something; what several share counts for each."""

    name: str
    objects: int
    bytes: int
    note: str = ""


@dataclass(frozen=True)
class Survey:
    """What a work directory holds, four times divided."""

    total: Share
    kinds: tuple[Share, ...]
    """By the action that made it."""
    languages: tuple[Share, ...]
    sources: tuple[Share, ...]
    runs: tuple[Share, ...]
    """Newest first; the note says whether a collection keeps what it touched."""


def survey(store: WorkDir) -> Survey:
    """Count the objects by kind, language, source and run.

    Raises:
        StorageError: something may not be read.
    """
    with _reading():
        return _survey(store)


def _survey(store: WorkDir) -> Survey:
    sizes = store.sizes()
    reach: dict[str, frozenset[str]] = {}
    kinds: dict[str, set[str]] = defaultdict(set)
    for record in store.actions():
        reach[record.key] = _reach(store, [ref.sha256 for ref in record.outputs.values()], sizes)
        kinds[record.name] |= reach[record.key]
    kinds["supplied text"] |= _reach(store, _named_below(store.root / "supplied"), sizes)
    kinds["in no record"] = sizes.keys() - set().union(*kinds.values())
    return Survey(
        total=_share("total", sizes, sizes), kinds=_shares(kinds, sizes), **_by_run(store, reach, sizes)
    )


def _by_run(
    store: WorkDir, reach: Mapping[str, frozenset[str]], sizes: Mapping[str, int]
) -> dict[str, tuple[Share, ...]]:
    """What the logs of the runs tell: languages, sources, runs."""
    languages: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    runs: list[Share] = []
    keep = needed(store)
    for run in run_ids(store):
        own: set[str] = set()
        for key, served in touched(store, run).items():
            own |= reach.get(key, frozenset())
            for language in served:
                languages[language or SHARED] |= reach.get(key, frozenset())
        runs.append(_share(run, own, sizes, "kept" if run in keep else "may go"))
        record = read_run(store, run)
        if record is not None:
            sources[record.source] |= own
            names.setdefault(record.source, Path(record.input).name)
    return {
        "languages": _shares(languages, sizes),
        "sources": _shares(sources, sizes, names),
        "runs": tuple(runs),
    }


def _reach(store: WorkDir, names: Iterable[str], sizes: Mapping[str, int]) -> frozenset[str]:
    """Objects that are named, and those that these name, and so on."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in sizes and name not in found:
            found.add(name)
            waiting += store.named_in(name)
    return frozenset(found)


def _shares(
    groups: Mapping[str, Iterable[str]], sizes: Mapping[str, int], notes: Mapping[str, str] | None = None
) -> tuple[Share, ...]:
    """The largest first; what is empty is left out."""
    shares = [_share(name, group, sizes, (notes or {}).get(name, "")) for name, group in groups.items()]
    return tuple(sorted((item for item in shares if item.objects), key=lambda item: (-item.bytes, item.name)))


def _share(name: str, objects: Iterable[str], sizes: Mapping[str, int], note: str = "") -> Share:
    counted = [sizes[sha256] for sha256 in objects]
    return Share(name, len(counted), sum(counted), note)
