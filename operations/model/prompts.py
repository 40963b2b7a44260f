"""How an event is put to a model: one format for training, scoring and generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from operations.contract import Refusal
from operations.model import tasks
from operations.model.tasks import Task

MARK = "\N{WHITE SQUARE}"
ASK = "Classify this security event: "
ANSWER = "\nClass:"


@dataclass(frozen=True, slots=True)
class Format:
    """Tokens before and after an event, and how a label begins; made once a model.

    A tokenizer with a chat template is asked by it, the event as the user's turn; another in plain words.
    """

    tokenizer: Any
    before: tuple[int, ...]
    after: tuple[int, ...]
    lead: str
    end: int
    length: int
    """Tokens of a prompt at most; a longer event loses its end, never the tokens around it."""

    def prompt(self, text: str) -> tuple[list[int], bool]:
        """The prompt's tokens, and whether the event was cut."""
        return self.around(self.encode(text))

    def around(self, event: Sequence[int]) -> tuple[list[int], bool]:
        """The prompt's tokens around those of an event, and whether the event was cut."""
        room = self.length - len(self.before) - len(self.after)
        return [*self.before, *event[:room], *self.after], len(event) > room

    def prompts(self, texts: Sequence[str]) -> list[tuple[list[int], bool]]:
        """`prompt` of each text, tokenised together: many times faster where the tokenizer can."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            return [self.prompt(text) for text in texts]
        room = self.length - len(self.before) - len(self.after)
        found = [encoded.ids for encoded in backend.encode_batch(list(texts), add_special_tokens=False)]
        return [([*self.before, *inner[:room], *self.after], len(inner) > room) for inner in found]

    def label(self, label: str) -> list[int]:
        """The tokens of the answer ``label``, the one that ends it included."""
        return [*self.encode(self.lead + label), self.end]

    def encode(self, text: str) -> list[int]:
        """Tokens of bare text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))


def format_for(tokenizer: Any, length: int, task: Task = tasks.FIRST) -> Format:
    """The format for mlx_lm's tokenizer and a task; what the task asks comes after the event.

    Raises Refusal if the tokenizer has no end token, or if the length leaves no room for an event.
    """
    if tokenizer.eos_token_id is None:
        raise Refusal("the model's tokenizer has no end token, so that no answer of it could end")
    if tokenizer.chat_template is not None:
        turn = [{"role": "user", "content": MARK + tasks.question(task)}]
        text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        before, found, after = text.partition(MARK)
        if not found:
            raise Refusal("the model's chat template leaves out what the user says")
        head, tail, lead = tokenizer.encode(before, add_special_tokens=False), after, ""
    else:
        head, tail, lead = tokenizer.encode(ASK), tasks.question(task) + ANSWER, " "
        # Some tokenizers close what they encode; the prompt goes on.
        if head and head[-1] == tokenizer.eos_token_id:
            head = head[:-1]
    made = Format(
        tokenizer=tokenizer,
        before=tuple(head),
        after=tuple(tokenizer.encode(tail, add_special_tokens=False)),
        lead=lead,
        end=int(tokenizer.eos_token_id),
        length=length,
    )
    if length < len(made.before) + len(made.after) + 8:
        raise Refusal(f"an input of {length} tokens leaves no room: the prompt's own take all but a few")
    return made


@dataclass(frozen=True, slots=True)
class Branch:
    """A point where labels part: ``prefix`` are the tokens of the answer so far, ``next`` the tokens that may follow.

    ``members[i]`` are the labels (by index) whose answer goes on with ``next[i]``.
    """

    prefix: tuple[int, ...]
    next: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]


def branches(answers: Sequence[Sequence[int]]) -> tuple[Branch, ...]:
    """The branching points of the answers' prefix tree, the root first.

    With distinct first tokens the root is all of it. Raises ValueError if two answers are equal.
    """
    found: list[Branch] = []
    waiting: list[tuple[tuple[int, ...], list[int]]] = [((), list(range(len(answers))))]
    while waiting:
        prefix, members = waiting.pop(0)
        following: dict[int, list[int]] = {}
        for index in members:
            if len(answers[index]) <= len(prefix):
                raise ValueError(f"answers {members} begin alike and one ends there")
            following.setdefault(answers[index][len(prefix)], []).append(index)
        if len(following) > 1 or not prefix:
            found.append(Branch(prefix, tuple(following), tuple(tuple(m) for m in following.values())))
        waiting += [((*prefix, token), some) for token, some in following.items() if len(some) > 1]
    return tuple(found)
