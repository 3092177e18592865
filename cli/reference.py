"""Writes the reference pages that come from the code: commands, settings, exit codes, events, and so on.

`python -m cli.reference` writes them; `python -m cli.reference --check` fails where one is not current.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cli.main import COMMANDS, load_command
from cli.options import default_of
from loc import events
from loc.app.regress.compare import OTHER_MACHINE
from loc.app.regress.measures import MEASURES
from loc.app.report import Report
from loc.app.summary import Summary
from loc.errors import ExitCode
from loc.settings import SETTINGS_FILE, Settings, flags_of, topic_of

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `python -m cli.reference`; edit the code, not this page. -->"


def commands() -> str:
    """Every command with its arguments and options."""
    lines = ["# Commands", "", NOTE, ""]
    lines += [f"- [`loc {name}`](#loc-{name}): {text}" for name, (_, text) in COMMANDS.items()]
    lines += ["", "`loc --version` shows the version. `--debug`, anywhere, shows the traceback of an error."]
    lines += ["Data goes to stdout, words for people to stderr; nothing ever asks a question."]
    for name in COMMANDS:
        lines += _command(f"loc {name}", load_command(name), level=2)
    return "\n".join(lines) + "\n"


def _command(title: str, command: Any, level: int) -> Iterator[str]:
    yield from ("", f"{'#' * level} {title}", "", *(command.help or "").strip().splitlines())
    children: Mapping[str, Any] = getattr(command, "commands", None) or {}
    if children:
        for name, child in children.items():
            yield from _command(f"{title} {name}", child, level + 1)
        return
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    usage = " ".join([title, "[OPTIONS]", *(_argument(item) for item in arguments)])
    yield from ("", "```", usage, "```", "")
    for item in arguments:
        yield f"- `{_argument(item)}`: {item.help or ''}"
    for item in options:
        flags = ", ".join(f"`{flag}`" for flag in (*item.opts, *item.secondary_opts))
        value = f" `{item.metavar}`" if item.metavar else ""
        yield f"- {flags}{value}: {item.help or ''}"


def _argument(item: Any) -> str:
    name = item.name.upper().rstrip("S") if item.nargs == -1 else item.name.upper()
    text = f"{name}..." if item.nargs == -1 else name
    return text if item.required else f"[{text}]"


def settings() -> str:
    """Every setting: flag, variable, key, default."""
    lines = ["# Settings", "", NOTE, ""]
    lines += _prose(
        f"Every setting is a flag, an environment variable and a key of `{SETTINGS_FILE}` in the current "
        "folder. A flag is stronger than a variable, a variable than the file, the file than the default. "
        "Lists are written `a,b`, pairs `name=value,name=value`; in the file also as TOML arrays and tables."
    )
    topic = ""
    for name, field in Settings.model_fields.items():
        if topic_of(name) != topic:
            topic = topic_of(name)
            lines += ["", f"## {topic}", "", "| key | flag | variable | default | |", "|---|---|---|---|---|"]
        lines.append(_setting_row(name, field.description or ""))
    return "\n".join(lines) + "\n"


def _setting_row(name: str, description: str) -> str:
    flags = " ".join(f"`{flag}`" for flag in flags_of(name))
    default = default_of(name)
    cells = [f"`{name}`", flags, f"`LOC_{name.upper()}`", f"`{default}`" if default else "", description]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def exit_codes() -> str:
    """The exit codes and what decides between them."""
    lines = ["# Exit codes", "", NOTE, "", "| code | meaning |", "|---|---|"]
    lines += [f"| {int(code)} | {code.meaning} |" for code in ExitCode]
    rules = (
        "One input, several languages: if every language fails, the code is that of the first failure; if "
        "some do, the run ends with 3, and each failure stands among the defects.",
        "Several inputs: what most needs a person. 8 if any failed, else 3 if any has defects, else 9 if the "
        "deadline came first, else 0. What loc wrote is skipped; a folder stands for the videos in it.",
        "A folder without videos cannot be used: 4.",
        "An existing output that loc did not write is not replaced: 2, before any work.",
        "`loc regress run` ends with 3 where a dub is worse than accepted or missing. Where samples failed"
        " it ends with 8; if all failed in one way, with that code. A baseline that cannot be compared "
        "with is 4.",
        "`loc doctor` ends with 5 when the main job cannot run, `loc cache verify` with 7 on damage.",
        "Not ours but the shell's: 137 for a process that was killed; the next run goes on from there too.",
    )
    lines += ["", *(f"- {rule}" for rule in rules)]
    return "\n".join(lines) + "\n"


def event_page() -> str:
    """The events of the log and of `--json`."""
    lines = ["# Events", "", NOTE, ""]
    lines += _prose(
        "`loc run --json` prints one JSON object a line on stdout: these events, then one whose `type` is "
        "`result`, with what became of each input and what it all cost (`usage`: processor seconds of loc "
        "and its children, bytes resident in the largest of these processes). The same events, but "
        "`progress`, are kept in `runs/<id>/events.ndjson` of the work directory. They carry ids, digests, "
        "counts and seconds, never text, pixels or voice."
    )
    kinds = typing.get_args(typing.get_args(events.Event)[0])
    for kind in kinds:
        lines += ["", f"## `{kind.model_fields['type'].default}`", ""]
        if kind.__doc__:
            lines += [kind.__doc__.strip(), ""]
        lines += _fields(kind, skip=("type",))
    return "\n".join(lines) + "\n"


def report_page() -> str:
    """The schema of the report beside every output."""
    lines = ["# Report", "", NOTE, ""]
    lines += _prose(
        "`video.ja.report.json`, beside every output. Times are seconds from the first frame. It names lines "
        "by id, never by their text. Everything but `run` depends on the work alone. `schema_version` is "
        "raised when a field changes its meaning or goes; new fields may come without."
    )
    lines += [""]
    lines += _prose(
        "`video.ja.report.html` shows the same to people ([how to read it](../how-to/read-the-report.md)). "
        "With `--page full`, the default, it also holds what is said in both languages and stills of the "
        "cuts, as the video and its subtitles do: hand it on as you would those. With `--page bare` it holds "
        "neither. A run that finds everything made leaves both files as they are."
    )
    lines += _schema(Report)
    return "\n".join(lines) + "\n"


def _schema(root: type[BaseModel]) -> list[str]:
    """A table of fields for a model and for each that it holds."""
    lines: list[str] = []
    for model in _models(root):
        lines += ["", f"## {model.__name__}", ""]
        if model.__doc__:
            lines += [model.__doc__.strip(), ""]
        lines += _fields(model)
    return lines


def summary_page() -> str:
    """The schema of `--summary` and of the last line of `--json`."""
    lines = ["# Summary", "", NOTE, ""]
    lines += _prose(
        "`loc run --summary night.json` keeps one JSON object in that file; `--summary night.md` the same as "
        "a page to read. It is written before the first input, when one begins, when one ends and at the "
        "end, under another name first, so that it is whole at any instant. The objects in `inputs` are "
        "those of the last line of `loc run --json`."
    )
    lines += _schema(Summary)
    return "\n".join(lines) + "\n"


def measure_page() -> str:
    """The measures of `loc regress`."""
    lines = ["# Measures", "", NOTE, ""]
    lines += _prose(
        "What `loc regress` compares, and how far each may move before it is worse; `--tolerance NAME=N` "
        "gives another limit. All but `time` and `memory` are measured for each sample and language. What "
        "was accepted and is not there any more (a sample, a language, a figure of a cut) is `missing`, "
        "which is as bad as worse. Cuts are compared one by one with what became of them, by the frames "
        "they share; scores with those by the same measure. Those of the networks are told where they are."
    )
    lines += ["", "| measure | | worse if | tolerance | where that comes from |", "|---|---|---|---|---|"]
    ways = {"lower": "more", "higher": "less", "neither": "other", "nearer": "other, not nearer to 0"}
    for measure in MEASURES:
        limit = f"{measure.tolerance * 100:.0f} %" if measure.relative else measure.words(measure.tolerance)
        lines.append(
            f"| `{measure.name}` | {measure.title} | {ways[measure.better]} | {limit} | {measure.origin} |"
        )
    lines += [""]
    lines += _prose(
        "`time` is the processor time of a cold run for each second of video, divided by that of a fixed "
        "piece of work measured right before and after it, so that a slow machine is no slow loc. On a "
        f"processor or with a number of cores other than the baseline's it may take {1 + OTHER_MACHINE:.0f} "
        "times as long. With `--cached`, neither `time` nor `memory` is judged. What runs on a GPU is not "
        "in `time`."
    )
    return "\n".join(lines) + "\n"


def _prose(text: str) -> list[str]:
    return textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)


def _models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those inside it, each once, in the order met."""
    seen: list[type[BaseModel]] = [root]
    for model in seen:
        yield model
        for field in model.model_fields.values():
            seen += [item for item in _inner_models(field.annotation) if item not in seen]


