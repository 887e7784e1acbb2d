"""`adops-mcp operations`: what an operator sees and does at the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from server.cli import main, parser
from server.clients import Wire, open_backends
from server.commands.operations import run_action
from server.configuration.settings import Settings
from server.ledger.operations import Ledger
from server.writes.records import user
from tests.server.ledger.test_operations import LOST, REQUEST, begun
from tests.server.ledger.test_operations import ORDER as WRITE
from tests.support import FakeTime, SandboxNetwork, connected, new_database, text_of
from tools.vendors import VendorName

ORDER: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}


class Operator:
    """An operator at the command line, on the sandbox that the agent uses."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.network = SandboxNetwork(FakeTime(), directory)
        self.settings = Settings(environment="sandbox", data_dir=directory, confirm="operator")
        self.lose = False
        self._capsys = capsys

    @property
    def wire(self) -> Wire:
        async def freewheel(request: httpx.Request) -> httpx.Response:
            answer = await self.network.freewheel.handle_async_request(request)
            if self.lose and request.method == "POST" and "order" in request.url.path:
                raise httpx.ReadError("")
            await answer.aread()
            return answer

        ways: dict[VendorName, httpx.AsyncBaseTransport] = {"freewheel": httpx.MockTransport(freewheel)}
        return Wire({**self.network.wire.transports, **ways}, self.network.time.timing)

    async def agent(self, tool: str, arguments: dict[str, Any], *, lose: bool = False) -> dict[str, Any]:
        self.lose = lose
        async with connected(self.wire, self.settings) as client:
            result = await client.call_tool(tool, arguments)
        self.lose = False
        return (result.structured_content.get("error") or result.structured_content) | {"text": text_of(result)}

    async def run(self, *words: str) -> tuple[int, str, str]:
        code = await run_action(self.settings, parser().parse_args(["operations", *words]), self.wire)
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(tmp_path, capsys)


async def test_what_was_written_is_listed_shown_and_exported(operator: Operator) -> None:
    made = await operator.agent("create_proposed_io", ORDER)
    operation_id = made["operation_id"]
    code, listed, _ = await operator.run("list")
    what = "succeeded          Create proposed insertion order: proposed_io:CRM-1"
    assert (code, listed) == (0, f"{operation_id}  2026-11-22T12:00:00Z  {what}\n")
    code, shown, _ = await operator.run("show", operation_id)
    told = json.loads(shown)
    assert (code, told["requests"][0]["body"], told["state"]) == (0, ORDER, "succeeded")
    code, exported, _ = await operator.run("export")
    (line,) = exported.splitlines()
    scope = json.loads(line).pop("scope")
    assert code == 0
    assert json.loads(line) == {"scope": scope, **told}
    assert scope.startswith("sandbox/")


async def test_a_list_is_filtered_and_says_how_many_more_there_are(operator: Operator) -> None:
    assert (await operator.run("list"))[1] == "Nothing was written.\n"
    for number in range(3):
        await operator.agent("create_proposed_io", {**ORDER, "external_id": f"CRM-{number}"})
    assert (await operator.run("list", "--limit", "2"))[1].splitlines()[-1] == "1 more: --limit shows them."
    assert len((await operator.run("list", "--text", "crm-1"))[1].splitlines()) == 1
    assert (await operator.run("list", "--state", "in_doubt"))[1] == "No operation matches.\n"


async def test_after_a_reset_what_was_written_before_is_said_to_be_on_record(operator: Operator) -> None:
    await operator.agent("create_proposed_io", ORDER)
    operator.network.sandbox.reset()
    assert (await operator.run("list"))[1] == (
        "Nothing was written. The record has 1 of another scope, such as a sandbox that was reset since.\n"
    )


async def test_the_command_waits_until_its_own_clock_says_that_the_time_has_passed(
    operator: Operator, postgresql: sa.URL
) -> None:
    url, time = new_database(postgresql), operator.network.time
    operator.settings = operator.settings.model_copy(update={"database_url": SecretStr(url), "confirm": "none"})
    elsewhere = replace(time.clocks, boot=lambda: "another machine")
    async with open_backends(operator.settings, operator.wire) as backends:
        new = replace(WRITE, scope=backends.scope())
    record = Ledger(url, "ADOPS_DATABASE_URL", elsewhere)
    sent = await begun(record, new)
    assert await record.record_departure(sent, REQUEST)
    await record.settle(sent, LOST)
    await record.close()
    time.moment += 3600
    code, _, told = await operator.run("reconcile", sent, "--outcome", "not_sent")
    assert (code, told) == (0, f"{sent}: waiting 60 s, because the database's clock alone is not trusted.\n")
    assert time.slept[-1] == pytest.approx(60.1)
    code, _, told = await operator.run("reconcile", sent, "--outcome", "succeeded")
    assert (code, told) == (0, "")


