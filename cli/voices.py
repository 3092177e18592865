"""`loc voices`: the people of the voice bank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.graph import load_graph
from cli.options import LOOK_FIELDS, JsonFlag, with_settings
from cli.output import say, table, write_json
from loc.cast import seconds_of
from loc.settings import Settings

if TYPE_CHECKING:
    from stages.dub.enrolling import Added, Entry
    from stages.dub.people import Sidecar

app = typer.Typer(add_completion=False, no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the voice.", show_default=False)]
OwnFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--own",
        metavar="ENGINE=VOICE",
        help="Which of its own voices an engine that does not imitate takes for it; may be repeated.",
        show_default=False,
    ),
]
PersonFlag = Annotated[str | None, typer.Option("--person", help="Whose voice it is.", show_default=False)]
RightsFlag = Annotated[
    str | None,
    typer.Option(
        "--rights",
        metavar="NOTE",
        help="What that person has agreed to: when, for what, in which languages. It goes into reports.",
        show_default=False,
    ),
]
ReplaceFlag = Annotated[bool, typer.Option("--replace", help="Replace a voice of this name, all of it.")]
AnywayFlag = Annotated[bool, typer.Option("--anyway", help="Take it although the checks advise against it.")]

TAKE_FIELDS = tuple(name for name in LOOK_FIELDS if name not in ("until", "force", "output"))
"""Settings that say which run is meant."""
SHARED = ("backend", "purpose", "device", "data_dir")


@app.callback()
def _group() -> None:
    """People of the voice bank: recordings that keep a voice the same from video to video."""


@app.command("list")
@with_settings("backend", "purpose", "data_dir")
def show(settings: Settings, as_json: JsonFlag = False) -> None:
    """Show the voices there are, the rights to them, and what is wrong with their recordings."""
    from stages.dub import people
    from stages.dub.enrolling import listed
    from stages.studio import embedders

    found, known_by = listed(settings.data_dir), embedders(settings)
    if as_json:
        write_json({"voices": [_as_json(one) for one in found], "matched_by": list(known_by)})
        return
    if not found:
        say(f"There is no voice in {people.home(settings.data_dir)}; `loc voices add` brings one.")
        return
    for line in table([_row(one) for one in found], ("voice", "seconds", "engines", "person", "rights", "")):
        typer.echo(line)
    for one in found:
        for problem in one.problems:
            say(f"{one.name}: {problem}")
    say(
        f"Speakers are matched with them by {known_by[0]}."
        if known_by
        else "Nothing here matches speakers with them; `loc models env resemblyzer` makes what does."
    )


@app.command("add")
@with_settings(*SHARED, "audio_track", "ffmpeg")
def add(
    name: Name,
    recording: Annotated[Path, typer.Argument(help="Any file with sound.", show_default=False)],
    settings: Settings,
    start: Annotated[str, typer.Option("--from", help="Where its voice begins, e.g. 1:02.5.")] = "0",
    stop: Annotated[
        str | None, typer.Option("--to", help="Where it ends (default: at the end).", show_default=False)
    ] = None,
    own: OwnFlag = None,
    person: PersonFlag = None,
    rights: RightsFlag = None,
    replace: ReplaceFlag = False,
    anyway: AnywayFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a recording of one person into the bank.

    Of up to five minutes from --from on, the 30 s in which most is said are kept. The recording is refused
    where too little is said, where it is faint, noisy or clipped, and where several people seem to speak.
    """
    from stages.dub import enrolling
    from stages.dub.people import Sidecar
    from stages.studio import embedder, engines

    told = Sidecar(enrolling.own_voices(own or (), engines()), person, rights)
    span = seconds_of(start, "--from"), None if stop is None else seconds_of(stop, "--to")
    with embedder(settings) as teller:
        added = enrolling.add(
            settings, name, recording, span, told, teller, replace_old=replace, anyway=anyway
        )
    _tell(added, told, as_json=as_json)


@app.command("take")
@with_settings(*TAKE_FIELDS, "device")
def take(
    name: Name,
    video: Annotated[Path, typer.Argument(help="Video file.", show_default=False)],
    speaker: Annotated[
        str, typer.Option("--speaker", help="Who of its report, e.g. speaker2.", show_default=False)
    ],
    settings: Settings,
    own: OwnFlag = None,
    person: PersonFlag = None,
    rights: RightsFlag = None,
    replace: ReplaceFlag = False,
    anyway: AnywayFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a speaker of a finished run into the bank, so that the person keeps the voice in other videos.

    Say the same settings as in the run. What is taken is the recording that engines imitate: the clearest
    passages of the speaker's separated speech, about 10 s.
    """
    from loc.app.run import prepare
    from loc.store.workdir import WorkDir
    from stages.dub import enrolling
    from stages.dub.people import Sidecar
    from stages.studio import embedder, engines

    told = Sidecar(enrolling.own_voices(own or (), engines()), person, rights)
    graph, store = load_graph(), WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    with embedder(settings) as teller:
        added = enrolling.take(
            prepared,
            graph,
            store,
            settings,
            name,
            speaker,
            told,
            teller,
            replace_old=replace,
            anyway=anyway,
        )
    _tell(added, told, as_json=as_json)


@app.command("remove")
@with_settings("data_dir")
def drop(name: Name, settings: Settings) -> None:
    """Take a voice out of the bank: its recording, and what is noted of it."""
    from stages.dub.people import remove

    gone = remove(settings.data_dir, name)
    say(f"{name} removed: {', '.join(file.name for file in gone)} of {gone[0].parent}.")


def _row(one: Entry) -> tuple[str, ...]:
    seconds = f"{one.seconds:.1f}" if one.seconds is not None else "-"
    engines = ", ".join(f"{engine}={voice}" for engine, voice in one.told.own.items()) or "-"
    wrong = f"{len(one.problems)} problem{'s' if len(one.problems) > 1 else ''}" if one.problems else ""
    return one.name, seconds, engines, one.told.person or "-", one.told.rights or "none noted", wrong


def _as_json(one: Entry) -> dict[str, object]:
    return {
        "name": one.name,
        "file": str(one.file) if one.file is not None else None,
        "seconds": one.seconds and round(one.seconds, 3),
        "own": dict(one.told.own),
        "person": one.told.person,
        "rights": one.told.rights,
        "recording": {key: value if isinstance(value, float) else str(value)
                      for key, value in one.told.recording.items()},
        "problems": list(one.problems),
    }  # fmt: skip


def _tell(added: Added, told: Sidecar, *, as_json: bool) -> None:
    """What came into the bank, and what to know of it."""
    if as_json:
        write_json(
            {
                "name": added.name,
                "files": [str(file) for file in added.files],
                "from": added.start,
                "to": added.stop,
                "seconds": round(added.seconds, 3),
                "told_by": added.told_by,
                "reasons": [reason.model_dump() for reason in added.reasons],
                "like": [{"voice": one.voice, "similarity": one.similarity} for one in added.like],
            }
        )
    else:
        part = f" ({added.start:.1f} to {added.stop:.1f} s)" if added.start is not None else ""
        say(f"{added.name}: {added.seconds:.1f} s kept{part}, one voice by {added.told_by}: {added.files[0]}")
    for reason in added.reasons:
        say(f"note: taken anyway. {reason.detail}")
    for one in added.like:
        say(
            f"note: it is like {one.voice} of the bank (similarity {one.similarity:.2f}): a speaker who is "
            "like both is matched with neither. Name the voice in a cast file."
        )
    if told.rights is None:
        say("note: no rights are noted. Imitate only whom you may; --rights says what the person agreed to.")