def _inner_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _inner_models(inner)


def _fields(model: type[BaseModel], skip: tuple[str, ...] = ()) -> Iterator[str]:
    yield from ("| field | type | |", "|---|---|---|")
    meanings = _attribute_docstrings(model)
    for name, field in model.model_fields.items():
        if name not in skip:
            kind = _type_name(field.annotation).replace("|", "\\|")
            yield f"| `{name}` | {kind} | {meanings.get(name, '')} |".replace("|  |", "| |")


def _attribute_docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Field -> the string literal under it in the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _type_name(annotation: Any) -> str:
    """A type in the words of JSON."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_name(item) for item in inner)
    if origin is typing.Literal:
        return " | ".join(f"`{item}`" for item in inner)
    if origin is tuple:
        kinds = [_type_name(item) for item in inner if item is not Ellipsis]
        return f"list of {kinds[0]}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "object"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(f"`{item.value}`" for item in annotation)
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    return names.get(annotation, getattr(annotation, "__name__", "any"))


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "settings.md": settings,
    "exit-codes.md": exit_codes,
    "events.md": event_page,
    "report.md": report_page,
    "summary.md": summary_page,
    "measures.md": measure_page,
}


def main() -> int:
    """Write the pages, or with `--check` say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is stale")
    arguments = parser.parse_args()
    stale = [name for name, page in PAGES.items() if _stale(FOLDER / name, page())]
    if arguments.check:
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is stale: run `python -m cli.reference`\n")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def _stale(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text(encoding="utf-8") != text


if __name__ == "__main__":
    sys.exit(main())
