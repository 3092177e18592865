"""`loc explain`: every action, hit or miss; for a miss, which field of its key changed since the last run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loc.app.plan import looking
from loc.app.record import events, runs
from loc.app.run import Graph, Prepared
from loc.app.walk import look_at
from loc.events import ActionDone
from loc.runner import Look
from loc.settings import Settings
from loc.store.workdir import WorkDir

RUNS_READ = 20
"""How many earlier runs of the input are searched for each action."""

_DIGEST = re.compile(r"[0-9a-f]{64}")

SiteKey = tuple[str, str, str, str | None]
"""(stage, action, unit, language): what names an action to people from one run to the next."""


@dataclass(frozen=True)
class Change:
    """A field of the key that differs. None: the field is not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Explained:
    """One action, or what is known of a stage whose actions cannot be known yet."""

    stage: str
    action: str
    unit: str
    language: str | None
    hit: bool
    reason: str
    """Empty for a hit."""
    changes: tuple[Change, ...] = ()


def explain(prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings) -> list[Explained]:
    """Look at every action of a prepared input and say why those that are missing are."""
    with looking(prepared, graph, store, settings) as context:
        seen = look_at(prepared.stages, context, prepared.job.languages)
    earlier = earlier_keys(store, prepared.job.path, prepared.job.digest)
    found: list[Explained] = []
    for item in seen:
        found += [_explain(look, earlier, store, settings) for look in item.looks]
        reason = f"depends on {item.waits_for}" if item.waits_for else item.error.what if item.error else None
        if reason is not None:
            found.append(Explained(item.stage.name, "", "", item.language, hit=False, reason=reason))
    return found


def earlier_keys(store: WorkDir, path: Path, digest: str) -> Mapping[SiteKey, str]:
    """The key each action had in the newest earlier run of this file, by path or by content."""
    mine = (run for run in runs(store) if run.source == digest or Path(run.input).resolve() == path.resolve())
    keys: dict[SiteKey, str] = {}
    for run in itertools.islice(mine, RUNS_READ):
        for event in events(store, run.id):
            if isinstance(event, ActionDone):
                keys.setdefault((event.stage, event.action, event.unit, event.language), event.key)
    return keys


def _explain(look: Look, earlier: Mapping[SiteKey, str], store: WorkDir, settings: Settings) -> Explained:
    site = look.action.site
    reason, changes = "", tuple[Change, ...]()
    if not look.hit:
        before = earlier.get((site.stage, look.action.name, site.unit, site.language))
        reason, changes = _why(look, before, store, forced=site.stage in settings.force)
    return Explained(site.stage, look.action.name, site.unit, site.language, look.hit, reason, changes)


def _why(look: Look, before: str | None, store: WorkDir, *, forced: bool) -> tuple[str, tuple[Change, ...]]:
    if forced and store.find_action(look.key) is not None:
        return "forced", ()
    if before is None:
        return "not made in any earlier run", ()
    if before == look.key:
        return "its record or one of its objects is gone", ()
    record = store.find_action(before)
    if record is None:
        return "its key changed, and the record of the last run is gone", ()
    changes = tuple(difference(record.fields, look.action.fields()))
    return "changed: " + ", ".join(change.field for change in changes), changes


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The fields of two keys that differ, in name order, digests shortened."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Change(name, _show(old.get(name)), _show(new.get(name)))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _show(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text[:12] if _DIGEST.fullmatch(text) else text
