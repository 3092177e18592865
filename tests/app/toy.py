"""A toy graph: four stages over a real, tiny video, enough to test everything the application does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from loc.app.run import Graph
from loc.artifacts import Ref, Render
from loc.backend import Backend, Card, Host, Languages, Need
from loc.errors import LocError
from loc.runner import Action, Out
from loc.stage import Context, Slot, Stage
from loc.store.keys import digest_value


@dataclass(frozen=True)
class NoInputs:
    pass


@dataclass(frozen=True)
class TextInputs:
    raw: Slot[Ref]


@dataclass(frozen=True)
class DeliverInputs:
    raw: Slot[Ref]
    words: Slot[Ref]


class ToyError(LocError):
    """A stage of the toy graph failed on purpose."""


@dataclass
class Toy:
    """What the toy graph does, and what it has done."""

    made: list[str] = field(default_factory=list)
    fail_languages: set[str] = field(default_factory=set)
    defect_languages: set[str] = field(default_factory=set)
    notices: Mapping[str, str] = field(default_factory=dict)
    """Language -> what is said of it; "" -> what each says of the whole film."""
    before_make: Callable[[str], None] = lambda name: None
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def action(
        self, context: Context, name: str, inputs: Mapping[str, Any], make: Callable[[Out], None], **more: Any
    ) -> Ref:
        def counted(out: Out) -> None:
            self.before_make(name)
            make(out)
            self.made.append(name)

        stage = name.split(".")[0]
        made = context.runner.do(Action(name, 1, context.site(stage), inputs, **more), counted)
        return made.ref("out")

    def ingest(self, context: Context, _inputs: NoInputs) -> Ref:
        digest = context.job.digest
        return self.action(
            context, "ingest.read", {"file": digest}, lambda out: put(out, f"pixels of {digest}".encode())
        )

    def translate(self, context: Context, inputs: TextInputs) -> Ref:
        language = context.language
        if language in self.fail_languages:
            raise ToyError(f"no {language} today")
        source = inputs.raw.get()
        supplied = context.job.translations.get(str(language))
        if supplied is not None:
            text = digest_value(context.store.read_bytes(supplied.ref).decode())
            return self.action(
                context,
                "translate.take",
                {"text": text},
                lambda out: put(out, b"taken"),
                params={"to": language},
            )
        backend = context.backend("translate", language)
        if "" in self.notices:
            context.runner.notice("toy", self.notices[""])
        if said := self.notices.get(str(language)):
            context.notice("toy", said)
        if language in self.defect_languages:
            context.runner.defect("translate", "line 1", "toy", "not quite right", language)
        return self.action(
            context,
            "translate.line",
            {"source": source},
            lambda out: put(out, f"{context.store.read_bytes(source).decode()} in {language}".encode()),
            params={"to": language},
            backend=(backend.card.id, backend.card.version),
        )

    def deliver(self, context: Context, inputs: DeliverInputs) -> Render:
        source, text = inputs.raw.get(), inputs.words.get()
        read = context.store.read_bytes
        media = self.action(
            context,
            "deliver.mux",
            {"source": source, "text": text},
            lambda out: put(out, b"video: " + read(source) + read(text)),
            params={"crf": context.settings.crf},
        )
        return Render(language=str(context.language), media=media, container="mp4", subtitles=text)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (
            Stage("ingest", "raw", NoInputs, self.ingest, per_language=False, backend=False),
            Stage("translate", "words", TextInputs, self.translate, per_language=True, backend=True),
            Stage("deliver", "render", DeliverInputs, self.deliver, per_language=True, backend=False),
        )

    def backend(self, **changes: Any) -> type[Backend]:
        """A translator class whose card has these changes."""
        toy = self
        given = Card(
            stage="translate",
            name="toy",
            version="1",
            summary="Puts words in a row.",
            family="embedded",
            quality="basic",
            runs="in-process",
            languages=Languages(target=("ja", "es", "de")),
        )

        class Translator:
            card: ClassVar[Card] = replace(given, **changes)

            def __init__(self, host: Host) -> None:
                assert host.scratch.is_dir()
                toy.opened.append(self.card.name)

            def fingerprint(self) -> Mapping[str, str]:
                return {}

            def close(self) -> None:
                toy.closed.append(self.card.name)

        return Translator

    def graph(self, *backends: type[Backend]) -> Graph:
        chosen = backends or (self.backend(),)
        return Graph(self.stages, {item.card.id: item for item in chosen})


def put(out: Out, data: bytes) -> None:
    out.bytes("out", data)


MISSING = Need("program", "no-such-program", "sudo apt-get install no-such-program")
