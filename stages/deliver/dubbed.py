"""The subtitles of a finished dub, for files of other formats than the one it is delivered with."""

from __future__ import annotations

from loc.app.finished import finished, not_made
from loc.app.run import Graph, Prepared
from loc.app.subtitles import Shown
from loc.artifacts import DubTrack, Source, Transcript, Translation
from loc.media.retiming import clock
from loc.media.timeline import load_timeline
from loc.runner import NotMade
from loc.settings import Settings
from loc.store.workdir import WorkDir
from stages.deliver.subtitles import Languages, cues


def dubbed(prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings, *, bilingual: bool) -> Shown:
    """What the finished video shows, and when: each line where it is heard, in parts that can be read.

    Raises:
        MissingError: the dub has not been made yet.
    """
    wanted = ("source", "transcript", "translation", "dub")
    language = prepared.job.languages[0]
    try:
        with finished(prepared, graph, store, settings, *wanted) as (context, slots):
            source: Source = slots.value("source")
            transcript: Transcript = slots.value("transcript")
            translation: Translation = slots.value("translation", language)
            dub: DubTrack = slots.value("dub", language)
            timeline = load_timeline(context.store, source.frames, source.video.time_base)
    except NotMade as missing:
        raise not_made(prepared, store, "The dub", missing) from missing
    under = transcript if bilingual else None
    languages = Languages(language, under.language if under else None)
    heard = clock(timeline, dub.slowed, source.samples)
    shown = cues(translation.lines, dub, heard, languages, under)
    return Shown(tuple(shown), (languages.text, languages.below))
