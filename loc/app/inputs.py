"""From a path to a `Job`: the file, its digest, and the subtitle files that belong to it.

A file named by a flag comes before an edit that was imported with `loc subtitles import`, and that before a
sidecar. Sidecars are found by name beside the video: `video.en.srt` is its transcript; `video.ja.srt`,
where `ja` is among the targets, is its Japanese translation. What loc writes never matches: its subtitles
end in `.dub.srt`, and a video that loc wrote is refused as an input: one that this store recorded, or that is
marked (`loc.media.probe.OWN_MARK`). Subtitles are told by name alone, since a supplied file may well be
equal, byte for byte, to what loc writes from it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from loc.app import takes
from loc.app.languages import check_language, is_language, primary, suggestion
from loc.app.pictures import is_folder, open_pictures, pictures_in
from loc.app.supplied import Imported, imported
from loc.cast import SUFFIX, CastFile, read_cast
from loc.errors import InputError, LocError, UsageError, printable
from loc.glossary import layered
from loc.media.probe import probe_input
from loc.settings import Settings
from loc.stage import Job, SuppliedText
from loc.store.workdir import WorkDir

SUBTITLE_SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")
"""Formats of supplied text; where two files differ in this alone, the first in this order is taken."""

VIDEO_SUFFIXES = (".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mts", ".ts", ".webm")
"""What of a folder is taken for a video; any file may be named by itself."""

ASSUMED = "en"
"""The language of --audio where nobody says it: the one that can be recognised without weights."""

Say = Callable[[str, str], None]
"""(code, message): a notice."""


class OwnOutputError(InputError):
    """The input is a file that loc itself wrote; among several inputs it is skipped."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was written by loc and is not taken as an input.", fix="Name the original video."
        )


def target_languages(settings: Settings) -> tuple[str, ...]:
    """The target languages, checked, each once, in the order given; without any, that of --audio, `ASSUMED`
    where nobody says it.

    Raises:
        UsageError: none, an unknown tag, or the same as the source.
    """
    languages = tuple(dict.fromkeys(check_language(tag, "--lang") for tag in settings.languages))
    if not languages and settings.audio is not None:
        return (check_language(settings.source_language or ASSUMED, "--from"),)
    if not languages:
        raise UsageError("No target language was given.", fix="Say which, e.g. `--lang ja`.")
    if settings.source_language is not None:
        check_language(settings.source_language, "--from")
    if settings.source_language in languages:
        raise UsageError(
            f"The source is {settings.source_language!r} already.",
            why="--from and --lang name the same language.",
            fix="Leave it out of --lang.",
        )
    return languages


def found_in(folder: Path) -> tuple[list[Path], int]:
    """(the videos directly in a folder, by name; how many other files there are).

    Hidden files are neither: halves of a download or of an output, and what other systems leave behind.

    Raises:
        InputError: it cannot be read.
    """
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.name[0] != "." and _may_be_file(entry))
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read.", why=error.strerror or "") from error
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    return videos, len(files) - len(videos)


def _may_be_file(path: Path) -> bool:
    """Whether a path is a file, or cannot be looked at: it is refused in its turn then, not its folder."""
    try:
        return path.is_file()
    except OSError:
        return True


def named(path: Path) -> Path:
    """A path that ends in a name, by which outputs are called: of `.` and `..`, the folder's own."""
    return Path(os.path.realpath(path)) if path.name in ("", "..") else path


def check_name(path: Path) -> None:
    """Refuse an input whose path is not UTF-8: records and reports, which name it, could not be written; one
    that breaks a line: finished videos are told one a line; and one that has no name to call outputs by.

    Raises:
        InputError.
    """
    if not path.name:
        raise InputError(
            f"{path} cannot be used.", why="It has no name.", fix="Name a video, or the folder it is in."
        )
    if printable(path) != str(path):
        raise InputError(
            f"{path} cannot be used.",
            why="Its name is not UTF-8.",
            fix="Rename it, or the folder it is in.",
        )
    if not set(str(path)).isdisjoint("\r\n"):
        raise InputError(
            f"{str(path)!r} cannot be used.",
            why="A line breaks in its name, and finished videos are told one a line.",
            fix="Rename it, or the folder it is in.",
        )


