"""Tokens from a stranger's side: which count, and what somebody is told whose does not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from server.access.authentication import KEYS_LIFETIME, SHORTEST_REFRESH, token_command
from tests.server.http.over_http import ISSUER, URL, Hosted, hosted, rsa_key, tokens_file

KEY, OTHER = rsa_key(), rsa_key()
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"Accept": "application/json, text/event-stream"}
METADATA = "https://adops.example.com/.well-known/oauth-protected-resource/mcp"
OPAQUE: dict[str, Any] = {
    "active": True,
    "aud": [URL, "https://else.example.com"],
    "sub": "kim",
    "client_id": "planner",
    "scope": "adops:read other",
}


async def asked(server: Hosted, token: str | None, *, header: str | None = None) -> httpx.Response:
    value = header if header is not None else f"Bearer {token}"
    headers = {**HEADERS, **({} if token is None and header is None else {"Authorization": value})}
    return await server.http.post("/mcp", json=PING, headers=headers)


@pytest.mark.parametrize(
    ("key", "algorithm"), [(KEY, "RS256"), (KEY, "PS512"), (ec.generate_private_key(ec.SECP256R1()), "ES256")]
)
async def test_a_token_of_the_issuer_for_this_server_counts(tmp_path: Path, key: Any, algorithm: str) -> None:
    async with hosted(tmp_path, {"one": key}, auth_issuer=ISSUER) as server:
        answer = await asked(server, server.issuer.token(algorithm=algorithm))
    assert answer.status_code == 200
    assert server.issuer.asked == ["/.well-known/oauth-authorization-server/tenant", "/tenant/keys"]


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("for another server", {"aud": "https://adops.example.com/other"}),
    ("for no server", {"aud": None}),
    ("of another issuer", {"iss": "https://login.example.com/another"}),
    ("of no issuer", {"iss": None}),
    ("expired", {"exp": 0}),
    ("without an end", {"exp": None}),
    ("with an end that is no number", {"exp": "tomorrow"}),
    ("not yet", {"nbf": 99_999_999_999}),
    ("of nobody", {"sub": None}),
]


@pytest.mark.parametrize("claims", [claims for _, claims in WRONG], ids=[name for name, _ in WRONG])
async def test_a_token_with_a_wrong_claim_does_not_count(
    tmp_path: Path, claims: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        token = server.issuer.token(**claims)
        with caplog.at_level(logging.DEBUG):
            answer = await asked(server, token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="adops-mcp", resource_metadata="{METADATA}", error="invalid_token"'
    )
    assert answer.json() == {"error": "a valid token is required"}
    assert token not in caplog.text


def forged(token: str, **header: Any) -> str:
    """The same claims under another header, unsigned."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key="", algorithm="none", headers=header)


