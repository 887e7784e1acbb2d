"""The error for an answer that is no success: its class, its message and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.errors import (
    AdOpsError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tools.vendor_http.replies import Answer, Kind

REFUSALS = frozenset({*range(400, 408), *range(409, 418), 421, 422, 423, 426, 428, 429, 431, 451})
"""The statuses that prove, by HTTP's registry, that nothing was carried out. A proxy's 407 is one: it passes nothing
on.

408, 424 and 425 are left out, because gateways also use them when the work took too long or failed further on. So are
statuses in no registry: nginx's 499 and a load balancer's 460 say that somebody gave up waiting.
"""


@dataclass(frozen=True, slots=True)
class Hints:
    """What only the caller knows about a request, for its error texts.

    by_status: the next step for a status, instead of the general one. by_code: the next step for a code of the vendor,
    which goes before by_status. look: for a write, how a person or agent finds out whether it was carried out.
    """

    by_status: Mapping[int, str] = field(default_factory=dict[int, str])
    by_code: Mapping[str, str] = field(default_factory=dict[str, str])
    look: str = ""


def refusal(answer: Answer, hints: Hints, setting: str | None) -> AdOpsError:
    """The error for an answer that is no success. setting: the one that the credentials came from, if any were sent."""
    reply, status = answer.reply, answer.status
    kind, otherwise = _MEANINGS.get(status, (Refused, _CORRECT_IT))
    if status >= 500:
        kind, otherwise = Unavailable, "Make the same call again in a minute."
    elif status < 400:
        kind, otherwise = UnexpectedAnswer, "The operator checks the vendor's base URL with `adops-mcp doctor`."
    elif status == 401 and setting is not None:
        otherwise = f"The operator checks {setting}, then runs `adops-mcp doctor`."
    if kind.retryable and (after := reply.retry_after) is not None:
        otherwise = f"Wait {after:.0f} s, then make the same call again."
    code, words = answer.words()
    if otherwise is _CORRECT_IT and not (words and status in (400, 422)):
        otherwise = _SHOW_IT
    named = f" {code}" if code else ""
    said = f': "{words.replace(chr(34), chr(39))}"' if words else f" ({reply.looks_like()})"
    unchanged = " Nothing was changed." if answer.kind is Kind.WRITE else ""
    ending = "" if words and words.endswith((".", "!", "…")) and not unchanged else "."
    return kind(
        f"{answer.vendor} answered {status}{named}{said}{ending}{unchanged}",
        next_step=hints.by_code.get(code or "") or hints.by_status.get(status) or otherwise,
        upstream_status=status,
        upstream_code=code,
        request_id=reply.request_id,
    )


_CORRECT_IT = "Correct the arguments as the message says, then call again."
_SHOW_IT = "Show the person this refusal; calling again with the same arguments does not help."
_MEANINGS: dict[int, tuple[type[AdOpsError], str]] = {
    401: (Unauthorized, "The operator checks the vendor's credentials, then runs `adops-mcp doctor`."),
    402: (Forbidden, "A person settles this with the vendor; calling again does not help."),
    403: (Forbidden, "A person asks the vendor for access; calling again does not help."),
    404: (NotFound, "Take the id from a list tool instead of writing it from memory, then call again."),
    408: (Unavailable, "Make the same call again in a minute."),
    409: (Conflict, "Read the present state first, then decide again."),
    410: (NotFound, "Take the id from a list tool instead of writing it from memory, then call again."),
    429: (RateLimited, "Wait a minute, then make the same call again."),
}
