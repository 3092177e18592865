"""`loc doctor`: what this machine has of what the main job needs, and the command that brings the rest."""

from __future__ import annotations

import functools
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from loc.app.run import Graph
from loc.backend import QUALITIES, Card, Need, installed
from loc.errors import LocError, MissingError
from loc.media import ffmpeg
from loc.media.fonts import font_for
from loc.policy.licences import refusal
from loc.process import run as run_child
from loc.settings import Settings
from loc.store.workdir import WorkDir
from loc.weights.shelf import Shelf

MIN_PYTHON, MAX_PYTHON = (3, 11), (3, 12)
"""Below: language features that are used. Above: mediapipe 0.10.21 has no wheel."""

MIN_FREE_BYTES = 2 << 30
"""Under this a warning: patch tracks and encoded chunks of some minutes of 1080p take about as much."""

FILTERS = ("rubberband",)
MORE_FILTERS = ("subtitles",)
"""For --burn-subtitles only."""
ENCODERS = ("libx264", "aac", "ffv1", "flac")
MORE_ENCODERS = ("libx265", "libvpx-vp9", "libopus")
"""For HDR and WebM only."""
INSTALL_FFMPEG = "sudo apt-get install ffmpeg"

TEXT_STAGES = frozenset({"transcribe", "translate"})
"""Stages a supplied subtitle file replaces: without a backend for them the main job can still be done."""


@dataclass(frozen=True)
class Check:
    """One thing looked at. `required`: without it the main job cannot run."""

    topic: str
    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = True


def examine(graph: Graph, settings: Settings) -> list[Check]:
    """Every check, in the order in which a person would mend things."""
    checks = [_python(), _platform(), *_ffmpeg(settings), *_backends(graph, settings)]
    return [*checks, *_work_dir(settings), _fonts()]


def can_run(checks: Sequence[Check]) -> bool:
    """Whether nothing that is required is missing."""
    return all(check.ok for check in checks if check.required)


def _python() -> Check:
    version = sys.version_info[:2]
    return Check(
        "machine",
        "python",
        MIN_PYTHON <= version <= MAX_PYTHON,
        platform.python_version(),
        f"Use Python {'.'.join(map(str, MIN_PYTHON))} or {'.'.join(map(str, MAX_PYTHON))}.",
    )


def _platform() -> Check:
    return Check(
        "machine",
        "platform",
        sys.platform == "linux",
        f"{platform.system()} {platform.machine()}",
        "Only Linux is supported; others may work and are not tested.",
        required=False,
    )


def _ffmpeg(settings: Settings) -> Iterator[Check]:
    for program in (settings.ffmpeg, settings.ffprobe):
        yield _try("tools", program, functools.partial(_version, program), INSTALL_FFMPEG)
    kinds: tuple[tuple[Literal["filters", "encoders"], tuple[str, ...]], ...] = (
        ("filters", (*FILTERS, *MORE_FILTERS)),
        ("encoders", (*ENCODERS, *MORE_ENCODERS)),
    )
    for kind, names in kinds:
        try:
            there = ffmpeg.listed(settings.ffmpeg, kind)
        except LocError:
            return
        for name in names:
            yield Check(
                "tools",
                f"{kind[:-1]} {name}",
                name in there,
                "there" if name in there else "not in this build",
                f"{INSTALL_FFMPEG}, or name another with --ffmpeg.",
                required=name not in (*MORE_ENCODERS, *MORE_FILTERS),
            )


def _version(program: str) -> str:
    words = run_child([program, "-version"]).decode("utf-8", "replace").split()
    return words[2] if len(words) > 2 else "unknown version"


def _try(topic: str, name: str, look: Callable[[], str], fix: str) -> Check:
    try:
        return Check(topic, name, True, look())
    except LocError as error:
        return Check(topic, name, False, error.what, fix)


def _backends(graph: Graph, settings: Settings) -> Iterator[Check]:
    shelf = Shelf(settings.data_dir)

    def there(need: Need) -> bool:
        return installed(need, shelf)

    told: set[str] = set()
    for stage in graph.stages:
        if not stage.backend:
            continue
        cards = [card for card in graph.cards(shelf) if card.stage == stage.name]
        checks = list(_of_stage(cards, settings, there))
        yield from checks
        told |= (besides := set(stage.also) - told)
        yield from _of_stage([card for card in graph.cards(shelf) if card.stage in besides], settings, there)
        if not any(check.ok for check in checks):
            supplied = stage.name in TEXT_STAGES
            yield Check(
                "backends",
                stage.name,
                False,
                "no backend works here" + (": only supplied text can be used" if supplied else ""),
                "Install one of the above.",
                required=not supplied,
            )


