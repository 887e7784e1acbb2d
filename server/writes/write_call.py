"""One call of a tool that writes, and who makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

from mcp_types import InputRequiredResult
from pydantic import Field, field_validator

from server.ledger.entries import New, digest
from server.ledger.state_machine import Keeps
from server.text.redaction import redacted
from server.writes.plan import Plan
from tools.backends import Backends
from tools.fields import BodyId
from tools.schema import Arguments
from tools.tool import AnyTool, Write
from tools.vendor_http.replies import printable


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said to a question; cancel: they closed it. question: names it, so that a yes counts once."""

    said: Literal["accept", "decline", "cancel"]
    question: str


class NeedsInput(Exception):
    """The call is answered with a question."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__()
        self.result = result


class Asker(Protocol):
    """Who asks the person in the client."""

    async def ask(self, question: str, about: str) -> Word:
        """What the person says. about: names what their word is for; one given for something else does not count."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    principal: as the record names them. asker: None where the client cannot ask, and its own permission prompt has to
    do. id: names who is let in over HTTP; None on stdio. scopes: what they may do; None is everything.
    """

    principal: str = "unknown"
    asker: Asker | None = None
    id: str | None = None
    scopes: frozenset[str] | None = None


class WriteOptions(Arguments):
    """How any write is made."""

    dry_run: bool | None = Field(default=None, description="Only show it.")


class KeyedWriteOptions(WriteOptions):
    """How a write is made whose success answers the same call later."""

    idempotency_key: BodyId | None = Field(default=None, description="New: another on purpose.")

    @field_validator("idempotency_key")
    @classmethod
    def _is_the_same_with_space_around_it(cls, key: str | None) -> str | None:
        return key.strip() if key is not None else None


def options_of(tool: AnyTool) -> type[WriteOptions] | None:
    if not isinstance(tool.effect, Write):
        return None
    return KeyedWriteOptions if tool.effect.replays_success else WriteOptions


@dataclass(frozen=True, slots=True)
class WriteCall:
    """One call of a tool that writes, its arguments checked."""

    tool: AnyTool
    arguments: Arguments
    options: KeyedWriteOptions
    backends: Backends
    caller: Caller

    @property
    def effect(self) -> Write[Any]:
        return cast("Write[Any]", self.tool.effect)

    @property
    def is_consequential(self) -> bool:
        return self.effect.consequential(self.arguments)

    @property
    def title(self) -> str:
        """What it does, as far as its arguments tell; of what is not made anew, with what is changed."""
        told = f"{self.tool.title}: {self.effect.subject(self.arguments)}"
        if self.effect.replays_success:
            return told
        given = self.arguments.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        kept = redacted({n: v for n, v in given.items() if not n.endswith("_id")}, self.backends.sent_tokens)
        return f"{told} ({', '.join(f'{name} {printable(str(value), limit=60)}' for name, value in kept.items())})"

    def new(self, plan: Plan | None = None, note: str = "recorded", question: str | None = None) -> New:
        """It as the record takes it."""
        effect = self.effect
        given = self.arguments.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        subject = storable(effect.subject(self.arguments))
        keeps: Keeps = "success" if effect.replays_success else "doubt"
        return New(
            scope=self.backends.scope(),
            tool=self.tool.name,
            subject=subject,
            resource=storable(effect.resource(self.arguments)) if effect.resource else subject,
            idempotency_key=self.options.idempotency_key,
            keeps=keeps,
            fingerprint=digest({name: value for name, value in given.items() if name not in effect.display_arguments}),
            principal=storable(self.caller.principal),
            caller=self.caller.id,
            does=storable(plan.does if plan else self.title),
            arguments=redacted(given, self.backends.sent_tokens),
            plan=plan.shown() if plan else None,
            question=question,
            note=note,
        )


def storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
