"""The sequential stage graph: the one place that declares which stages there are, and in which order."""

from __future__ import annotations

from functools import partial

from loc.stage import FINALS, HEAR, SPEAKERS, Stage
from stages.deliver import contract as deliver_contract
from stages.deliver import stage as deliver
from stages.dub import casting
from stages.dub import contract as dub_contract
from stages.dub import stage as dub
from stages.ingest import contract as ingest_contract
from stages.ingest import stage as ingest
from stages.lipsync import contract as lipsync_contract
from stages.lipsync import stage as lipsync
from stages.separate import contract as separate_contract
from stages.separate import stage as separate
from stages.transcribe import contract as transcribe_contract
from stages.transcribe import stage as transcribe
from stages.translate import contract as translate_contract
from stages.translate import stage as translate

STAGES: tuple[Stage, ...] = (
    Stage("ingest", "source", ingest_contract.Inputs, ingest.run),
    Stage("separate", "stems", separate_contract.Inputs, separate.run, backend=True),
    Stage(
        "transcribe",
        "transcript",
        transcribe_contract.Inputs,
        transcribe.run,
        backend=True,
        also=(SPEAKERS,),
    ),
    Stage(
        "translate",
        "translation",
        translate_contract.Inputs,
        partial(translate.run, voices=casting.voices),
        per_language=True,
        backend=True,
    ),
    Stage("dub", "dub", dub_contract.Inputs, dub.run, per_language=True, backend=True, also=(SPEAKERS, HEAR)),
    Stage(
        "lipsync",
        "lipsync",
        lipsync_contract.Inputs,
        lipsync.run,
        per_language=True,
        backend=True,
        also=(FINALS,),
    ),
    Stage("deliver", "render", deliver_contract.Inputs, deliver.run, per_language=True),
)
