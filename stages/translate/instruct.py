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
from stages.translate.checkpoint import gathered, load_model, reading
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
        version="2",
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

    def complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:  # noqa: ARG002 - as endpoints
        """Let the model answer.

        Raises:
            InputError: the request is longer than the model reads, or memory ends with it.
        """
        import torch
        from transformers import GenerationConfig

        with self._net as model:
            network: Any = model
            ids = self._tokens(messages)
            longest = int(network.config.max_position_embeddings)
            if len(ids) + ROOM > longest:
                raise InputError("The scene is too long for the translator.")
            ends = self._ends(network)
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

    def _ends(self, model: Any) -> list[int]:
        """Tokens that end an answer: the tokenizer's, and those the configuration names."""
        named = model.config.eos_token_id
        found = named if isinstance(named, list) else [named]
        return list(dict.fromkeys([self._tokenizer.eos_token_id, *(one for one in found if one is not None)]))

    def _read(self, device: str) -> PreTrainedModel:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        title, folder = self._weights.row.title, self._folder()
        with reading(title):
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not self._tokenizer.chat_template:
            raise InputError(
                f"{title} cannot be used.",
                why="Its tokenizer has no chat template: it was not trained to follow instructions.",
                fix="Name an instruction model with --backend translate=instruct:ID.",
            )
        model: Any = load_model(AutoModelForCausalLM, folder, title, dtype="auto")
        placed: PreTrainedModel = model.to(device)
        return placed

    def _folder(self) -> Path:
        return gathered(self._weights, self._host.scratch)