def _check_folder(path: Path) -> None:
    """Refuse a folder that is no film of pictures.

    Raises:
        InputError: it holds videos, which are inputs of their own, or nothing to work on, or cannot be read.
    """
    videos, _ = found_in(path)
    if videos:
        raise InputError(
            f"{path} holds videos, and here one is asked for.", fix=f"Name one of them, e.g. {videos[0]}."
        )
    if not pictures_in(path):
        raise InputError(
            f"There is no video in {path}.",
            why=f"No file in it ends in {', '.join(VIDEO_SUFFIXES)}; nor is there a picture.",
            fix="Name the videos themselves, or the folder they are in.",
        )


def is_own(store: WorkDir, path: Path, settings: Settings) -> bool:
    """Whether a file was written by loc, and so is no input; False of what cannot be read."""
    try:
        return store.is_output(store.input_digest(path)[0]) or probe_input(path, settings)[1]
    except LocError:
        return False


def open_job(path: Path, store: WorkDir, settings: Settings, say: Say) -> Job:
    """Open one input and gather what the user supplied with it.

    Raises:
        InputError: missing, empty, unreadable, still growing, of a name that is refused, an output of this
            store, a picture without sound, or a folder without pictures or with videos.
        UsageError: languages or supplied files that contradict one another, or a wrong cast file or glossary.
    """
    languages = target_languages(settings)
    check_name(path)
    if is_folder(path):
        _check_folder(path)
    still = open_pictures(path, store, settings)
    if still:
        pictures, digest, size = still
        files = pictures.files
    else:
        video = store.open_input(path)
        pictures, digest, size, files = None, video.sha256, video.size, (video,)
    if store.is_output(digest):
        raise OwnOutputError(path)
    found = sidecars(path, say)
    edited = imported(store, digest)
    as_spoken = not settings.languages
    targets = () if as_spoken else languages
    transcript = _transcript(path, found, edited, settings, targets, store, say)
    translations = _translations(found, edited, settings, targets, store, say)
    source = settings.source_language or (transcript.language if transcript else None)
    if as_spoken and source != languages[0]:
        if source is not None:
            raise UsageError(
                f"The sound of {path.name} is in {source!r}, by its transcript.",
                why=f"Without --lang and --from it is taken for {languages[0]!r}.",
                fix=f"Say --from {source}, or name another to speak with --lang.",
            )
        say(
            "language-assumed",
            f"Nobody says which language the sound is in: {languages[0]!r} is assumed. Say it with --from.",
        )
        source = languages[0]
    if source in targets:
        raise UsageError(
            f"{path.name} is spoken in {source!r} already, so it cannot be localized to it.",
            fix="Leave that language out of --lang, or say what is spoken with --from.",
        )
    return Job(
        path=path,
        digest=digest,
        size=size,
        languages=languages,
        source_language=source,
        transcript=transcript,
        translations=translations,
        cast=_cast(path, settings, say),
        glossary=layered(settings.glossary, settings.data_dir),
        pictures=pictures,
        takes={language: takes.read(store, digest, language) for language in languages},
        as_spoken=as_spoken,
        files=files,
    )


def _cast(video: Path, settings: Settings, say: Say) -> CastFile | None:
    if settings.cast is not None:
        return read_cast(settings.cast)
    beside = video.with_name(f"{video.stem}{SUFFIX}")
    try:
        if not beside.is_file():
            return None
    except OSError as error:
        # A name that is too long is none of a file.
        if error.errno != errno.ENAMETOOLONG:
            say("cast-unread", f"{beside} cannot be looked for ({error.strerror}): no cast file is read.")
        return None
    say("sidecar", f"{beside.name} says who is not seen.")
    return read_cast(beside)


