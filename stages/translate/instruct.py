"""A local instruction model as a translator: any causal language model with a chat template, on this machine.

It is asked as an endpoint is (`dialogue`), and answers by greedy decoding, without chance. The form of the
answer is only asked for, not enforced: what cannot be read is asked for again in halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from loc import packages
from loc.backend import Card, Host, LicensedPart, Need, Speech, Tried
from loc.device import if_memory_lasts
from loc.errors import InputError, LocError
from stages.translate.checkpoint import load_model, reading
from stages.translate.dialogue import Answer, Conversation, Messages, Reply
from stages.translate.scene import Said, Scene
from stages.translate.thanks import give_thanks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROOM = 1536
"""Tokens an answer may take: a dozen lines in a script of a token for each sign, and the JSON around."""


class Instruct(Conversation):
    """Talks to a model of its own."""

    card: ClassVar[Card] = Card(
        stage="translate",
        name="instruct",
        version="6",
        summary="A local instruction model with a chat template, e.g. Qwen3.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=(
            Need("package", "torch", "pip install 'loc[neural]'"),
            Need("package", "transformers", "pip install 'loc[neural]'"),
        ),
        licences=(LicensedPart("code", "transformers", "apache-2_0"),),
        memory_mb=9000,
        architecture="instruct",
    )

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._host = host
        self._weights = host.weights(host.model)
        row = self._weights.row
        self._net = host.resident(row.title, row.memory_mb or self.card.memory_mb, self._read)

    def fingerprint(self) -> Mapping[str, str]:
        """Versions of the packages, digests of the weights, and how decoding is set."""
        named = ("torch", "transformers", "tokenizers")
        return {
            **{name: packages.version(name) for name in named},
            **self._weights.fingerprint(),
            "decoding": f"greedy, room {ROOM}, dtype as published",
        }

    def complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:
        """Let the model answer.

        Raises:
            InputError: the request is longer than the model reads, memory ends with it, or the model cannot
                be used: it has no chat template, or does not say how much it reads or what ends an answer.
        """
        import torch
        from transformers import GenerationConfig

        with self._net as model:
            network: Any = model
            ids = self._tokens(messages)
            if len(ids) + ROOM > self._longest:
                raise InputError("The scene is too long for the translator.")
            ends = self._ends
            decoding = GenerationConfig(  # type: ignore[no-untyped-call]
                do_sample=False, num_beams=1, max_new_tokens=ROOM, eos_token_id=ends, pad_token_id=ends[0]
            )
            # What the checkpoint suggests, chance among it, would fill what is not said here.
            network.generation_config = decoding

            def answer() -> list[int]:
                rows = torch.tensor([ids], device=network.device)
                with torch.inference_mode():
                    made = network.generate(
                        input_ids=rows, attention_mask=torch.ones_like(rows), generation_config=decoding
                    )
                return list(made[0, len(ids) :].tolist())

            said = if_memory_lasts(answer)
        if said is None:
            if len(wanted) > 1:
                # Whoever asks does so again in halves, as of a scene that an endpoint turns down.
                self._host.notice(
                    "memory-halved",
                    f"Memory ended with {len(wanted)} lines asked of {self._weights.row.title}; going on "
                    "with half of them at a time.",
                )
            raise InputError(
                "Memory ended with the scene.",
                fix="Name another device with --device, or a smaller model with --backend.",
            )
        content = str(self._tokenizer.decode(said, skip_special_tokens=True))
        cut = not said or said[-1] not in ends
        return Reply(content, content.encode(), len(ids), len(said), cut=cut)

    def self_check(self, speech: Speech) -> Iterator[Tried]:  # noqa: ARG002 - nothing is heard
        """Say thanks, as a scene of one line, in the languages it knows."""

        def translate(sentence: str, source: str, target: str) -> str | LocError:
            made = self.translate_scene(Scene(source, target, (Said("A", sentence),)), (0,))[0]
            return made.text if isinstance(made, Answer) else made

        return give_thanks(self._weights.row.languages, translate)

    def close(self) -> None:
        """Free the model."""
        self._net.close()

    def _tokens(self, messages: Messages) -> list[int]:
        text = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _read(self, device: str) -> PreTrainedModel:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        title, folder = self._weights.row.title, self._folder()
        with reading(title):
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not self._tokenizer.chat_template:
            raise _unusable(
                title, "Its tokenizer has no chat template: it was not trained to follow instructions."
            )
        model: Any = load_model(AutoModelForCausalLM, folder, title, dtype="auto")
        longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if longest is None:
            raise _unusable(title, "Its configuration has no max_position_embeddings: how much does it read?")
        self._longest = int(longest)
        self._ends = _ends(self._tokenizer, model)
        if not self._ends:
            raise _unusable(
                title, "Neither its tokenizer nor its configuration names a token that ends a text."
            )
        placed: PreTrainedModel = model.to(device)
        return placed

    def _folder(self) -> Path:
        return self._weights.gathered(self._host.scratch)


def _ends(tokenizer: Any, model: Any) -> list[int]:
    """Tokens that end an answer: the tokenizer's, and those named by the configuration, which may have a part
    for text, and by that of decoding."""
    places = (tokenizer, model.config, model.config.get_text_config(), model.generation_config)
    found: list[int] = []
    for place in places:
        named = getattr(place, "eos_token_id", None)
        found += named if isinstance(named, list) else [] if named is None else [named]
    return list(dict.fromkeys(found))


def _unusable(title: str, why: str) -> InputError:
    fix = "Name an instruction model with --backend translate=instruct:ID."
    return InputError(f"{title} cannot be used.", why=why, fix=fix)
