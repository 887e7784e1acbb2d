"""One call of a tool that writes: its arguments, its options, and who makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

from mcp_types import InputRequiredResult
from pydantic import Field, field_validator

from server.ledger.entries import NewOperation, digest
from server.ledger.state_machine import ClaimLifetime
from server.text.redaction import redacted
from tools.backends import Backends
from tools.fields import BodyId
from tools.schema import Arguments
from tools.tool import AnyTool, Write
from tools.vendor_http.replies import printable


@dataclass(frozen=True, slots=True)
class PersonsAnswer:
    """A person's answer to a question. cancel: they closed it. question: names the question, so that a yes counts
    once."""

    action: Literal["accept", "decline", "cancel"]
    question: str


class NeedsInput(Exception):
    """The call is answered with a question. The client makes it again with the person's answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__()
        self.result = result


class Asker(Protocol):
    """Asks the person who uses the client."""

    async def ask(self, question: str, agreement: str) -> PersonsAnswer:
        """The person's answer. agreement: names what they agree to; an answer that was given for another one does not
        count."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    principal: the name that the ledger stores. asker: None where the client cannot ask its person, so that its own
    permission prompt has to do. id: names the caller over HTTP; None on stdio. scopes: what the caller may do; None is
    everything.
    """

    principal: str = "unknown"
    asker: Asker | None = None
    id: str | None = None
    scopes: frozenset[str] | None = None


class WriteOptions(Arguments):
    """The options of every write."""

    dry_run: bool | None = Field(default=None, description="Only show it.")


class KeyedWriteOptions(WriteOptions):
    """The options of a write whose success answers the same call later."""

    idempotency_key: BodyId | None = Field(default=None, description="New: another on purpose.")

    @field_validator("idempotency_key")
    @classmethod
    def _is_the_same_with_space_around_it(cls, key: str | None) -> str | None:
        return key.strip() if key is not None else None


def options_of(tool: AnyTool) -> type[WriteOptions] | None:
    """The options that a call of the tool may give. None for a tool that does not write."""
    if not isinstance(tool.effect, Write):
        return None
    return KeyedWriteOptions if tool.effect.replays_success else WriteOptions


@dataclass(frozen=True, slots=True)
class WriteCall:
    """One call of a tool that writes, with its arguments checked."""

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
        """Whether a person has to confirm it."""
        return self.effect.consequential(self.arguments)

    @property
    def title(self) -> str:
        """What the call does, as far as its arguments say. For an update this includes the new values."""
        title = f"{self.tool.title}: {self.effect.subject(self.arguments)}"
        if self.effect.replays_success:
            return title
        given = self.arguments.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        values = redacted({n: v for n, v in given.items() if not n.endswith("_id")}, self.backends.sent_tokens)
        return f"{title} ({', '.join(f'{name} {printable(str(value), limit=60)}' for name, value in values.items())})"

    def new_operation(self, note: str = "recorded", question: str | None = None) -> NewOperation:
        """The operation that the ledger records for this call."""
        effect = self.effect
        given = self.arguments.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        subject = storable(effect.subject(self.arguments))
        keeps: ClaimLifetime = "success" if effect.replays_success else "doubt"
        return NewOperation(
            scope=self.backends.scope(),
            tool=self.tool.name,
            subject=subject,
            resource=storable(effect.resource(self.arguments)) if effect.resource else subject,
            idempotency_key=self.options.idempotency_key,
            keeps=keeps,
            fingerprint=digest({name: value for name, value in given.items() if name not in effect.display_arguments}),
            principal=storable(self.caller.principal),
            caller=self.caller.id,
            does=storable(self.title),
            arguments=redacted(given, self.backends.sent_tokens),
            question=question,
            note=note,
        )


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL does not store."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
