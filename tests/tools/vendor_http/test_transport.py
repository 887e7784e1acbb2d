"""What the transport sends, sends again, never sends again, and what it says of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest

from tests.support import Answer
from tests.tools.acme import LOOK, NOT_OPENED, line
from tools.errors import (
    AdOpsError,
    Conflict,
    Forbidden,
    InDoubt,
    NotFound,
    RateLimited,
    Refused,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tools.vendor_http.auth import StaticToken
from tools.vendor_http.decoding import LARGEST_REPLY
from tools.vendor_http.transport import Hints, Kind

PASSING = "Make the same call again in a minute."
CORRECT = "Correct the arguments as the message says, then call again."
MEBIBYTE = b"x" * (1024 * 1024)


def always(status: int, *, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    return lambda _: httpx.Response(status, headers={"x-request-id": "req-7", **(headers or {})}, **body)


def in_turn(*answers: int | type[httpx.TransportError]) -> Answer:
    left: Iterator[int | type[httpx.TransportError]] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        given = next(left)
        if isinstance(given, int):
            return httpx.Response(given, json={"try": given})
        raise given("https://acme.example/?key=hidden", request=request)

    return answer


def failing(error: type[httpx.TransportError]) -> Answer:
    return in_turn(*[error] * 9)


@dataclass
class Rotating:
    """An Auth that has another token after each refusal."""

    setting: str = "ACME_KEY"
    refused: list[str] = field(default_factory=list[str])

    async def token(self) -> str:
        return f"token-{len(self.refused) + 1}"

    async def renew(self, refused: str) -> str | None:
        self.refused.append(refused)
        return await self.token()


async def test_a_request_goes_out_as_it_was_given() -> None:
    acme = line(always(200, json={}), auth=StaticToken("secret", setting="ACME_KEY"))
    await acme.transport.request(
        Kind.READ, "POST", "/a/b", params={"page": 2, "q": "x y"}, json={"n": 1}, headers={"Accept": "text/x"}
    )
    await acme.transport.request(Kind.READ, "POST", "https://other.example/token", form={"grant": "a&b"})
    first, second = acme.network.requests
    assert acme.network.sent()[0] == ("POST", "/a/b?page=2&q=x+y", {"n": 1})
    assert first.headers["authorization"] == "Bearer secret"
    assert (first.headers["accept"], first.headers["content-type"]) == ("text/x", "application/json")
    assert (str(second.url), second.content) == ("https://other.example/token", b"grant=a%26b")
    assert second.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("failure", "headers", "pauses"),
    [
        (408, {}, [0.5, 1.0]),
        (429, {}, [0.5, 1.0]),
        (429, {"retry-after": "7"}, [7.0, 7.0]),
        (429, {"retry-after": "20"}, [20.0, 20.0]),
        (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, [0.5, 1.0]),
        (500, {}, [0.5, 1.0]),
        (502, {}, [0.5, 1.0]),
        (503, {"retry-after": "3"}, [3.0, 3.0]),
    ],
)
async def test_a_read_is_sent_again_after_a_passing_failure(
    failure: int, headers: dict[str, str], pauses: list[float]
) -> None:
    acme = line(lambda _: httpx.Response(failure if acme.tries < 3 else 200, headers=headers, json={"n": acme.tries}))
    reply = await acme.send(Kind.READ, params={"q": "1"})
    assert reply.json() == {"n": 3}
    assert acme.network.sent() == [("GET", "/things?q=1", None)] * 3
    assert acme.time.slept == pauses


@pytest.mark.parametrize(
    ("status", "headers", "error", "message", "next_step"),
    [
        (408, {}, Unavailable, 'Acme answered 408 E1: "Not now".', PASSING),
        (429, {}, RateLimited, 'Acme answered 429 E1: "Not now".', "Wait a minute, then make the same call again."),
        (
            429,
            {"retry-after": "9"},
            RateLimited,
            'Acme answered 429 E1: "Not now".',
            "Wait 9 s, then make the same call again.",
        ),
        (500, {}, Unavailable, 'Acme answered 500 E1: "Not now".', PASSING),
        (
            503,
            {"retry-after": "2"},
            Unavailable,
            'Acme answered 503 E1: "Not now".',
            "Wait 2 s, then make the same call again.",
        ),
    ],
)
async def test_a_read_that_keeps_failing_ends_after_three_tries(
    status: int, headers: dict[str, str], error: type[AdOpsError], message: str, next_step: str
) -> None:
    acme = line(always(status, headers=headers, json={"error": {"code": "E1", "message": "Not now"}}))
    told = await acme.fail(Kind.READ)
    assert (type(told), told.message, told.next_step) == (error, message, next_step)
    assert (told.upstream_status, told.upstream_code, told.request_id) == (status, "E1", "req-7")
    assert told.retryable
    assert acme.tries == 3


TOO_LATE = "Acme did not answer in time. Nothing was changed."
CUT = "Acme closed the connection before it answered. Nothing was changed."


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (httpx.ConnectError, NOT_OPENED),
        (httpx.ConnectTimeout, NOT_OPENED),
        (httpx.PoolTimeout, NOT_OPENED),
        (httpx.ProxyError, NOT_OPENED.replace("opened", "opened through this machine's proxy")),
        (httpx.ReadTimeout, TOO_LATE),
        (httpx.WriteTimeout, TOO_LATE),
        (httpx.ReadError, CUT),
        (httpx.RemoteProtocolError, CUT),
    ],
)
async def test_a_read_without_an_answer_is_sent_three_times_and_then_told(
    failure: type[httpx.TransportError], message: str
) -> None:
    acme = line(failing(failure))
    told = await acme.fail(Kind.READ)
    assert (type(told), told.message) == (Unavailable, message)
    assert (told.upstream_status, acme.tries, acme.time.slept) == (None, 3, [0.5, 1.0])


async def test_a_longer_retry_after_than_an_agent_should_wait_in_silence_ends_the_tries_and_is_told() -> None:
    acme = line(always(429, headers={"retry-after": "21"}))
    told = await acme.fail(Kind.READ)
    assert (type(told), told.next_step) == (RateLimited, "Wait 21 s, then make the same call again.")
    assert (acme.tries, acme.time.slept) == (1, [])


async def test_how_long_an_outage_lasts_is_told_when_the_vendor_says_so() -> None:
    acme = line(always(503, headers={"retry-after": "120"}))
    told = await acme.fail(Kind.READ)
    assert acme.tries == 1
    assert "120 s" in told.next_step


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (304, UnexpectedAnswer),
        (302, UnexpectedAnswer),
        (400, Refused),
        (401, Unauthorized),
        (402, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, NotFound),
        (422, Refused),
    ],
)
@pytest.mark.parametrize("kind", [Kind.READ, Kind.PROBE])
async def test_a_decided_answer_is_not_asked_for_again(kind: Kind, status: int, error: type[AdOpsError]) -> None:
    acme = line(always(status, headers={"location": "https://acme.example/elsewhere"}))
    told = await acme.fail(kind)
    assert (type(told), told.retryable, told.upstream_status, acme.tries) == (error, False, status, 1)
    assert told.message == f"Acme answered {status} (an empty body)."


@pytest.mark.parametrize("failure", [408, 429, 500, 503, httpx.ReadTimeout, httpx.ReadError])
async def test_a_probe_is_sent_once(failure: int | type[httpx.TransportError]) -> None:
    acme = line(in_turn(failure, 200))
    told = await acme.fail(Kind.PROBE)
    assert type(told) is (RateLimited if failure == 429 else Unavailable)
    assert (acme.tries, acme.time.slept) == (1, [])


SAMPLED = [*range(200, 209), 226, *range(300, 309), *range(400, 500), *range(500, 512), 599]
PROVED = {
    *(400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417),
    *(421, 422, 423, 426, 428, 429, 431, 451),
}
"""What HTTP's registry has for a refusal, without those by which gateways say that somebody gave up waiting."""