async def test_a_token_that_was_not_signed_with_a_key_of_the_issuer_does_not_count(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        good = server.issuer.token()
        shared = jwt.api_jws.encode(good.split(".")[1].encode(), "s" * 64, algorithm="HS256", headers={"kid": "one"})
        tokens = [
            server.issuer.token(key=OTHER),
            server.issuer.token(kid="two", key=OTHER),
            forged(good, kid="one"),
            forged(good),
            shared,
            good[:-6] + "AAAAAA",
            good + "A",
            ".".join(good.split(".")[:2]) + ".",
            "a.b.c",
            "..",
            "%C3%A9" * 10,
            "x" * 20_000,
            "",
        ]
        answers = [(await asked(server, None, header=f"Bearer {token}")) for token in tokens]
    assert {answer.status_code for answer in answers} == {401}


@pytest.mark.parametrize("header", [None, "", "Basic a2ltOmtpbQ==", "Bearer", "bearer ", "Token x"])
async def test_without_a_token_the_way_to_one_is_told_and_no_error(tmp_path: Path, header: str | None) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        answer = await asked(server, None, header=header)
        told = await server.http.get(httpx.URL(METADATA).path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'Bearer realm="adops-mcp", resource_metadata="{METADATA}"'
    assert told.json() == {
        "resource": URL,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["adops:read", "adops:write", "adops:approve"],
        "bearer_methods_supported": ["header"],
        "resource_name": "adops-mcp",
    }


async def test_a_token_without_a_scope_of_this_server_is_told_which_it_needs(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        answer = await asked(server, server.issuer.token(scope="openid profile"))
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"].endswith(', error="insufficient_scope", scope="adops:read"')


async def test_keys_are_kept_and_read_anew_when_they_are_rotated(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        issuer = server.issuer
        for _ in range(3):
            assert (await asked(server, issuer.token())).status_code == 200
        assert issuer.asked.count("/tenant/keys") == 1
        issuer.keys = {"two": OTHER}
        assert (await asked(server, issuer.token("two"))).status_code == 401
        issuer.time.moment += SHORTEST_REFRESH + 1
        assert (await asked(server, issuer.token("two"))).status_code == 200
        assert issuer.asked.count("/tenant/keys") == 2
        assert (await asked(server, issuer.token("one", key=KEY))).status_code == 401
        issuer.time.moment += KEYS_LIFETIME + 1
        assert (await asked(server, issuer.token("two"))).status_code == 200
    assert issuer.asked.count("/tenant/keys") == 3


async def test_tokens_that_name_unknown_keys_do_not_make_the_issuer_be_asked_each_time(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        for number in range(20):
            assert (await asked(server, server.issuer.token(f"made-up-{number}", key=OTHER))).status_code == 401
    assert server.issuer.asked.count("/tenant/keys") == 1


async def test_while_the_issuer_is_down_nobody_is_told_that_their_token_does_not_count(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": KEY}, auth_issuer=ISSUER) as server:
        server.issuer.is_down = True
        for _ in range(2):
            answer = await asked(server, server.issuer.token())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["error"].startswith("Your token cannot be checked now.")
        server.issuer.is_down = False
        server.issuer.time.moment += SHORTEST_REFRESH + 1
        assert (await asked(server, server.issuer.token())).status_code == 200
        server.issuer.is_down = True
        server.issuer.time.moment += KEYS_LIFETIME + 1
        assert (await asked(server, server.issuer.token())).status_code == 200
        assert (await asked(server, server.issuer.token("two", key=OTHER))).status_code == 503


INTROSPECTION: dict[str, Any] = {
    "auth_introspection_url": f"{ISSUER}/introspect",
    "auth_introspection_client_id": "adops-mcp",
    "auth_introspection_client_secret": SecretStr("geheim"),
}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"aud": URL}, 200),
        ({"active": False}, 401),
        ({"active": "true"}, 401),
        ({"aud": "https://else.example.com"}, 401),
        ({"aud": None}, 401),
        ({"exp": 0}, 401),
        ({"exp": None}, 401),
        ({"scope": "other"}, 403),
        ({"client_id": None, "sub": None}, 401),
    ],
)
async def test_an_opaque_token_counts_as_its_issuer_says(tmp_path: Path, changes: dict[str, Any], status: int) -> None:
    async with hosted(tmp_path, **INTROSPECTION) as server:
        told = {**OPAQUE, "exp": server.issuer.time.moment + 60, **changes}
        server.issuer.opaque["opaque-token"] = told
        assert (await asked(server, "opaque-token")).status_code == status
        assert (await asked(server, "another-token")).status_code == 401


async def test_a_token_that_is_taken_out_of_the_file_does_not_count_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, tokens = tokens_file(tmp_path, one=("read",))
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        assert (await asked(server, tokens["one"])).status_code == 200
        file, _ = tokens_file(tmp_path, another=("read", "write"))
        assert (await asked(server, tokens["one"])).status_code == 401
        ready = await server.http.get("/readyz")
        file.write_text('[[token]]\nprincipal = "x"\n')
        assert (await asked(server, tokens["one"])).status_code == 503
        caplog.clear()
        unready = await server.http.get("/readyz")
        assert "ADOPS_AUTH_TOKENS_FILE: in " in caplog.text
        file.unlink()
        assert (await asked(server, tokens["one"])).status_code == 503
    assert (ready.status_code, unready.status_code) == (200, 503)
    assert unready.text == "The file of tokens cannot be used. The log says why.\n"


def test_a_made_token_is_printed_once_with_the_lines_that_hold_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert token_command("agent-a", "read") == 0
    said = capsys.readouterr().out
    token = next(line for line in said.splitlines() if line.startswith("adops_"))
    lines = said.partition("ADOPS_AUTH_TOKENS_FILE:\n")[2]
    assert token not in lines
    assert lines.splitlines()[0] == "[[token]]"
    assert 'scopes = ["adops:read"]' in lines
    assert token_command("agent-a", "admin") == 2
    assert token_command(" ", "read") == 2