def _of_stage(cards: Sequence[Card], settings: Settings, there: Callable[[Need], bool]) -> Iterator[Check]:
    """One line for each backend; one that loads models has its best first, and counts them."""
    families: dict[str, list[Card]] = {}
    for card in sorted(cards, key=lambda one: (-QUALITIES.index(one.quality), one.rank)):
        families.setdefault(card.id, []).append(card)
    for models in families.values():
        checks = {card.model: _backend(card, settings, there) for card in models}
        if None in checks:
            yield checks[None]
            continue
        ready = [model for model, check in checks.items() if check.ok and model is not None]
        lawful = [card for card in models if _refused(card, settings) is None]
        first = checks[ready[0] if ready else (lawful or models)[0].model]
        here = f"{len(ready)} of {len(models)} models here" + (f": {', '.join(ready)}" if ready else "")
        short = bool(lawful) and all(_only_weights(card, there) for card in lawful)
        detail = here if ready or short else first.detail
        yield Check(
            "backends", models[0].id.replace("/", " "), bool(ready), detail, "" if ready else first.fix, False
        )


def _only_weights(card: Card, there: Callable[[Need], bool]) -> bool:
    """Whether nothing but weights is missing."""
    return all(need.kind == "weights" for need in card.needs if not there(need))


def _refused(card: Card, settings: Settings) -> str | None:
    """The part of a backend whose licence forbids the purpose, and why; None where all may be used."""
    for part in card.licences:
        if why := refusal(part.licence, settings.purpose):
            return f"{part.item}: {why}"
    return None


def _backend(card: Card, settings: Settings, there: Callable[[Need], bool]) -> Check:
    """One backend. A language pair whose data is missing is told, and does not make the backend missing."""
    name = card.choice.replace("/", " ")
    if why := _refused(card, settings):
        return Check("backends", name, False, f"refused: {why}", required=False)
    missing = [need for need in card.needs if not there(need)]
    if missing:
        return Check("backends", name, False, _names(missing), _installs(missing), required=False)
    pairs = card.languages.pairs or {}
    ready = [pair for pair, needs in pairs.items() if all(there(need) for need in needs)]
    absent = [need for needs in pairs.values() for need in needs if not there(need)]
    detail = f"{card.version}, {card.quality}, {card.family}"
    if pairs:
        detail += "; pairs: " + (", ".join(f"{source}-{target}" for source, target in ready) or "none")
    return Check("backends", name, bool(ready) or not pairs, detail, _installs(absent), required=False)


def _names(needs: Sequence[Need]) -> str:
    return "missing: " + ", ".join(f"{need.kind} {need.name}" for need in needs)


def _installs(needs: Sequence[Need]) -> str:
    return "; ".join(dict.fromkeys(need.install for need in needs if need.install))


def _work_dir(settings: Settings) -> Iterator[Check]:
    """Folder, locks and space. Opening the store tries its locks."""
    root = settings.work_dir.absolute()
    yield _try(
        "folders",
        "work directory",
        lambda: f"{WorkDir(root).root}, locks work",
        "Name another with --work-dir.",
    )
    try:
        existing = next(folder for folder in (root, *root.parents) if folder.exists())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        enough, detail = False, f"not known: {error.strerror}"
    else:
        enough, detail = free >= MIN_FREE_BYTES, f"{free / (1 << 30):.1f} GiB"
    yield Check(
        "folders",
        "free space",
        enough,
        detail,
        "Free some space, or name another place with --work-dir.",
        required=False,
    )


def _fonts() -> Check:
    """For subtitles that are drawn into the picture here, or by a player on this machine."""
    try:
        found = font_for("ja")
    except MissingError as error:
        return Check("fonts", "Japanese", False, error.what, error.fix, required=False)
    return Check("fonts", "Japanese", True, f"{found.family}, {found.path}", required=False)