@pytest.mark.parametrize(("kind", "step"), [(Kind.READ, 45.0), (Kind.PROBE, 45.0), (Kind.WRITE, None)])
async def test_no_step_of_a_write_has_a_limit_that_passes_while_the_process_stands_still(
    kind: Kind, step: float | None
) -> None:
    acme = line(always(200))
    await acme.send(kind)
    limits = acme.network.requests[0].extensions["timeout"]
    assert (limits["read"], limits["write"]) == (step, step and 15.0)
    assert limits["connect"] == 5.0


@pytest.mark.parametrize("status", SAMPLED)
async def test_a_write_is_sent_once_whatever_the_status(status: int) -> None:
    acme = line(always(status, headers={"location": "/elsewhere", "retry-after": "1"}, json={"message": "so"}))
    if status < 300:
        assert (await acme.send(Kind.WRITE, json={"n": 1})).status == status
    else:
        told = await acme.fail(Kind.WRITE, json={"n": 1})
        in_doubt = status not in PROVED
        assert isinstance(told, InDoubt) is in_doubt
        assert told.upstream_status == status
        assert ("Nothing was changed." in told.message) is not in_doubt
    assert acme.network.sent() == [("POST", "/things", {"n": 1})]
    assert acme.time.slept == []


@pytest.mark.parametrize(
    ("status", "error", "message", "next_step"),
    [
        (422, Refused, 'Acme answered 422 E1: "Bad name.". Nothing was changed.', CORRECT),
        (
            409,
            Conflict,
            'Acme answered 409 E1: "Bad name.". Nothing was changed.',
            "Read the present state first, then decide again.",
        ),
        (
            503,
            InDoubt,
            "The request was sent, but Acme answered 503: it may or may not have been carried out.",
            f"Do not send it again yet. {LOOK}",
        ),
    ],
)
async def test_what_is_told_of_a_failed_write(
    status: int, error: type[AdOpsError], message: str, next_step: str
) -> None:
    acme = line(always(status, json={"error": {"code": "E1", "message": "Bad name."}}))
    told = await acme.fail(Kind.WRITE)
    assert (type(told), told.message, told.next_step) == (error, message, next_step)
    assert (told.upstream_status, told.request_id, told.retryable) == (status, "req-7", False)


