"""Which stages need a backend for a job, and which backend each gets: decided before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loc.app.languages import NAMES
from loc.backend import Card, Need, Quality, Request, Resolution, ranking, require, resolve
from loc.errors import MissingError, RefusedError, StorageError, UsageError
from loc.media import ffmpeg
from loc.policy.licences import Purpose, refusal
from loc.settings import Settings
from loc.stage import FINALS, HEAR, SPEAKERS, Job, Stage

LEAST_TO_HEAR: Quality = "good"
"""Of a recogniser that judges what is spoken. The basic one is no judge: of 19 good English lines by
espeak-ng pocketsphinx heard 12 so wrong that they would have been blamed, as wrong as other lines."""

STAND_INS = frozenset({"dub", "lipsync", SPEAKERS, FINALS})
"""What is also asked of the runners-up, where the choice fails it or cannot do all of it."""

Place = tuple[str, str | None]
"""(stage, target language or None)."""


@dataclass(frozen=True)
class Choices:
    """What was decided for every place of the graph that needs a backend."""

    resolutions: Mapping[Place, Resolution]
    runners_up: Mapping[Place, tuple[Card, ...]] = field(default_factory=dict)
    """Cards that pass every gate as the choice does, the next best first: for units that the choice fails."""
    besides: frozenset[str] = frozenset()
    """Names of those that a stage uses besides its own, where there are any."""

    def card(self, stage: str, language: str | None) -> Card | None:
        """The chosen card; a stage that runs once answers for every language."""
        resolution = self.resolutions.get((stage, language)) or self.resolutions.get((stage, None))
        return resolution.choice if resolution else None

    def others(self, stage: str, language: str | None) -> tuple[Card, ...]:
        """The cards that could do what the chosen one does, the next best first."""
        place = (stage, language) if (stage, language) in self.resolutions else (stage, None)
        return self.runners_up.get(place, ())


def stage_of(name: str) -> str:
    """What cards say that are asked for under a name: a stage, or what stands in its place."""
    return "transcribe" if name == HEAR else name


def cut_graph(stages: Sequence[Stage], settings: Settings) -> tuple[Stage, ...]:
    """The stages up to `--until`, after checking every stage name the settings hold.

    Raises:
        UsageError: `--until`, `--force` or `--backend` names no stage.
    """
    names = [stage.name for stage in stages]
    with_backend = [name for stage in stages if stage.backend for name in (stage.name, *stage.also)]
    for flag, given, known in (
        ("--until", (settings.until,) if settings.until else (), names),
        ("--force", settings.force, names),
        ("--backend", tuple(settings.backend), with_backend),
    ):
        for name in given:
            if name not in known:
                raise UsageError(
                    f"{flag}: there is no such stage as {name!r}.", fix=f"Known: {', '.join(known)}."
                )
    if settings.until is None:
        return tuple(stages)
    return tuple(stages[: names.index(settings.until) + 1])


def text_supplied(job: Job) -> bool:
    """Whether what is said need not be heard: a transcript, or every translation, was supplied."""
    if job.transcript is not None:
        return True
    return not job.as_spoken and all(target in job.translations for target in job.languages)


def needed(stage: Stage, job: Job, settings: Settings, language: str | None, has_sound: bool = True) -> bool:
    """Whether a stage has work for a backend, given what the source has and the user supplied."""
    if not stage.backend:
        return False
    if stage.name == "separate":
        return has_sound
    if stage.name == "transcribe":
        return not text_supplied(job)
    if stage.name == "translate":
        return not job.as_spoken and language not in job.translations
    return stage.name != "lipsync" or settings.lipsync


def _asked_for(
    stage: Stage, job: Job, settings: Settings, language: str | None, has_sound: bool
) -> tuple[str, ...]:
    """The names under which a stage asks for backends: its own, and those it has besides."""
    own = (stage.name,) if needed(stage, job, settings, language, has_sound) else ()
    listens = bool(own) and settings.listen and not job.as_spoken
    besides = {FINALS: bool(own) and settings.wants_finals, SPEAKERS: has_sound, HEAR: listens}
    return (*own, *(name for name in stage.also if besides.get(name, bool(own))))


def request_for(
    stage: str, job: Job, settings: Settings, language: str | None, *, heard: bool = False
) -> Request:
    """What a stage asks of a backend; or what it asks under one of the names it has besides.

    `heard`: a source language that is not known will be told by the recogniser.
    """
    if stage == HEAR:
        # Heard by what heard the source, where that was named.
        named = settings.backend.get(HEAR, settings.backend.get("transcribe"))
        return Request("transcribe", source=language, named=named, minimum=LEAST_TO_HEAR)
    named = settings.backend.get(stage)
    return Request(
        stage=stage,
        source=job.source_language if stage in ("transcribe", "translate") else None,
        target=language,
        named=named,
        # What is demanded of stages: who speaks is told as well as it can be, and the report says by what.
        minimum="basic" if stage == SPEAKERS else settings.require_quality,
        allow_remote=named is not None and not settings.offline,
        heard=heard and job.source_language is None,
    )


def decide(
    stages: Sequence[Stage],
    job: Job,
    settings: Settings,
    cards: Sequence[Card],
    installed: Callable[[Need], bool],
    has_sound: bool = True,
) -> Choices:
    """Resolve every place that needs a backend. Pure but for `installed`; raises nothing.

    Where the source language is to be heard, a translator is taken that may know it; `decide_heard` decides
    again when it is known.
    """
    resolutions: dict[Place, Resolution] = {}
    runners_up: dict[Place, tuple[Card, ...]] = {}
    for stage in stages:
        for language in job.languages if stage.per_language else (None,):
            for name in _asked_for(stage, job, settings, language, has_sound):
                if name != stage.name and (name, None) in resolutions:
                    continue
                heard = ("transcribe", None) in resolutions
                request = request_for(name, job, settings, language, heard=heard)
                resolution = resolve(request, cards, installed, settings.purpose)
                resolutions[name, language] = resolution
                # A backend that was named is the first to be asked, not the only one that may mend its
                # failures; what is remote is never asked without being named.
                free = replace(request, named=None, allow_remote=False)
                ranked = ranking(free, cards, installed, settings.purpose)
                runners_up[name, language] = tuple(card for card in ranked if card != resolution.choice)
    return Choices(resolutions, runners_up, frozenset(name for stage in stages for name in stage.also))


def decide_heard(
    choices: Choices,
    stages: Sequence[Stage],
    job: Job,
    settings: Settings,
    cards: Sequence[Card],
    installed: Callable[[Need], bool],
) -> Choices:
    """The choices once the source language was heard, which `job` has: translators are chosen for it."""
    translators = decide(
        [stage for stage in stages if stage.name == "translate"], job, settings, cards, installed
    )
    return replace(
        choices,
        resolutions={**choices.resolutions, **translators.resolutions},
        runners_up={**choices.runners_up, **translators.runners_up},
    )


def require_data_folder(folder: Path) -> None:
    """See that what lies in the data folder can be read; nothing needs to.

    Raises:
        StorageError: it is somebody else's, or no folder.
    """
    try:
        list(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(
            f"The data folder {folder} cannot be read.",
            why=error.strerror or str(error),
            fix="Name another with --data-dir, or have the right to read it granted.",
        ) from error


def require_all(choices: Choices, job: Job, settings: Settings) -> None:
    """Raise for the first place that has no backend, naming the ways out.

    Raises:
        MissingError, RefusedError, UsageError.
    """
    if settings.purpose is Purpose.DELIVERY:
        raise RefusedError(
            "Nothing can be made for delivery yet.",
            why="It demands consent records, signed provenance and passed gates, which this version lacks.",
            fix="Use --purpose internal, and do not ship the result.",
        )
    for (stage, _), resolution in choices.resolutions.items():
        demanded = stage in settings.backend or (stage == FINALS and settings.demands_finals)
        if stage in choices.besides and not demanded:
            continue
        if resolution.choice is None and stage == "transcribe" and job.source_language is None:
            raise MissingError(
                f"The language spoken in {job.path.name} is not known.",
                why="No installed recogniser can tell, and no transcript was supplied.",
                fix=f"Say it with --from, e.g. --from en, or put {job.path.stem}.LANG.srt beside the video.",
            )
        require(resolution, ways_out=_ways_out(stage, resolution.request, job))


def require_encoders(settings: Settings, *, hdr: bool) -> None:
    """See that ffmpeg can write what the settings ask for this picture; x264 and AAC are taken for granted.

    Raises:
        MissingError: it lacks an encoder.
    """
    from loc.media.encode import ENCODERS, SOUND_CODECS

    codec = settings.codec_for(hdr=hdr)
    for wanted in (codec, SOUND_CODECS[settings.file_type]):
        if wanted in ("h264", "aac") or ENCODERS[wanted] in ffmpeg.listed(settings.ffmpeg, "encoders"):
            continue
        other = "--codec h264" if wanted == "hevc" else "--container mp4"
        raise MissingError(
            f"{settings.ffmpeg} has no {ENCODERS[wanted]}, which {wanted} is coded with.",
            fix=f"Name another ffmpeg with --ffmpeg, or do without: {other}.",
        )


def require_fonts(job: Job, settings: Settings) -> None:
    """See that subtitles can be drawn into the picture, where they are to be.

    Raises:
        MissingError: ffmpeg cannot set text, or no font has a language's signs.
    """
    if settings.burn_subtitles:
        from loc.media import fonts, titles

        titles.fingerprint(settings.ffmpeg)
        for language in job.languages:
            fonts.font_for(language)


def restricted(choices: Choices) -> list[str]:
    """What of the chosen backends, and of those that may stand in for them, may not be used commercially, in
    words: only `research` chooses such."""
    chosen = [found.choice for found in choices.resolutions.values() if found.choice is not None]
    others = [card for place, cards in choices.runners_up.items() if place[0] in STAND_INS for card in cards]
    spare = [card for card in others if card not in chosen]
    said = [
        *(f"{card.choice} uses {what}." for card in chosen for what in _not_for_sale(card)),
        *(
            f"{card.choice}, which may stand in, uses {what}."
            for card in spare
            for what in _not_for_sale(card)
        ),
    ]
    return [f"{words} The output is for research only." for words in dict.fromkeys(said)]


def _not_for_sale(card: Card) -> list[str]:
    """Parts of a backend that may not be used commercially, each with the reason."""
    return [
        f"{part.item}: {why}" for part in card.licences if (why := refusal(part.licence, Purpose.INTERNAL))
    ]


def _ways_out(stage: str, request: Request, job: Job) -> str:
    if stage == "transcribe":
        return (
            f"Supply the text: {job.path.stem}.{request.source}.srt beside the video or --transcript FILE; "
            "or install a recogniser for this language (see `loc doctor`)."
        )
    if stage == "translate":
        target = request.target or ""
        name = NAMES.get(target, target)
        return (
            f"(1) Supply the {name} text: {job.path.stem}.{target}.srt beside the video, or --translation "
            f"{target}=FILE; (2) install data for this pair where a translator has it; (3) install another "
            "translator as a plug-in and name it with --backend translate=NAME. `loc plan` lists them all."
        )
    return ""
