"""Sending requests to a vendor: which are sent again, which never, and what a missing answer means.

A request is one of three kinds. A READ is sent again after a connection error, 408, 429 and 5xx. A PROBE changes
nothing that matters, and is sent once because its answer is a finding and not an obstacle. A WRITE is sent again only
when it was certainly not carried out: the connection never opened, or the vendor refused the token (401) and there is
another one. After anything else (no answer, a 408, a 5xx, a redirect, a 4xx that HTTP's registry does not list as a
refusal, an answer that cannot be read) it is in doubt. A write whose departure is recorded is not cancelled together
with its caller, but waits for its answer.

The steps of a try are: token, circuit breaker, rate limit, connection (with TLS and a proxy's tunnel), then for a write
the record of its departure, and right before the first byte the check that it may still leave. If anything fails before
that, nothing was sent. Bytes that come before the request was sent, or more than one answer, prove nothing about a
write. So a refused write reads on until the other side closes the connection, for a second at most.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any, NoReturn

import anyio
import anyio.lowlevel
import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from tools.effects import DEPARTURE, LONGEST_REQUEST, Departure
from tools.errors import AdOpsError, NotConfigured, RateLimited, Unavailable
from tools.vendor_http.auth import Auth
from tools.vendor_http.breaker import DOWN, CircuitBreaker, Try
from tools.vendor_http.decoding import Undecodable, body_of
from tools.vendor_http.network.attempts import AnsweredEarly, Attempt
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.refusals import REFUSALS, Hints, refusal
from tools.vendor_http.replies import Answer, Kind, Reply, in_doubt
from tools.vendor_http.telemetry import Observed, Observer, unobserved
from tools.vendor_http.timing import Timing

WRITE_TIMEOUT = httpx.Timeout(connect=5.0, write=None, read=None, pool=5.0)
"""The limits of the single steps of a write. Its answer may come while this process stands still, so only the transport
decides when to stop waiting for it."""

NEVER_OPENED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""httpx's exceptions that prove that no byte of the request left. Until its attempt starts, any other does too."""

NO_ANSWER = (httpx.TransportError, TimeoutError)
"""What is raised when no answer comes. The request may have been carried out if it had left."""

LISTEN_AFTER_REFUSAL = 1.0
"""Seconds for which a refused write waits for another answer. The other side, which was asked to close the connection,
usually does so earlier. A gateway that gave up waiting may pass on the vendor's own answer later."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a read is sent in all, and how many seconds the pauses last.

    The pause after try n is `first * 2**(n-1)`, at most `longest`, less a random part of up to a half. A vendor's
    Retry-After replaces it. One above `longest_retry_after` ends the tries, so that an agent never waits long without
    being told why. After a 429 without Retry-After the pause is at least `after_429`.
    """

    attempts: int = 3
    first: float = 0.5
    longest: float = 8.0
    longest_retry_after: float = 20.0
    after_429: float = 0.0