@dataclass
class Stream(httpx.AsyncByteStream):
    """A body that may never end; `given` counts its pieces."""

    pieces: int = 1 << 40
    piece: bytes = b" "
    then: Exception | None = None
    given: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.pieces):
            self.given += 1
            yield self.piece
            await anyio.lowlevel.checkpoint()
        if self.then:
            raise self.then
        await anyio.sleep_forever()


def streamed(status: int, **stream: Any) -> Answer:
    return lambda _: httpx.Response(status, stream=Stream(**stream))


async def never(_: httpx.Request) -> httpx.Response:
    await anyio.sleep_forever()
    raise AssertionError


LATE = "did not answer in time"
CLOSED = "closed the connection before it answered"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (failing(httpx.ReadTimeout), LATE),
        (failing(httpx.WriteTimeout), LATE),
        (failing(httpx.ReadError), CLOSED),
        (failing(httpx.WriteError), CLOSED),
        (failing(httpx.RemoteProtocolError), CLOSED),
        (never, LATE),
        (streamed(200), LATE),
        (streamed(200, pieces=1), LATE),
        (streamed(200, pieces=1, then=httpx.ReadError("cut")), CLOSED),
    ],
)
async def test_a_lost_answer_to_a_write_is_in_doubt_and_not_sent_again(answer: Answer, what: str) -> None:
    acme = line(answer)
    told = await acme.fail(Kind.WRITE, timeout=0.05 if what == LATE else 30)
    assert type(told) is InDoubt
    assert told.message == f"The request was sent, but Acme {what}: it may or may not have been carried out."
    assert told.next_step == f"Do not send it again yet. {LOOK}"
    assert (acme.tries, acme.time.slept) == (1, [])


@pytest.mark.parametrize(
    ("body", "headers", "what"),
    [
        (b"fine", {}, "text"),
        (b"<!DOCTYPE html><p>fine", {}, "an HTML page"),
        (b"<ok/>", {}, "XML"),
        (b"", {}, "an empty body"),
        (b'{"id": 1', {}, "text"),
    ],
)
async def test_a_success_that_is_not_json_is_no_success(body: bytes, headers: dict[str, str], what: str) -> None:
    acme = line(always(200, headers=headers, content=body))
    with pytest.raises(InDoubt) as lost:
        (await acme.send(Kind.WRITE)).json()
    with pytest.raises(UnexpectedAnswer) as unread:
        (await acme.send(Kind.READ)).json()
    assert f"Acme answered with {what} instead of JSON" in lost.value.message
    assert LOOK in lost.value.next_step
    assert unread.value.message == (
        f"Acme answered with {what} instead of JSON. Nothing can be said about what it holds."
    )
    for told in (lost.value, unread.value):
        assert (told.upstream_status, told.request_id) == (200, "req-7")


