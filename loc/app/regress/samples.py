"""Which videos are samples, and into which languages each is localized."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from loc.app.inputs import VIDEO_SUFFIXES, Say, found_in, sidecars, target_languages
from loc.errors import InputError, UsageError
from loc.settings import Settings


@dataclass(frozen=True)
class SampleFile:
    """A video among the samples.

    Args:
        name: the file's, by which a baseline knows it.
    """

    name: str
    path: Path


def find_samples(place: Path, say: Say) -> list[SampleFile]:
    """The videos in a folder, by name; or the one file that was named.

    What loc wrote, by the report beside it, is left out and said.

    Raises:
        InputError: there is no such place, or no video in it.
    """
    if place.is_file():
        return [SampleFile(place.name, place)]
    if not place.is_dir():
        raise InputError(f"{place} does not exist.", fix="Name a folder of videos, or a video.")
    found = []
    for path in found_in(place)[0]:
        if _has_report(path):
            say("sample-skipped", f"{path.name} was written by loc and is no sample.")
        else:
            found.append(SampleFile(path.name, path))
    if not found:
        raise InputError(
            f"There is no video in {place}.", why=f"Known by their names: {' '.join(VIDEO_SUFFIXES)}."
        )
    return found


def _has_report(path: Path) -> bool:
    """Whether a report lies beside a video. None can beside a name that leaves no room for its own."""
    with contextlib.suppress(OSError):
        return path.with_name(f"{path.stem}.report.json").exists()
    return False


def languages_of(video: Path, settings: Settings) -> tuple[str, ...]:
    """The target languages of one sample: those of `--lang`; without it those of the subtitle files beside
    the video, but for the language that is spoken.

    Raises:
        UsageError: neither says which.
    """
    if settings.languages:
        return target_languages(settings)
    beside = sidecars(video, lambda _code, _message: None)
    languages = tuple(sorted(language for language in beside if language != settings.source_language))
    if not languages:
        raise UsageError(
            f"Into which language {video.name} is to be localized is not known.",
            why="No --lang was given, and no subtitle file beside the video names one.",
            fix=f"Say --lang LANG, or put {video.stem}.LANG.srt beside it.",
        )
    if settings.source_language is None and len(languages) > 1:
        names = ", ".join(beside[language].name for language in languages)
        raise UsageError(
            f"Which of {names} is the transcript is not clear.",
            fix="Say what is spoken with --from, or name the target languages with --lang.",
        )
    return languages
