"""`loc regen`: another take of a line is asked for, and kept."""

from __future__ import annotations

from pathlib import Path

from loc.app import takes
from loc.app.plan import looking
from loc.app.run import Graph, Prepared, prepare
from loc.app.walk import Slots, informed, make_stage, places
from loc.artifacts import DubTrack, Translation
from loc.errors import UsageError
from loc.runner import NotMade
from loc.settings import Settings
from loc.stage import WantedTake
from loc.store.keys import digest_value
from loc.store.workdir import WorkDir


def ask(path: Path, graph: Graph, settings: Settings, lines: tuple[str, ...], take: int | None) -> list[str]:
    """Ask for another take of some lines of a dub that is made, in every language of the settings.

    Args:
        lines: ids of lines as the report has them, or of segments of the transcript, which stand for what
            translates them.
        take: which one; None: the one after that which is heard now.

    Returns:
        What will be made, in words.

    Raises:
        UsageError: there is no such line, the dub is not made, or its engine says a line in one way.
    """
    store = WorkDir(settings.work_dir)
    prepared = prepare(path, graph, store, settings, look=True)
    said: list[str] = []
    asked: dict[str, dict[str, WantedTake]] = {}
    for language in prepared.job.languages:
        translation, dub = _made(prepared, graph, store, settings, language)
        wanted = dict(prepared.job.takes.get(language, {}))
        for line in _named(translation, lines):
            number, words = _next(graph, dub, line, take)
            text = next(item.text for item in translation.lines if item.id == line)
            wanted[line] = WantedTake(digest_value(text), number)
            said.append(f"{language}: {words}")
        asked[language] = wanted
    # Not before all are checked: a request that is refused leaves nothing for the next run to make.
    for language, wanted in asked.items():
        takes.write(store, prepared.job.digest, language, wanted)
    return said


def _named(translation: Translation, names: tuple[str, ...]) -> list[str]:
    """Ids of the lines that are meant, each once."""
    found: dict[str, None] = {}
    for name in names:
        meant = [item.id for item in translation.lines if name == item.id or name in item.segments]
        if not meant:
            known = ", ".join(sorted(item.id for item in translation.lines))
            raise UsageError(f"There is no line {name!r}.", fix=f"Lines: {known}." if known else "")
        found.update(dict.fromkeys(meant))
    return list(found)


def _next(graph: Graph, dub: DubTrack, line: str, take: int | None) -> tuple[int, str]:
    """The take to be made of a line, and what to say of it."""
    clip = next((clip for clip in dub.clips if clip.line == line), None)
    if clip is None:
        raise UsageError(f"Line {line} is not heard in the dub.", fix="`loc run` says why, and tries again.")
    backend = graph.backends.get(clip.backend or "")
    traits = getattr(backend, "traits", None)
    if traits is None or not traits.has_takes:
        raise UsageError(
            f"{clip.backend or 'The voice'} says line {line} in one way alone.",
            fix="Change its text, or have another engine speak: `loc plan` shows which there are.",
        )
    number = clip.take + 1 if take is None else take
    return number, f"line {line}, take {number} in place of take {clip.take}"


def _made(
    prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings, language: str
) -> tuple[Translation, DubTrack]:
    """Text and dub as they are now, without making anything."""
    slots = Slots()
    with looking(prepared, graph, store, settings) as given:
        context = given
        try:
            for stage, own in places(prepared.stages, (language,)):
                make_stage(stage, context, slots, own)
                if stage.makes == "dub":
                    break
                context = informed(context, slots.value(stage.makes, own))
        except NotMade as missing:
            raise UsageError(
                f"{prepared.job.path.name} is not dubbed to {language} yet with these settings.",
                why=f"What {missing.stage} makes is missing.",
                fix="Run `loc run` first, with the same settings.",
            ) from missing
    translation: Translation | None = slots.value("translation", language)
    dub: DubTrack | None = slots.value("dub", language)
    if translation is None or dub is None:
        raise UsageError("The dub is left out by --until.", fix="Take --until out.")
    return translation, dub