TOO_LARGE: dict[str, Any] = {"content": MEBIBYTE * 16 + b"x"}
NO_GZIP: dict[str, Any] = {"content": b"not gzip", "headers": {"content-encoding": "gzip"}}
UNREADABLE = [(TOO_LARGE, "more than 16 MiB"), (NO_GZIP, "a body that cannot be decoded")]


def undecoded(status: int, given: dict[str, Any]) -> Answer:
    """A response whose body httpx decodes while it is read, as from a network."""

    def answer(_: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(given["content"])
        return httpx.Response(status, headers={"x-request-id": "req-7", **given.get("headers", {})}, stream=stream)

    return answer


@pytest.mark.parametrize(("given", "what"), UNREADABLE)
async def test_a_success_whose_body_cannot_be_taken_is_no_success(given: dict[str, Any], what: str) -> None:
    for kind, error in ((Kind.WRITE, InDoubt), (Kind.READ, UnexpectedAnswer), (Kind.PROBE, UnexpectedAnswer)):
        acme = line(undecoded(200, given))
        told = await acme.fail(kind)
        assert (type(told), acme.tries) == (error, 1)
        assert f"Acme answered with {what}" in told.message


async def test_an_endless_body_is_read_no_further_than_the_largest_reply() -> None:
    stream = Stream(piece=MEBIBYTE)
    acme = line(lambda _: httpx.Response(200, stream=stream))
    assert type(await acme.fail(Kind.READ)) is UnexpectedAnswer
    assert stream.given == LARGEST_REPLY // len(MEBIBYTE) + 1


@pytest.mark.parametrize(("given", "what"), UNREADABLE)
async def test_the_status_of_an_unreadable_answer_is_told(given: dict[str, Any], what: str) -> None:
    told = await line(undecoded(200, given)).fail(Kind.WRITE)
    assert what in told.message
    assert (told.upstream_status, told.request_id) == (200, "req-7")


CUT_OFF = streamed(422, pieces=1, then=httpx.ReadError("cut"))


@pytest.mark.parametrize("answer", [undecoded(422, TOO_LARGE), undecoded(422, NO_GZIP), CUT_OFF])
async def test_a_refused_write_stays_refused_when_its_body_cannot_be_read(answer: Answer) -> None:
    assert type(await line(answer).fail(Kind.WRITE)) is Refused


async def test_a_write_whose_connection_never_opened_is_sent_when_one_opens() -> None:
    acme = line(in_turn(httpx.ConnectError, httpx.ConnectTimeout, 201))
    assert (await acme.send(Kind.WRITE)).json() == {"try": 201}
    assert acme.time.slept == [0.5, 1.0]


async def test_a_write_whose_connection_never_opens_is_unavailable_and_not_in_doubt() -> None:
    acme = line(failing(httpx.ConnectError))
    told = await acme.fail(Kind.WRITE)
    assert (type(told), told.message, told.retryable, acme.tries) == (Unavailable, NOT_OPENED, True, 3)


async def test_a_write_that_left_after_a_failed_connection_is_not_sent_again() -> None:
    acme = line(in_turn(httpx.ConnectError, 503, 200))
    assert type(await acme.fail(Kind.WRITE)) is InDoubt
    assert acme.tries == 2


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_refused_token_is_renewed_once_and_the_request_sent_once_more(kind: Kind) -> None:
    heard: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append((request.headers["authorization"], request.content))
        return httpx.Response(200 if len(heard) > 1 else 401)

    auth = Rotating()
    assert (await line(answer, auth=auth).send(kind, json={"n": 1})).status == 200
    assert heard == [("Bearer token-1", b'{"n":1}'), ("Bearer token-2", b'{"n":1}')]
    assert auth.refused == ["token-1"]


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_renewed_token_that_is_refused_too_ends_it(kind: Kind) -> None:
    acme = line(in_turn(401, 401, 200), auth=Rotating())
    told = await acme.fail(kind)
    assert (type(told), told.upstream_status, acme.tries) == (Unauthorized, 401, 2)
    assert told.next_step == "The operator checks ACME_KEY, then runs `adops-mcp doctor`."


async def test_a_ready_made_token_that_is_refused_is_not_tried_twice() -> None:
    acme = line(in_turn(401, 200), auth=StaticToken("secret", setting="ACME_KEY"))
    assert type(await acme.fail(Kind.READ)) is Unauthorized
    assert acme.tries == 1


@pytest.mark.parametrize("second", [500, httpx.ReadTimeout])
async def test_a_write_lost_after_its_token_was_renewed_is_in_doubt(second: int | type[httpx.TransportError]) -> None:
    acme = line(in_turn(401, second, 200), auth=Rotating())
    assert type(await acme.fail(Kind.WRITE)) is InDoubt
    assert acme.tries == 2


async def test_every_try_counts_against_the_limit() -> None:
    acme = line(always(503), limit=(2, 10.0))
    await acme.fail(Kind.READ)
    assert acme.time.slept == [0.5, 1.0, 8.5]


async def test_a_call_over_the_limit_is_not_sent() -> None:
    acme = line(always(200), limit=(1, 120.0))
    await acme.send(Kind.WRITE)
    assert type(await acme.fail(Kind.WRITE)) is RateLimited
    assert acme.tries == 1


async def test_a_status_that_the_caller_reads_itself_is_an_answer() -> None:
    acme = line(always(404, json={"n": 1}))
    reply = await acme.send(Kind.READ, answers={404})
    assert (reply.status, reply.json(), acme.tries) == (404, {"n": 1}, 1)


async def test_the_callers_next_step_for_a_status_wins() -> None:
    acme = line(always(403))
    with pytest.raises(Forbidden) as raised:
        await acme.transport.request(Kind.READ, "GET", "/", hints=Hints(by_status={403: "Ask Ada."}))
    assert raised.value.next_step == "Ask Ada."


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"json": {"message": "key s3cret at https://acme.example/?k=1\nis\x1b[31m bad\u202e"}}, "key *** at [link]"),
        ({"text": "key s3cret\x00at http://acme.example"}, "key *** at [link]"),
        ({"text": "s3cret " * 100}, "*** ***"),
        ({"json": {"error": "s3cret", "message": "m"}}, "***"),
        ({"html": "<html>s3cret https://acme.example</html>"}, "(an HTML page)"),
        ({"json": ["s3cret https://acme.example"]}, "(JSON of another shape)"),
    ],
)
async def test_no_secret_url_or_control_character_reaches_an_agent(
    status: int, body: dict[str, Any], said: str
) -> None:
    told = await line(always(status, **body), auth=StaticToken("s3cret", setting="ACME_KEY")).fail(Kind.PROBE)
    assert said in told.message
    assert not re.search(r"s3cret|://|acme\.example|[\x00-\x1f\x7f\u202a-\u202e]", told.message + told.next_step)
    assert len(told.message) < 400


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
async def test_the_text_of_a_network_error_reaches_nobody(kind: Kind, failure: type[httpx.TransportError]) -> None:
    told = await line(failing(failure)).fail(kind)
    assert "hidden" not in f"{told.message} {told.next_step} {told}"
    assert told.__cause__ is None


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("location", ["https:login", "mailto:ops@x", "/" + "x" * 70_000, "https://[bad"])
async def test_a_bad_redirect_is_told_as_any_other_and_leaves_a_write_in_doubt(kind: Kind, location: str) -> None:
    acme = line(always(302, headers={"location": location}))
    error = await acme.fail(kind)
    assert type(error) is (InDoubt if kind is Kind.WRITE else UnexpectedAnswer)
    assert "Acme answered 302" in error.message
    assert acme.tries == 1


async def test_a_write_whose_caller_is_gone_already_is_not_sent() -> None:
    acme = line(always(200, json={}))
    with anyio.CancelScope() as gone:
        gone.cancel()
        await acme.send(Kind.WRITE)
    assert acme.tries == 0


async def test_the_words_of_an_answer_do_not_repeat_the_token() -> None:
    acme = line(always(403, json={"message": "no such token s3cret"}), auth=StaticToken("s3cret", setting="ACME_KEY"))
    answer = await acme.send(Kind.READ, answers={403})
    assert answer.words() == (None, "no such token ***")
    assert answer.clean("token s3cret") == "token ***"