class _SendAgain(Exception):
    """This try failed with `error`, and sending the same request again is safe."""

    def __init__(self, error: AdOpsError, after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after


class Transport:
    """The HTTP of one vendor: its client, rate limit and token, and the one place that judges answers."""

    def __init__(
        self,
        vendor: str,
        http: httpx.AsyncClient,
        *,
        limit: SlidingWindow,
        auth: Auth | None,
        timing: Timing,
        retries: Retries | None = None,
        sent_tokens: set[str] | None = None,
        account: str = "",
        observed: Observed = unobserved,
    ) -> None:
        """sent_tokens: collects every token that is sent, so that it can be removed from all texts of vendors. account:
        its name, where there are several. observed: is given every exchange, for counting."""
        self.vendor = vendor
        self._http = http
        self._limit = limit
        self._auth = auth
        self._timing = timing
        self._breaker = CircuitBreaker(vendor, timing.clock)
        self._observer = Observer(vendor, account, timing.clock, observed)
        self._retries = retries or Retries()
        self._sent_tokens = set[str]() if sent_tokens is None else sent_tokens

    async def request(
        self,
        kind: Kind,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = LONGEST_REQUEST,
        hints: Hints | None = None,
        answers: Collection[int] = (),
        secrets: Collection[str] = (),
    ) -> Answer:
        """Send one request and return its 2xx answer.

        timeout: seconds for one whole try, from opening the connection to the last byte of the answer. For a write they
        count from its departure, and only while this process runs: the answer may come while it stands still.
        answers: further statuses to return, which the caller reads itself.
        secrets: what the request holds, besides the token, that no error may repeat.
        Raises a class of `tools.errors` for any other answer, or none.
        """
        request = self._http.build_request(
            method,
            path,
            # httpx drops the query of a path for parameters that are empty
            params=params or None,
            json=json,
            data=form or None,
            headers=headers,
            timeout=WRITE_TIMEOUT if kind is Kind.WRITE else httpx.USE_CLIENT_DEFAULT,
        )
        call = _Call(kind, request, json, timeout, hints or Hints(), answers, secrets)
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._retries.attempts),
            wait=self._pause,
            sleep=self._timing.sleep,
            retry=retry_if_exception_type(_SendAgain),
            reraise=True,
        )
        try:
            return await tries(self._try, call)
        except _SendAgain as failure:
            raise failure.error from None

    async def _try(self, call: _Call) -> Answer:
        reply, token = await self._send_with_token(call, None)
        secrets = [token, *call.secrets]
        if reply.status == 401 and self._auth is not None and (fresh := await self._auth.renew(token)):
            reply, token = await self._send_with_token(call, fresh)
            secrets.append(token)
        if reply.is_success or reply.status in call.answers:
            return self._answer(call, reply, secrets)
        self._judge(call, reply, secrets)

    async def _send_with_token(self, call: _Call, fresh: str | None) -> tuple[Reply, str]:
        token = ""
        if self._auth is not None:
            token = fresh or await self._auth.token()
            call.request.headers["Authorization"] = f"Bearer {token}"
            self._sent_tokens.add(token)
        self._breaker.check()
        await self._limit.acquire(self.vendor)
        await anyio.lowlevel.checkpoint_if_cancelled()
        departure = DEPARTURE.get() if call.kind is Kind.WRITE else None
        if departure is not None:
            departure.requested(*call.recorded)
        with self._breaker.begin() as made:
            reply = await self._answered(call, made, departure)
        if departure is not None:
            departure.answered(reply.status)
        return reply, token

    async def _answered(self, call: _Call, made: Try, departure: Departure | None) -> Reply:
        scope, deadline = anyio.CancelScope(deadline=anyio.current_time() + call.timeout), ExitStack()
        attempt = self._attempt(call, scope, deadline, departure)
        try:
            with deadline, self._observer.watching(call.request) as seen:
                reply = await self._exchange(call, scope, attempt)
                seen.status = reply.status
        except BaseException as error:
            is_sent = attempt.is_sent and not isinstance(error, (*NEVER_OPENED, httpx.LocalProtocolError))
            if departure is not None and attempt.is_departed and not is_sent:
                departure.not_sent()
            self._judge_failure(call, made, error, is_sent=is_sent)
            raise
        if attempt.has_several_answers:
            self._no_answer(call, "sent more than one answer")
        made.failed = None if reply.status == 500 else reply.status in DOWN
        return reply

    def _attempt(
        self, call: _Call, scope: anyio.CancelScope, deadline: ExitStack, departure: Departure | None
    ) -> Attempt:
        """The attempt of a try within `scope`. Once a write has departed, the scope is not cancelled together with the
        caller, but only by the deadline that is put into `deadline`."""
        if call.kind is not Kind.WRITE:
            return Attempt()

        async def depart() -> None:
            await anyio.lowlevel.checkpoint_if_cancelled()
            scope.deadline = math.inf
            if departure is not None:
                await departure.leaving(*call.recorded)
            scope.shield = True
            deadline.enter_context(self._timing.deadline(call.timeout, scope))

        return Attempt(depart, departure.check) if departure is not None else Attempt(depart)

    def _judge_failure(self, call: _Call, made: Try, error: BaseException, *, is_sent: bool) -> None:
        """Raise what a failed try means. Return when the error says so itself."""
        if isinstance(error, httpx.LocalProtocolError):
            raise self._not_sendable() from None
        if not isinstance(error, (*NO_ANSWER, AnsweredEarly)):
            return
        made.failed = True
        if is_sent:
            timed_out = isinstance(error, (httpx.TimeoutException, TimeoutError))
            self._no_answer(call, "did not answer in time" if timed_out else "closed the connection before it answered")
        if isinstance(error, AnsweredEarly):
            what, way = f"{self.vendor} answered before it was asked", "network"
        elif isinstance(error, httpx.ProxyError):
            what, way = f"No connection to {self.vendor} could be opened through this machine's proxy", _PROXY
        else:
            what, way = f"No connection to {self.vendor} could be opened", "network"
        raise _SendAgain(
            Unavailable(
                f"{what}, so nothing was sent.",
                next_step="Make the same call again in a minute. If it stays so, the operator checks the "
                f"{way} and runs `adops-mcp doctor`.",
            )
        ) from None

    async def _exchange(self, call: _Call, scope: anyio.CancelScope, attempt: Attempt) -> Reply:
        """Send the request and read its answer to the end. A 4xx counts whether or not its body can be read."""
        reply: Reply | None = None
        try:
            with scope:
                call.request.extensions["attempt"] = attempt
                response = await self._http.send(call.request, stream=True)
                reply = Reply(response.status_code, response.headers, b"")
                async with aclosing(response):
                    try:
                        reply = Reply(reply.status, reply.headers, await self._body(call, response, reply))
                        await attempt.look_for_more()
                    finally:
                        if call.kind is Kind.WRITE and reply.is_refusal:
                            await self._read_to_the_end(attempt)
                return reply
            raise TimeoutError
        except (*NO_ANSWER, AdOpsError):
            if reply is not None and reply.is_refusal:
                return reply
            raise

    async def _read_to_the_end(self, attempt: Attempt) -> None:
        with anyio.CancelScope() as scope, self._timing.deadline(LISTEN_AFTER_REFUSAL, scope):
            await attempt.read_to_the_end()

    async def _body(self, call: _Call, response: httpx.Response, head: Reply) -> bytes:
        try:
            return await body_of(response)
        except Undecodable as error:
            self._answer(call, head).unreadable(str(error))

    def _answer(self, call: _Call, reply: Reply, secrets: Collection[str] = ()) -> Answer:
        return Answer(self.vendor, call.kind, call.hints.look, reply, tuple(secrets))

    def _not_sendable(self) -> AdOpsError:
        setting = self._auth.setting if self._auth else "its credentials and base URL"
        return NotConfigured(
            f"The request to {self.vendor} could not be written, so nothing was sent: a header or the URL holds "
            "characters that HTTP does not allow.",
            next_step=f"The operator corrects {setting}, then runs `adops-mcp doctor`.",
        )

    def _no_answer(self, call: _Call, what: str) -> NoReturn:
        if call.kind is Kind.WRITE:
            raise in_doubt(f"{self.vendor} {what}", call.hints.look) from None
        if call.kind is Kind.PROBE:
            raise Unavailable(
                f"{self.vendor} {what}. Whether the test was made, and what it set off, is not known.",
                next_step=call.hints.look or "Make the same call again in a minute.",
            ) from None
        error = Unavailable(
            f"{self.vendor} {what}. Nothing was changed.",
            next_step="Make the same call again in a minute.",
        )
        if call.kind is Kind.READ:
            raise _SendAgain(error) from None
        raise error from None

    def _judge(self, call: _Call, reply: Reply, secrets: Collection[str]) -> NoReturn:
        status = reply.status
        if call.kind is Kind.WRITE and status not in REFUSALS:
            raise in_doubt(f"{self.vendor} answered {status}", call.hints.look, reply)
        setting = self._auth.setting if self._auth is not None else None
        error = refusal(self._answer(call, reply, secrets), call.hints, setting)
        if call.kind is Kind.READ and (status in (408, 429) or status >= 500):
            after = reply.retry_after
            if after is None or after <= self._retries.longest_retry_after:
                raise _SendAgain(error, after)
        raise error

    def _pause(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, _SendAgain) and failure.after is not None:
            return failure.after
        pause = min(self._retries.longest, self._retries.first * 2 ** (state.attempt_number - 1))
        pause *= 1 - self._timing.jitter() / 2
        limited = isinstance(failure, _SendAgain) and isinstance(failure.error, RateLimited)
        return max(pause, self._retries.after_429) if limited else pause


@dataclass(frozen=True, slots=True)
class _Call:
    kind: Kind
    request: httpx.Request
    body: Any
    timeout: float
    hints: Hints
    answers: Collection[int]
    secrets: Collection[str]

    @property
    def recorded(self) -> tuple[str, str, Any]:
        """Method, path and body, as they are recorded."""
        return self.request.method, self.request.url.path, self.body


_PROXY = "proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, or NO_PROXY for hosts that need none)"
