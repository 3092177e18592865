"""The page of actions: names from the keys of a real run, words from the functions that build the actions.

Such a function says in its docstring what the action reads of its inputs, and what its key leaves out
although one might look for it there:

    Reads: the block, and 0.2 s before it.
    Leaves out: which sound it is; the language.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loc.store.workdir import ActionRecord
from tests.actions.code import Code, Subject, docstring
from tests.actions.ledger import COMMAND, ROOT

PAGE = ROOT / "docs" / "reference" / "actions.md"

GROUPS: Mapping[str, str] = {
    "ingest": "Ingest",
    "analysis": "Voice activity, wherever it is asked for",
    "separate": "Separate",
    "transcribe": "Transcribe",
    "translate": "Translate",
    "dub": "Dub",
    "faces": "Faces, for lip-sync",
    "retime": "Slowed programmes",
    "lipsync": "Lip-sync",
    "deliver": "Deliver",
}
"""First part of an action's name -> heading, in the order of work."""

LABELS = ("Reads", "Leaves out")

INTRODUCTION = """
An action is the least that is made or found made. Its key is the SHA-256 of canonical JSON of its name and
version, the backend and its version, digests of weights, versions and digests of programs, parameters and
inputs: all that can change its result, and nothing else. `loc explain VIDEO` shows the keys of a job.

Inputs are digests of what earlier actions made, or slices of it. A slice of sound is the 30 s blocks it
touches, its start in the first of them and its length. A slice of pictures is the digest of the file, the
stream, the frames with their timestamps, and how they are unpacked.

In no key: device, threads, time, host, ids of lines and cuts, names of files, and the place in the programme
of what does not depend on it; the purpose and other settings that choose but do not shape; and versions of
Python and numpy where they only do arithmetic, and of libsndfile, which stores without loss.

An input of the same content is the same input: where an action is made again and gives what it gave before,
nothing that follows is made again.
"""


def page(records: Iterable[ActionRecord]) -> str:
    """The page, from the records of runs in which every action was met.

    Raises:
        AssertionError: an action was not met, or says nothing of itself.
    """
    code = Code(ROOT)
    subjects = code.subjects()
    keys: dict[str, list[dict[str, Any]]] = {subject.name: [] for subject in subjects}
    for record in records:
        keys[record.name].append(record.fields)
    unmet = [name for name, met in keys.items() if not met]
    assert not unmet, f"the drawn film meets no {unmet}"
    lines = ["# Actions", "", f"<!-- Written by `{COMMAND} --page`; edit the code, not this page. -->"]
    lines += ["", *INTRODUCTION.strip().splitlines()]
    for prefix, heading in GROUPS.items():
        own = [subject for subject in subjects if subject.name.split(".")[0] == prefix]
        lines += ["", f"## {heading}", "", *_table(code, own, keys)]
    strangers = [subject.name for subject in subjects if subject.name.split(".")[0] not in GROUPS]
    assert not strangers, f"no group of the page holds {strangers}"
    return "\n".join(lines) + "\n"


def _table(
    code: Code, subjects: Sequence[Subject], keys: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[str]:
    yield "| action | version | inputs | window read | parameters | programs | not in the key |"
    yield "|---|---|---|---|---|---|---|"
    for subject in subjects:
        met = keys[subject.name]
        reads, leaves_out = said(docstring(code, subject), subject.name)
        cells = [
            f"`{subject.name}`",
            str(subject.version),
            _names(key["inputs"] for key in met),
            reads,
            _names(key["params"] for key in met),
            _programs(met),
            leaves_out,
        ]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def said(text: str, name: str) -> list[str]:
    """What a docstring says under each of `LABELS`; lines that go on are indented."""
    found = dict.fromkeys(LABELS, "")
    label = ""
    for line in inspect.cleandoc(text).splitlines():
        start, colon, rest = line.partition(":")
        if colon and start in LABELS:
            label = start
            found[label] = rest.strip()
        elif line.startswith(" ") and label:
            found[label] += f" {line.strip()}"
        else:
            label = ""
    silent = [label for label, words in found.items() if not words]
    assert not silent, f"the function that builds {name} does not say what it {' and '.join(silent).lower()}"
    return [words.removesuffix(".") for words in found.values()]


def _names(values: Iterable[Any]) -> str:
    """Names of mappings and of those inside them, in order: `` `sound{blocks, samples}` ``."""
    merged = _merged(values)
    return ", ".join(f"`{name}{_inside(inner)}`" for name, inner in sorted(merged.items())) or "none"


def _merged(values: Iterable[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in values:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                for name, inner in item.items():
                    merged.setdefault(name, []).append(inner)
    return {name: _merged(inner) for name, inner in merged.items()}


def _inside(merged: Mapping[str, Any]) -> str:
    if not merged:
        return ""
    return "{" + ", ".join(f"{name}{_inside(inner)}" for name, inner in sorted(merged.items())) + "}"


def _programs(keys: Sequence[Mapping[str, Any]]) -> str:
    """Names of programs: those of every backend, then each backend's own."""
    by_backend: dict[str, set[str]] = {}
    for key in keys:
        by_backend.setdefault(key["backend"][0] if key["backend"] else "", set()).update(key["programs"])
    if set(by_backend) == {""}:
        return ", ".join(sorted(by_backend[""])) or "none"
    ours = set.intersection(*by_backend.values()) if len(by_backend) > 1 else set()
    parts = [", ".join(sorted(ours))] if ours else []
    parts += [
        f"`{name}`: {', '.join(sorted(own - ours))}" for name, own in sorted(by_backend.items()) if own - ours
    ]
    return "; ".join(parts)
