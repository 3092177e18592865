"""What a finished run has made, for commands that go on from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from loc.app.plan import looking
from loc.app.run import Graph, Prepared
from loc.app.walk import Slots, informed, make_stage, places
from loc.errors import MissingError
from loc.runner import NotMade
from loc.settings import Settings
from loc.stage import Context
from loc.store.workdir import WorkDir


@contextlib.contextmanager
def finished(
    prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings, *wanted: str
) -> Iterator[tuple[Context, Slots]]:
    """The artifacts of these slots, as made earlier, and a context in look mode. Nothing is made.

    Raises:
        NotMade: a run with these settings has not come that far.
        MissingError: a backend that it was made with is gone.
    """
    slots, left = Slots(), set(wanted)
    with looking(prepared, graph, store, settings) as given:
        context = given
        for stage, language in places(graph.stages, prepared.job.languages):
            if not left:
                break
            make_stage(stage, context, slots, language)
            context = informed(context, slots.value(stage.makes, language))
            left.discard(stage.makes)
        if left:
            raise NotMade(min(left))
        yield context, slots


def not_made(prepared: Prepared, store: WorkDir, what: str, missing: NotMade) -> MissingError:
    """The error that says what has to be run first.

    Args:
        what: is not there yet, as a sentence begins: `The transcript`.
    """
    job = prepared.job
    return MissingError(
        f"{what} of {job.path.name} has not been made yet.",
        why=f"With these settings there is no finished {missing.stage} in {store.root}.",
        fix=f"Run `loc run {job.path} --lang {job.languages[0]}` first, with the same settings.",
    )