async def test_a_write_that_waits_is_approved_once(operator: Operator) -> None:
    waiting = await operator.agent("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700010"})
    operation_id = waiting["operation_id"]
    code, said, _ = await operator.run("approve", operation_id, "--note", "asked for by sales")
    assert code == 0
    assert said.splitlines() == [
        "Replace the ad-server configuration of source gam-northlight by Google Ad Manager network 21700010. It was "
        "provisioned: what it sells may stop.",
        "  network_code: 21700001 -> 21700010",
        "  Not checked: Whether the network can be reached: test_gam_connection shows it once granted.",
        "  Request: PUT /api/v2/storefront/inventory-sources/gam-northlight/ad-server "
        '{"type": "google_ad_manager", "networkCode": "21700010"}',
        f"  Requested by {user()} through mcp 0.1.0",
        f"Approved exactly this. It is sent when the agent makes the same call again within a day: {operation_id}",
    ]
    assert operator.network.interchange.written() == []
    done = await operator.agent("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700010"})
    assert done["operation_id"] == operation_id
    code, _, complaint = await operator.run("approve", operation_id)
    assert (code, complaint) == (
        1,
        f"adops-mcp: {operation_id} cannot be approved: it is succeeded.\n",
    )


async def test_what_is_rejected_may_be_approved_after_all(operator: Operator) -> None:
    waiting = await operator.agent("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700010"})
    code, said, _ = await operator.run("reject", waiting["operation_id"], "--note", "no")
    assert (code, said.splitlines()[-1]) == (0, f"Rejected. It is not sent: {waiting['operation_id']}")
    assert "rejected" in (await operator.run("list"))[1]
    assert (await operator.run("reject", waiting["operation_id"]))[2].endswith("cannot be rejected: it is rejected.\n")
    refused = await operator.agent("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700010"})
    assert refused["code"] == "rejected"
    assert f"`adops-mcp operations approve {waiting['operation_id']}`" in refused["next_step"]
    assert (await operator.run("approve", waiting["operation_id"]))[0] == 0
    done = await operator.agent("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700010"})
    assert done["operation_id"] == waiting["operation_id"]
    assert len(operator.network.interchange.written()) == 1


async def test_nobody_settles_by_hand_what_may_still_be_carried_out(operator: Operator) -> None:
    lost = await operator.agent("create_proposed_io", ORDER, lose=True)
    operator.network.time.moment += 59
    code, _, complaint = await operator.run("reconcile", lost["operation_id"], "--outcome", "not_sent")
    assert (code, complaint) == (
        1,
        f"adops-mcp: {lost['operation_id']} may still be carried out, until about 2026-11-22T12:01:00Z: look again "
        "after that.\n",
    )
    assert (await operator.run("reconcile", lost["operation_id"], "--outcome", "succeeded"))[0] == 0


async def test_all_that_is_in_doubt_is_looked_at(operator: Operator) -> None:
    lost = await operator.agent("create_proposed_io", ORDER, lose=True)
    assert lost["code"] == "in_doubt"
    code, said, _ = await operator.run("reconcile")
    assert (code, said.splitlines()[-1]) == (0, "1 in doubt, 1 settled, 0 still in doubt.")
    assert f"{lost['operation_id']}  succeeded: Proposed IO " in said
    assert (await operator.run("reconcile"))[1] == "0 in doubt, 0 settled, 0 still in doubt.\n"


@pytest.mark.parametrize(("outcome", "again"), [("succeeded", True), ("not_sent", False)])
async def test_a_person_settles_what_only_a_person_can_see(operator: Operator, outcome: str, again: bool) -> None:
    lost = await operator.agent("create_proposed_io", ORDER, lose=True)
    operation_id = lost["operation_id"]
    operator.network.time.moment += 60
    code, said, _ = await operator.run("reconcile", operation_id, "--outcome", outcome, "--note", "seen in FreeWheel")
    assert code == 0
    assert said.startswith(f"{operation_id} is settled as {outcome.replace('_', ' ')}, by ")
    told = json.loads((await operator.run("show", operation_id))[1])
    assert told["history"][-1]["note"].endswith("A person looked at the vendor: seen in FreeWheel.")
    answer = await operator.agent("create_proposed_io", ORDER)
    assert answer.get("replayed", False) is again
    assert (await operator.run("reconcile", operation_id, "--outcome", outcome))[0] == 1


@pytest.mark.parametrize("words", [("show", "op_1"), ("approve", "op_1"), ("reject", "op_1"), ("reconcile", "op_1")])
async def test_an_unknown_id_is_said_to_be_none(operator: Operator, words: tuple[str, ...]) -> None:
    code, _, complaint = await operator.run(*words)
    assert (code, complaint) == (
        1,
        "adops-mcp: there is no operation op_1 on record here. `operations list` shows all.\n",
    )


async def test_an_outcome_is_given_for_one_operation_alone(operator: Operator) -> None:
    code, _, complaint = await operator.run("reconcile", "--outcome", "succeeded")
    assert (code, complaint) == (1, "adops-mcp: --outcome needs the id of one operation.\n")


@pytest.mark.parametrize("words", [(), ("list", "--limit", "0"), ("list", "--limit", "x"), ("list", "--state", "lost")])
def test_wrong_usage_is_said(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["operations", *words])
    assert caught.value.code == 2
    assert "usage: adops-mcp operations" in capsys.readouterr().err


def test_the_command_works_on_the_record_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    assert main(["operations", "list"]) == 0
    assert capsys.readouterr().out == "Nothing was written.\n"


def test_a_record_that_cannot_be_used_is_said_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ADOPS_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:9/none")
    assert main(["operations", "list"]) == 1
    complaint = capsys.readouterr().err
    assert "ADOPS_DATABASE_URL" in complaint
    assert "geheim" not in complaint
