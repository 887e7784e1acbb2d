"""Configure the Google Ad Manager network of a source (Interchange: "Replace ad-server source config")."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict, record_baseline
from tools.errors import InvalidArguments, UnexpectedAnswer
from tools.fields import SourceId
from tools.google_ad_manager.client import Finding
from tools.google_ad_manager.diagnoses import DIAGNOSES, result_fields
from tools.google_ad_manager.get_gam_connection import GOOGLE_AD_MANAGER
from tools.interchange import models
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, change_line, field_changes, may_have_changed
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, differences, printable


class ConfigureGamSource(Arguments):
    source_id: SourceId = Field(description="Ad-server source, from list_inventory_sources.")
    network_code: str = Field(
        pattern=r"^[0-9]{1,32}$",
        description="Ad Manager network code, digits only, exactly as the person gave it.",
    )


class ConfiguredSource(Result):
    source_id: str
    connection_id: str
    network_code: str | None = Field(default=None, description="As answered; absent when Interchange did not state it.")
    changes: list[Change] = Field(description="What differs from just before; empty is nothing.")
    service_account_email: str | None = Field(
        default=None, description="The account that a person grants in Ad Manager; absent when not known."
    )
    do_now: str = Field(description="What a person must do now, unless it was done before.")
    where: str | None = Field(default=None, description="Where a person does it.")
    what_happened: str
    next_step: str


async def configure_gam_source(arguments: ConfigureGamSource, backends: Backends) -> ConfiguredSource:
    """Save which Google Ad Manager network an Interchange ad-server source sells from.

    get_gam_connection shows what is configured now. This replaces the whole ad-server configuration, and a source
    that sells may stop. Refused when another ad server is configured. Saving is no test: a person grants the
    service account it names, then test_gam_connection tells.
    """
    source_id, network_code = arguments.source_id, arguments.network_code
    before = await backends.interchange.esa_connection(source_id)
    _refuse_another_ad_server(source_id, before)
    record_baseline(
        {
            "updated_at": before.updated_at,
            "is_configured": before.ad_server is not None,
            "network_code": before.ad_server.network_code if before.ad_server else None,
        }
    )
    answer = await backends.interchange.configure_ad_server(
        source_id,
        {"type": GOOGLE_AD_MANAGER, "networkCode": network_code},
        look=f"By hand: get_gam_connection for source {source_id}: if its network code is {network_code}, it is "
        "saved; if not, the same call may be made again.",
    )
    saved = answer.ad_server or models.AdServer()
    difference = differences({"type": GOOGLE_AD_MANAGER, "network_code": network_code}, saved)
    difference = difference or differences({"id": before.id}, answer)
    grant = result_fields(DIAGNOSES[Finding.PERMISSION_DENIED], answer.service_account_email)
    return ConfiguredSource(
        source_id=source_id,
        connection_id=answer.id,
        network_code=saved.network_code,
        changes=_changes(before.ad_server, answer.ad_server),
        service_account_email=answer.service_account_email,
        do_now=grant["do_now"],
        where=grant["where"],
        what_happened=_what_happened(arguments, before.ad_server, saved, difference),
        next_step=_next_step(answer, saved, difference),
    )


def _refuse_another_ad_server(source_id: str, connection: models.EsaConnection) -> None:
    """Saving replaces the whole configuration. Its credentials are never shown, so they could not be restored."""
    configured = connection.ad_server
    if "ad_server" not in connection.model_fields_set:
        raise UnexpectedAnswer(
            f"Interchange does not state whether source {source_id} has an ad server configured. Saving would replace "
            "it, so nothing was changed.",
            next_step="Call again later; if it stays so, a person looks at the source in Interchange.",
        )
    if configured is None or configured.type == GOOGLE_AD_MANAGER:
        return
    label = f"the ad server {printable(configured.type, limit=80)}" if configured.type else "an ad server of a type "
    label += "" if configured.type else "that Interchange does not state"
    raise InvalidArguments(
        f"Source {source_id} has {label} configured. Saving would replace it with its credentials, which cannot be "
        "read back, so nothing was changed.",
        next_step="Take another source from list_inventory_sources, or have a person change this one in Interchange.",
    )


def _changes(before: models.AdServer | None, after: models.AdServer | None) -> list[Change]:
    """Only what the answer states: a field that it leaves out is not known to be removed."""
    return field_changes(
        _ad_server_fields(before),
        {name: value for name, value in _ad_server_fields(after).items() if value is not None},
    )


def _ad_server_fields(ad_server: models.AdServer | None) -> dict[str, str | None]:
    return {"ad_server_type": ad_server.type, "network_code": ad_server.network_code} if ad_server else {}


def _what_happened(
    arguments: ConfigureGamSource, before: models.AdServer | None, saved: models.AdServer, difference: str
) -> str:
    source_id, code = arguments.source_id, printable(saved.network_code or "", limit=80)
    if not code:
        sentences = [
            f"Interchange accepted the configuration of source {source_id} and did not state its network code."
        ]
    elif before is None:
        sentences = [
            f"Interchange saved network code {code} for source {source_id}, which had no ad server configured."
        ]
    elif before.network_code == code:
        sentences = [f"Interchange saved network code {code} for source {source_id}, which had the same before."]
    else:
        earlier = printable(before.network_code or "", limit=80) or "not stated"
        sentences = [f"Interchange saved network code {code} for source {source_id}; before it was {earlier}."]
    sentences.append("Whether the network can be reached was not tested.")
    if difference:
        sentences.append(difference)
    return " ".join(sentences)


def _next_step(answer: models.EsaConnection, saved: models.AdServer, difference: str) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    if saved.network_code is None:
        return "Call get_gam_connection to see whether the network code was saved."
    if answer.service_account_email is None:
        return (
            "Interchange did not state the service account's e-mail: call get_gam_connection for it, or a person reads "
            "it in Interchange. Once a person granted it, wait 1-2 minutes, then test_gam_connection with this source."
        )
    return (
        "Give the person do_now and where. Once they say that it is granted, wait 1-2 minutes, then "
        "test_gam_connection with this source."
    )


def _subject(arguments: ConfigureGamSource) -> str:
    return f"ad_server:{arguments.source_id}"


async def _preview(arguments: ConfigureGamSource, backends: Backends) -> Preview:
    source_id, code = arguments.source_id, arguments.network_code
    connection = await backends.interchange.esa_connection(source_id)
    configured = connection.ad_server
    code_before = configured.network_code if configured else None
    another = configured is not None and configured.type not in (None, GOOGLE_AD_MANAGER)
    selling = (
        " It was provisioned: what it sells may stop." if connection.provisioned_at and code_before != code else ""
    )
    return Preview(
        does=f"Replace the ad-server configuration of source {source_id} by Google Ad Manager network {code}.{selling}",
        changes=[change_line("network_code", code_before, code)]
        if code_before != code
        else ["Nothing differs from what is there."],
        problems=["Another ad server is configured: this call is refused."] if another else [],
        not_checked=["Whether the network can be reached: test_gam_connection shows it once granted."],
    )


async def _reconcile(arguments: ConfigureGamSource, backends: Backends, doubt: Doubt) -> Verdict:
    source_id = arguments.source_id
    connection = await backends.interchange.esa_connection(source_id)
    code = connection.ad_server.network_code if connection.ad_server else None
    found = {"source_id": source_id, **({"network_code": code} if code else {})}
    before = doubt.write.baseline or {}
    may_have_changed_since = may_have_changed(doubt, connection.updated_at, connection.created_at)
    check = f"A person looks at the ad server of source {source_id} in Interchange."
    evidence = f"The source has {f'network {printable(code, limit=80)}' if code else 'no stated network'}."
    if code == arguments.network_code and "network_code" not in before:
        full_evidence = f"{evidence} Which one it had before is not on record."
        return Verdict(outcome="unknown", evidence=full_evidence, check=check, found=found)
    if code == arguments.network_code and (may_have_changed_since or before["network_code"] != code):
        return Verdict(outcome="succeeded", evidence=evidence, found=found)
    unstated = connection.ad_server is None and before.get("is_configured") is not False
    if may_have_changed_since or unstated:
        full_evidence = f"{evidence} It may have been changed since."
        return Verdict(outcome="unknown", evidence=full_evidence, check=check, found=found)
    full_evidence = f"{evidence} It was not changed since before this was sent."
    return Verdict(outcome="not_sent", evidence=full_evidence, found=found)


TOOL = Tool(
    name="configure_gam_source",
    title="Configure a Google Ad Manager source",
    arguments=ConfigureGamSource,
    result=ConfiguredSource,
    effect=Write(
        subject=_subject,
        preview=_preview,
        reconcile=_reconcile,
        destructive=True,
        repeatable=True,
        consequential=lambda _: True,
    ),
    handler=configure_gam_source,
)
