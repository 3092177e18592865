"""`loc subtitles`: take subtitles out, and edited ones back in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.graph import load_graph
from cli.options import LOOK_FIELDS, JsonFlag, with_settings
from cli.output import say, write_json
from loc.app.export import put_bytes
from loc.app.inputs import target_languages
from loc.app.run import prepare
from loc.app.subtitles import (
    Edit,
    Form,
    Import,
    Kind,
    drawn_as_titles,
    forget_text,
    form_of,
    import_text,
    propose_terms,
    shown_lines,
    source_of,
    written,
)
from loc.errors import UsageError
from loc.settings import Settings
from loc.store.workdir import WorkDir

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Take subtitles out, and edited ones back in."
)

FIELDS = tuple(name for name in LOOK_FIELDS if name not in ("until", "force", "output"))
"""Settings that say which run is meant."""

Video = Annotated[Path, typer.Argument(help="Video file.", show_default=False)]
SourceFlag = Annotated[bool, typer.Option("--source", help="The transcript instead of the translation.")]


@app.command("export")
@with_settings(*FIELDS, "overwrite")
def export(
    video: Video,
    settings: Settings,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="File to write (default: stdout).", show_default=False)
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format", help="Format (default: by the file's suffix, else srt).", show_default=False
        ),
    ] = None,
    source: SourceFlag = False,
    dubbed: Annotated[
        bool, typer.Option("--dubbed", help="As the finished video shows them: when each line is heard.")
    ] = False,
    bilingual: Annotated[
        bool, typer.Option("--bilingual", help="With what the source says under each line.")
    ] = False,
) -> None:
    """Write the lines of a finished run as SRT, WebVTT or ASS; the last looks as subtitles in the picture do.

    Say the same settings as in the run. Nothing is made. What is written without --dubbed and --bilingual
    can be edited and imported again.
    """
    from stages.deliver.dubbed import dubbed as shown_in_dub

    _one_language(settings)
    if source and (dubbed or bilingual):
        raise UsageError("--source is the transcript alone.", fix="Leave out --dubbed and --bilingual.")
    chosen = form_of(form, to)
    graph, store = load_graph(), WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    if dubbed:
        shown = shown_in_dub(prepared, graph, store, settings, bilingual=bilingual)
    else:
        shown = shown_lines(prepared, graph, store, settings, _kind(source), bilingual=bilingual)
    if shown.empty:
        say(f"note: {shown.empty} line{'s' if shown.empty != 1 else ''} without text left out.")
    if bilingual and (lacking := sum(not cue.below for cue in shown.cues)):
        say(f"note: of {lacking} of {len(shown.cues)} it is not known what the source says.")
    if chosen == "ass":
        picture = source_of(prepared, graph, store, settings)
        data = drawn_as_titles(shown, picture, lambda _, message: say(f"note: {message}"))
    else:
        data = written(shown, chosen)
    _hand_over(data, to, store, settings)


@app.command("terms")
@with_settings(*FIELDS, "overwrite")
def terms(
    video: Video,
    settings: Settings,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="File to write (default: stdout).", show_default=False)
    ] = None,
) -> None:
    """Propose terms for a glossary: names that a finished run's transcript has often, as CSV to be filled in.

    Say the same settings as in the run. Nothing is made.
    """
    _one_language(settings)
    graph, store = load_graph(), WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    _hand_over(propose_terms(prepared, graph, store, settings), to, store, settings)


@app.command("import")
@with_settings(*FIELDS)
def import_(
    video: Video,
    file: Annotated[Path, typer.Argument(help="The edited subtitle file.", show_default=False)],
    settings: Settings,
    source: SourceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Take an edited subtitle file as the text of the next runs, and say what changed.

    It comes before a file beside the video, and after one named by a flag. Only what hangs on a changed line
    is made again.
    """
    _one_language(settings)
    graph, store = load_graph(), WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    kind = _kind(source)
    done = import_text(
        prepared, graph, store, settings, kind, file, lambda _, message: say(f"note: {message}")
    )
    if as_json:
        write_json(_as_json(done, kind))
        return
    for edit in done.edits:
        if edit.change != "kept":
            typer.echo(_in_words(edit, done))
    counts = ", ".join(f"{count} {change}" for change, count in done.counts.items())
    say(f"{file.name} is the {kind} ({done.language}) of {video.name} from now on: "
        f"{done.cues} lines{f', {counts}' if counts else '; no run to compare with'}.")  # fmt: skip


@app.command("forget")
@with_settings("languages", "source_language", "audio", "work_dir")
def forget(video: Video, settings: Settings, source: SourceFlag = False) -> None:
    """Forget imported subtitles; a file beside the video counts again.

    Of pictures --audio says beside which sound; without it, those of their newest run are meant.
    """
    language = None if source else _one_language(settings)
    store = WorkDir(settings.work_dir)
    if not forget_text(store, video, _kind(source), language, settings.audio):
        raise UsageError(
            f"No {_kind(source)} was imported for {video.name}.", fix="`loc status` shows the runs."
        )
    say(f"The imported {_kind(source)} of {video.name} is forgotten.")


def _kind(source: bool) -> Kind:
    return "transcript" if source else "translation"


def _hand_over(data: bytes, to: Path | None, store: WorkDir, settings: Settings) -> None:
    """Write a file, or to stdout."""
    if to is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        put_bytes(store, data, to, settings)
        say(f"{to} written.")


def _one_language(settings: Settings) -> str:
    languages = target_languages(settings)
    if len(languages) != 1:
        raise UsageError("Several languages were given.", fix="Name one with --lang.")
    return languages[0]


def _in_words(edit: Edit, done: Import) -> str:
    """`split l0004 -> l0004 l0004-2`."""
    before = [done.previous[index] for index in edit.before]
    after = [done.ids[index] for index in edit.after]
    if edit.change in ("split", "merged"):
        return f"{edit.change} {' '.join(before)} -> {' '.join(after)}"
    return f"{edit.change} {' '.join(after or before)}"


def _as_json(done: Import, kind: Kind) -> dict[str, object]:
    return {
        "kind": kind,
        "language": done.language,
        "lines": done.cues,
        "changes": [
            {
                "change": edit.change,
                "before": [done.previous[index] for index in edit.before],
                "after": [done.ids[index] for index in edit.after],
            }
            for edit in done.edits
        ],
    }
