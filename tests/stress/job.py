"""A small real job for the tests that kill it, starve it, damage its store and run it beside itself."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil

from loc.app.record import RunRecord, events, runs
from loc.events import ActionDone
from loc.store.keys import digest_file
from loc.store.workdir import ActionRecord, WorkDir
from tests.presenter import MINA, OTTO, Said, Script, Shot, render, write_subtitles

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Script(
    lines=(Said(OTTO, "Maybe people move.", pause=0.3), Said(MINA, "Bob saw a papa bear.", pause=0.5)),
    shots=(Shot(0, "medium", "study", (OTTO,)), Shot(1, "close", "plain", (MINA,))),
    tail=0.3,
    size=(256, 144),
    fps=Fraction(12),
    music=False,
)
"""Two lines in two shots, 3.5 s and 42 frames: one chunk is redrawn, one is not, for its lips are too few
pixels to be told."""

TEXTS = {
    "ja": ("人が動くかもしれない。", "ボブがパパを見た。"),
    "es": ("Quizá la gente se mueve.", "Bob vio a su papá."),
}
LIMIT_S = 300
"""No run of this job takes longer, however busy the machine is; one that does hangs."""

_MARK = "LOC_TEST_MARK"


def draw(folder: Path) -> Path:
    """Draw the film with its transcript beside it; the path of the film."""
    folder.mkdir(parents=True)
    video = folder / "talk.mp4"
    truth = render(SCRIPT, video)
    write_subtitles(folder / "talk.en.srt", truth.lines, [line.text for line in truth.lines])
    for language, texts in TEXTS.items():
        write_subtitles(folder / f"{language}.srt", truth.lines, texts)
    return video


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    @property
    def misses(self) -> int:
        """Actions made, by the result line."""
        return int(self.events[-1]["inputs"][0]["misses"])

    @property
    def notices(self) -> list[str]:
        return [event["code"] for event in self.events if event["type"] == "notice"]


@dataclass
class Running:
    """A run under way, the leader of a process group and session of its own."""

    process: subprocess.Popen[str]
    mark: str
    limit_s: int = LIMIT_S

    def wait(self) -> Ended:
        stdout, stderr = self.process.communicate(timeout=self.limit_s)
        return Ended(self.process.returncode, stdout, stderr)

    def family(self) -> list[psutil.Process]:
        """Every living process of the run: of its session, or with its mark in the environment."""
        return [process for process in psutil.process_iter() if self._belongs(process)]

    def _belongs(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return os.getsid(process.pid) == self.process.pid or process.environ().get(_MARK) == self.mark
        except (psutil.Error, ProcessLookupError):
            return False

    def programs(self) -> set[str]:
        """Names of the programs that are running now."""
        found = set()
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                found.add(process.name())
        return found

    def survivors(self) -> list[psutil.Process]:
        """Who is still there a moment after the run has ended; the kernel needs that to end its children."""
        _, alive = psutil.wait_procs(self.family(), timeout=10)
        return alive


@dataclass
class Job:
    """The film, a work directory and an output folder."""

    video: Path
    work: Path
    out: Path
    languages: tuple[str, ...] = ("ja",)
    supplied: bool = True
    """Whether the translations are given; else they are made."""
    environment: Mapping[str, str] = field(default_factory=dict)
    limit_s: int = LIMIT_S
    program: str = "cli"
    """Module that is run as `loc`."""

    def arguments(self) -> list[str]:
        given = self.languages if self.supplied else ()
        texts = (f"{language}={self.video.parent / f'{language}.srt'}" for language in given)
        return [
            *("run", str(self.video), "--lang", ",".join(self.languages), "--json"),
            *(part for text in texts for part in ("--translation", text)),
            *("--work-dir", str(self.work), "-o", f"{self.out}/"),
        ]

    def start(self, *more: str, **options: Any) -> Running:
        """Start `loc run` with further arguments."""
        mark = secrets.token_hex(8)
        process = subprocess.Popen(
            [sys.executable, "-m", self.program, *self.arguments(), *more],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        return Running(process, mark, self.limit_s)

    def run(self, *more: str, **options: Any) -> Ended:
        return self.start(*more, **options).wait()

    def store(self) -> WorkDir:
        return WorkDir(self.work)

    def media(self) -> dict[str, str]:
        """SHA-256 of the videos and subtitles that were written. Reports tell of their run and differ."""
        return {
            path.name: digest_file(path)
            for path in sorted(self.out.glob("*"))
            if path.suffix in (".mp4", ".srt")
        }

    def unfinished(self) -> list[Path]:
        """What no run may leave in the output folder."""
        return list(self.out.glob(".*"))

    def records(self) -> dict[str, ActionRecord]:
        return {record.key: record for record in self.store().actions()}

    def newest(self) -> RunRecord:
        return next(runs(self.store()))

    def made(self, run: str) -> set[str]:
        """Keys of what a run has made, as far as its log goes."""
        logged = events(self.store(), run)
        return {event.key for event in logged if isinstance(event, ActionDone) and not event.hit}

    def start_afresh(self) -> None:
        """Forget all work and all outputs."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.out, ignore_errors=True)

    def elsewhere(self, folder: Path) -> Job:
        """The same job with a copy of the work directory and no outputs."""
        shutil.copytree(self.work, folder / "work")
        return replace(self, work=folder / "work", out=folder / "out")


def whole(store: WorkDir) -> Iterator[str]:
    """Every object; each must be what its name says."""
    for sha256, path in store.objects():
        assert digest_file(path) == sha256, f"{path} is damaged"
        yield sha256