def sidecars(video: Path, say: Say) -> Mapping[str, Path]:
    """Language -> subtitle file named `VIDEO.LANG.srt` beside the video."""
    found: dict[str, Path] = {}
    try:
        names = sorted(
            (entry for entry in video.parent.iterdir() if entry.suffix.lower() in SUBTITLE_SUFFIXES),
            key=lambda entry: (SUBTITLE_SUFFIXES.index(entry.suffix.lower()), entry.name),
        )
    except OSError as error:
        say(
            "sidecars-unread",
            f"{video.parent} cannot be listed ({error.strerror}): no subtitles beside {video.name} are read.",
        )
        return found
    for path in names:
        if path.stem == video.stem:
            say("sidecar-unnamed", f"{path.name} has no language in its name and is not read.")
        if not path.name.startswith(f"{video.stem}."):
            continue
        tag = path.name[len(video.stem) + 1 : -len(path.suffix)]
        if not tag or "." in tag:
            continue
        language = primary(tag)
        if not is_language(language):
            meant = suggestion(tag)
            hint = f"; did you mean {video.stem}.{meant}{path.suffix}?" if meant else "."
            say("sidecar-unknown", f"{path.name}: {tag!r} is no language tag, so it is not read{hint}")
        elif language in found:
            say("sidecar-double", f"{found[language].name} is read, not {path.name}.")
        else:
            found[language] = path
    return found


def _transcript(
    video: Path,
    found: Mapping[str, Path],
    edited: Imported,
    settings: Settings,
    languages: tuple[str, ...],
    store: WorkDir,
    say: Say,
) -> SuppliedText | None:
    if settings.transcript is not None:
        named = _language_in_name(settings.transcript)
        language = settings.source_language or (named if named not in languages else None)
        return _supply(settings.transcript, language, store)
    if edited.transcript is not None:
        say("imported", f"The imported transcript {edited.transcript.name} is used.")
        return edited.transcript
    candidates = {language: path for language, path in found.items() if language not in languages}
    if settings.source_language is not None:
        for language, path in candidates.items():
            if language != settings.source_language:
                say("sidecar-unused", f"{path.name} is neither the source nor a target; it is not read.")
        candidates = {tag: path for tag, path in candidates.items() if tag == settings.source_language}
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates.values())
        raise UsageError(
            f"Which file is the transcript of {video.name} is not clear.",
            why=f"Found {names}.",
            fix="Say what is spoken with --from, or name the file with --transcript.",
        )
    for language, path in candidates.items():
        say("sidecar", f"{path.name} is taken as the transcript.")
        return _supply(path, language, store)
    return None


def _translations(
    found: Mapping[str, Path],
    edited: Imported,
    settings: Settings,
    languages: tuple[str, ...],
    store: WorkDir,
    say: Say,
) -> dict[str, SuppliedText]:
    for language in settings.translation:
        check_language(language, "--translation")
        if language not in languages:
            raise UsageError(
                f"--translation names {language!r}, which is not a target.", fix=f"Add --lang {language}."
            )
    texts: dict[str, SuppliedText] = {}
    for language in languages:
        named = settings.translation.get(language)
        if named is None and language in edited.translations:
            texts[language] = edited.translations[language]
            say("imported", f"The imported translation {texts[language].name} is used for {language}.")
            continue
        path = named or found.get(language)
        if path is None:
            continue
        if named is None:
            say("sidecar", f"{path.name} is taken as the translation to {language}.")
        texts[language] = _supply(path, language, store)
    return texts


def _language_in_name(path: Path) -> str | None:
    """`en` of `talk.en.srt`."""
    language = primary(Path(path.stem).suffix.removeprefix("."))
    return language if is_language(language) else None


def _supply(path: Path, language: str | None, store: WorkDir) -> SuppliedText:
    """Store a subtitle file the user supplied."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The subtitle file {path} cannot be read.", why=error.strerror or "", fix="Check the name."
        ) from error
    if not data.strip():
        raise InputError(f"The subtitle file {path} is empty.")
    return SuppliedText(language=language, ref=store.put_bytes(data), name=path.name)
