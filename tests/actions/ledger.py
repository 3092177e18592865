"""The ledger of code: what every action and backend was made of when its version was last confirmed.

A change of code that an action or backend rests on needs a higher version, since results made before it would
be taken for results of the new code; or somebody's word that the output is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.actions.code import Code, Definition, Subject, entry_points

ROOT = Path(__file__).resolve().parents[2]
LEDGER = Path(__file__).with_name("ledger.json")
COMMAND = "python -m tests.actions"

Versions = Mapping[str, dict[str, Any]]
"""Action, backend or judge -> `version`, `code` (a digest over its closure), and `unchanged`: the reason
given when code last changed under this version."""


@dataclass(frozen=True)
class State:
    """The code as it is.

    `definitions`: definition -> digest, of everything that any action or backend rests on: they show what
    changed, where `versions` show that something did.
    """

    versions: Versions
    definitions: Mapping[str, str]
    closures: Mapping[str, Sequence[Definition]]


def read_code(root: Path = ROOT) -> State:
    """The state of a source tree."""
    code = Code(root)
    subjects = [*code.subjects(), *code.backends(entry_points(root)), *code.judges()]
    names = [subject.name for subject in subjects]
    assert len(set(names)) == len(names), f"an action is built in two places: {sorted(names)}"
    closures = {subject.name: code.closure(subject.root) for subject in subjects}
    return State(
        versions={subject.name: _entry(code, subject, closures[subject.name]) for subject in subjects},
        definitions={str(item): code.digest(item) for closure in closures.values() for item in closure},
        closures=closures,
    )


def _entry(code: Code, subject: Subject, closure: Sequence[Definition]) -> dict[str, Any]:
    lines = "\n".join(f"{item} {code.digest(item)}" for item in closure)
    return {"version": subject.version, "code": hashlib.sha256(lines.encode()).hexdigest()[:12]}


@dataclass(frozen=True)
class Ledger:
    """What was written down."""

    versions: Versions
    definitions: Mapping[str, str]

    @classmethod
    def read(cls, path: Path = LEDGER) -> Ledger:
        data = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        nested = data.get("definitions", {})
        flat = {f"{module}:{name}": digest for module, own in nested.items() for name, digest in own.items()}
        return cls(data.get("versions", {}), flat)

    def write(self, path: Path = LEDGER) -> None:
        nested: dict[str, dict[str, str]] = {}
        for definition, digest in sorted(self.definitions.items()):
            module, _, name = definition.partition(":")
            nested.setdefault(module, {})[name] = digest
        data = {"versions": dict(sorted(self.versions.items())), "definitions": nested}
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def is_current(self, state: State) -> bool:
        """Whether it says what the code says; reasons aside."""
        said = {name: _bare(entry) for name, entry in self.versions.items()}
        return said == state.versions and self.definitions == state.definitions

    def unaccounted(self, state: State) -> dict[str, list[str]]:
        """Actions and backends whose code changed and whose version did not rise, with what changed."""
        return {
            name: self._changed(state.closures[name], state)
            for name, entry in state.versions.items()
            if name in self.versions
            and entry["code"] != self.versions[name]["code"]
            and not _risen(self.versions[name]["version"], entry["version"])
        }

    def _changed(self, closure: Sequence[Definition], state: State) -> list[str]:
        """The definitions that are new or differ; one that is gone shows in what named it."""
        names = [str(item) for item in closure]
        return [name for name in names if self.definitions.get(name) != state.definitions[name]]

    def accounted(self, state: State, reason: str, names: Collection[str]) -> Ledger:
        """The ledger with a reason why the output of some actions and backends is unchanged."""
        unaccounted = self.unaccounted(state)
        said = {name: {**state.versions[name], "unchanged": reason} for name in names if name in unaccounted}
        return Ledger({**self.versions, **said}, self.definitions)

    def updated(self, state: State, reason: str | None) -> Ledger:
        """The ledger of the code as it is.

        Args:
            reason: why the output of what is unaccounted for is unchanged.
        """
        unaccounted = self.unaccounted(state)
        versions = {}
        for name, entry in state.versions.items():
            before = self.versions.get(name, {})
            kept = before.get("unchanged") if before.get("version") == entry["version"] else None
            word = reason if name in unaccounted else kept
            versions[name] = {**entry, "unchanged": word} if word else entry
        return Ledger(versions, state.definitions)


def _bare(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": entry["version"], "code": entry["code"]}


def _risen(before: int | str, now: int | str) -> bool:
    """Whether a version is a new one. Numbers only rise: under an old one lie old results."""
    if isinstance(before, int) and isinstance(now, int):
        return now > before
    return now != before


def complaint(unaccounted: Mapping[str, Sequence[str]], versions: Versions) -> str:
    """What to tell whoever changed the code."""
    lines = ["The code of these changed, and their version did not:", ""]
    for name, changed in unaccounted.items():
        lines.append(f"  {name} (version {versions[name]['version']}):")
        lines += [f"    {definition}" for definition in changed]
    lines += [
        "",
        "Where the output can differ, raise the version and run",
        f"  {COMMAND}",
        "Where it cannot, say why:",
        f'  {COMMAND} --output-unchanged "why"',
    ]
    return "\n".join(lines)
