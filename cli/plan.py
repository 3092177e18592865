"""`loc plan`: what a run would do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.graph import load_graph
from cli.options import LOOK_FIELDS, JsonFlag, with_settings
from cli.output import say, table, write_json
from loc import environments
from loc.app.models import bytes_in_words
from loc.app.plan import Offer, Row, plan
from loc.app.run import prepare
from loc.backend import Rejected
from loc.settings import Settings
from loc.stage import CutOutlook
from loc.store.workdir import WorkDir

app = typer.Typer(add_completion=False)

HEADER = ("stage", "backend", "state", "estimate")
CUT_HEADER = ("cut", "frames", "route", "device", "because")

WITHOUT = {"finals": "drafts stay", "speakers": "pitch and timbre alone", "hear": "words are not checked"}
"""What becomes of work for which a stage has backends besides its own, where there is none."""


@app.command(name="plan")
@with_settings(*LOOK_FIELDS)
def show(
    video: Annotated[Path, typer.Argument(help="Video file.", show_default=False)],
    settings: Settings,
    as_json: JsonFlag = False,
) -> None:
    """Show what a run would do, with which backends and why, what is made already, and what is known of cuts.

    Estimates come only from actions recorded in this work directory. Nothing is made.
    """
    graph = load_graph()
    store = WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    rows = plan(prepared, graph, store, settings)
    if as_json:
        write_json({"input": str(video), "rows": [_as_json(row) for row in rows]})
        return
    for notice in prepared.notices:
        say(f"note: {notice.message}")
    for line in table([_cells(row) for row in rows], HEADER):
        typer.echo(line)
    for row in rows:
        if row.room is not None:
            typer.echo(f"\nMemory for {_place(row)}: {row.room}")
    _print_cuts(rows)
    _print_offers(rows)
    _print_rejected(rows)


def _cells(row: Row) -> tuple[str, str, str, str]:
    backend = "-"
    if row.card is not None:
        name = row.card.choice.partition("/")[2]
        backend = f"{name} ({row.card.quality}, {row.card.family})"
    elif row.needs_backend:
        backend = "none"
    return _place(row), backend, _state(row), _estimate(row)


def _state(row: Row) -> str:
    if row.part_of is not None:
        return f"part of {row.part_of}" if row.card is not None else WITHOUT.get(row.stage, "not done")
    parts = [f"{row.hits} hit" if row.hits else "", f"{row.misses} miss" if row.misses else ""]
    if row.waits_for is not None:
        parts.append(f"depends on {row.waits_for}")
    if row.problem is not None:
        parts.append(row.problem)
    return ", ".join(part for part in parts if part) or "nothing to do"


def _estimate(row: Row) -> str:
    if row.estimate is not None:
        more = " and more" if row.waits_for else ""
        return f"{row.estimate.seconds:.1f} s{more} (n={row.estimate.measured})"
    return "not measured" if row.misses or row.waits_for else "-"


def _print_cuts(rows: list[Row]) -> None:
    """What is known of each cut, and why."""
    for row in rows:
        if row.cuts:
            open_ones = "" if row.cuts[0].chosen else "; which get finals is told when drafts are scored"
            typer.echo(f"\nCuts of {_place(row)}{open_ones}:")
            for line in table([_cut_cells(cut) for cut in row.cuts], CUT_HEADER):
                typer.echo(f"  {line}")


def _cut_cells(cut: CutOutlook) -> tuple[str, ...]:
    frames = f"{cut.frames.start}-{cut.frames.stop - 1}"
    device = "-"
    if cut.to_draw:
        device = (
            "not measured" if cut.device_seconds is None else f"{cut.device_seconds:.1f} s (n={cut.measured})"
        )
    told = [reason.detail for reason in cut.reasons]
    if cut.better is not None:
        told.append(f"A better model could draw its final anew: --backend finals={cut.better}.")
    because = " ".join(told) or "-"
    return str(cut.number), frames, cut.route, device, because


def _print_offers(rows: list[Row]) -> None:
    lines = [
        f"{_place(row)}: {offer.card.choice.partition('/')[2]} ({offer.card.quality}): {offer.command}  "
        f"({'; '.join((*_size(offer), *offer.licences, *offer.access))})"
        for row in rows
        for offer in row.offers
    ]
    if lines:
        typer.echo("\nBetter, once they are here:")
        for line in dict.fromkeys(lines):
            typer.echo(f"  {line}")


def _size(offer: Offer) -> tuple[str, ...]:
    """What it takes on disk, in words."""
    pulled = (bytes_in_words(offer.bytes, exact=False),) if offer.weights else ()
    rooms = [environments.known()[one] for one in offer.environments if one in environments.known()]
    return (*pulled, *(f"{room.size} for its environment" for room in rooms))


def _print_rejected(rows: list[Row]) -> None:
    """One line for each backend and reason; of one with many models, all in it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for item in row.rejected:
            name = f"{_place(row)}: {item.card.name} ({item.card.quality}, {item.card.family})"
            shared = item.card.model is not None and item.gate == "needs"
            reason = "missing: weights" if shared and _lacks_weights(item) else item.reason
            models = reasons.setdefault((name, reason), [])
            if item.card.model is not None and item.card.model not in models:
                models.append(item.card.model)
    if reasons:
        typer.echo("\nNot taken:")
        for (name, reason), models in reasons.items():
            typer.echo(f"  {name}: {reason}" + (f" ({', '.join(models)})" if models else ""))


def _lacks_weights(item: Rejected) -> bool:
    return all(need.kind == "weights" for need in item.missing)


def _place(row: Row) -> str:
    return f"{row.stage} {row.language}" if row.language else row.stage


def _as_json(row: Row) -> dict[str, Any]:
    card = row.card
    return {
        "stage": row.stage,
        "language": row.language,
        "backend": None if card is None else {
            "name": card.name, "version": card.version, "quality": card.quality, "family": card.family
        },
        "needs_backend": row.needs_backend,
        "hits": row.hits,
        "misses": row.misses,
        "depends_on": row.waits_for,
        "problem": row.problem,
        "part_of": row.part_of,
        "memory": row.room,
        "estimate": None if row.estimate is None else dataclasses.asdict(row.estimate),
        "cuts": [
            {"number": cut.number, "shot": cut.shot + 1, "frames": [cut.frames.start, cut.frames.stop],
             "face": cut.face, "route": cut.route, "finals_chosen": cut.chosen, "final_to_draw": cut.to_draw,
             "device_seconds": cut.device_seconds, "measured": cut.measured,
             "better_model": cut.better,
             "reasons": [f"{reason.code}: {reason.detail}" for reason in cut.reasons]}
            for cut in row.cuts
        ],
        "offers": [
            {"name": offer.card.name, "model": offer.card.model, "quality": offer.card.quality,
             "make": list(offer.environments), "pull": list(offer.weights), "bytes": offer.bytes,
             "licences": list(offer.licences), "access": list(offer.access)}
            for offer in row.offers
        ],
        "not_taken": [
            {"name": item.card.name, "model": item.card.model, "gate": item.gate, "reason": item.reason,
             "install": [need.install for need in item.missing if need.install]}
            for item in row.rejected
        ],
    }  # fmt: skip
