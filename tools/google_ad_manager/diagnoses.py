"""What the results of connection tests mean, for both ways of testing, by Interchange's error codes.

Sources: Interchange `test-connection` and `lastErrorCode`; Google Ad Manager help, "Add a service account user".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tools.google_ad_manager.client import Finding
from tools.vendor_http.replies import printable


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a result means, and what a person does about it.

    do_now: has `{account}` in the place of the service account.
    waiting_helps: whether the same test may have another result later although nobody did anything.
    """

    code: str
    meaning: str
    do_now: str
    where: str | None
    waiting_helps: bool
    wait_seconds: int | None = None


_GRANT = 'Google Ad Manager: Admin > Global settings > Network settings > "Add a service account user"'
_NOT_USERS = (
    "Not on the Users page: it mails an invitation that a service account cannot accept, and every call keeps failing."
)

DIAGNOSES: dict[Finding, Diagnosis] = {
    Finding.OK: Diagnosis("OK", "The service account reaches the network.", "Nothing.", None, waiting_helps=False),
    Finding.NETWORK_NOT_FOUND: Diagnosis(
        "ADAPTER_NETWORK_NOT_FOUND",
        "Google knows no network with this code, or does not show it to the account.",
        "Compare the network code with the one in Ad Manager, correct it, then test again.",
        "Google Ad Manager: Admin > Global settings > Network settings, network code",
        waiting_helps=False,
    ),
    Finding.PERMISSION_DENIED: Diagnosis(
        "ADAPTER_PERMISSION_DENIED",
        "The network has not granted the service account access, or the grant is not effective yet.",
        f"Add {{account}} as a service account user, wait 1-2 minutes, test again. {_NOT_USERS}",
        _GRANT,
        waiting_helps=True,
        wait_seconds=120,
    ),
    Finding.API_ACCESS_OFF: Diagnosis(
        "ADAPTER_PERMISSION_DENIED",
        "API access is turned off for the network.",
        "Turn API access on, then test again.",
        "Google Ad Manager: Admin > Global settings > Network settings, API access",
        waiting_helps=False,
    ),
    Finding.SERVICE_DISABLED: Diagnosis(
        "ADAPTER_INVALID_CONFIG",
        "The Ad Manager API is not enabled in the Google Cloud project that the service account belongs to.",
        "Enable the Ad Manager API in that project, wait a few minutes, test again.",
        "Google Cloud console: APIs & Services > Library > Ad Manager API",
        waiting_helps=False,
    ),
    Finding.SCOPE_INSUFFICIENT: Diagnosis(
        "ADAPTER_INVALID_CONFIG",
        "The token that was used does not carry the Ad Manager scope.",
        "Give the server the key of a service account; a token made elsewhere does not work.",
        "The setting ADOPS_GAM_SERVICE_ACCOUNT_FILE",
        waiting_helps=False,
    ),
    Finding.CREDENTIALS: Diagnosis(
        "ADAPTER_INVALID_CREDENTIALS",
        "Google does not accept the service account's credentials.",
        "Check whether the key was deleted or disabled; make a new one and hand it to the operator of this server.",
        "Google Cloud console: IAM & Admin > Service Accounts > Keys; then the setting ADOPS_GAM_SERVICE_ACCOUNT_FILE",
        waiting_helps=False,
    ),
    Finding.KEY: Diagnosis(
        "ADAPTER_INVALID_CONFIG",
        "The configured service-account key cannot be read or is not one.",
        "Point the setting at the JSON key file of a service account, then run `adops-mcp doctor`.",
        "The setting ADOPS_GAM_SERVICE_ACCOUNT_FILE",
        waiting_helps=False,
    ),
    Finding.CONFIG: Diagnosis(
        "ADAPTER_INVALID_CONFIG",
        "A field of the configuration is not valid.",
        "Check the network code and the connection's fields, correct them, then test again.",
        None,
        waiting_helps=False,
    ),
    Finding.RATE_LIMITED: Diagnosis(
        "RATE_LIMITED",
        "Google answers that there were too many requests; the connection itself was not judged.",
        "Wait, then test again.",
        None,
        waiting_helps=True,
        wait_seconds=5,
    ),
    Finding.CONNECTION: Diagnosis(
        "ADAPTER_CONNECTION_FAILED",
        "Ad Manager could not be reached or failed for the moment; the connection itself was not judged.",
        "Wait a minute, then test again.",
        None,
        waiting_helps=True,
        wait_seconds=60,
    ),
    Finding.INTERNAL: Diagnosis(
        "INTERNAL_ERROR",
        "Interchange failed inside; the connection itself was not judged.",
        "Test again in a few minutes; if it stays so, contact Interchange's support.",
        None,
        waiting_helps=True,
        wait_seconds=300,
    ),
    Finding.NOT_GOOGLE: Diagnosis(
        "UNKNOWN",
        "Something other than Google's API answered, such as a proxy: nothing was learnt about the network.",
        "The operator checks the route from this server to Google (proxy, firewall, base URL), then tests again.",
        "The network of this server, and the setting ADOPS_GAM_BASE_URL if it is set",
        waiting_helps=False,
    ),
    Finding.UNKNOWN: Diagnosis(
        "UNKNOWN",
        "It failed for a reason that is not in the known list.",
        "Show the person the code, and what the vendor says if it said anything.",
        None,
        waiting_helps=False,
    ),
}

PLATFORM_CREDENTIALS = Diagnosis(
    "ADAPTER_INVALID_CREDENTIALS",
    "The service account that Interchange keeps for this publisher is broken.",
    "Contact Interchange's support; nothing in Ad Manager fixes it.",
    "Interchange support",
    waiting_helps=False,
)

NOT_CONFIGURED = Diagnosis(
    "ADAPTER_INVALID_CONFIG",
    "No ad server is configured for this source.",
    "Call configure_gam_source with the network code that the person gives; then the service account is granted.",
    None,
    waiting_helps=False,
)

_INTERCHANGE: dict[str, Diagnosis] = {
    "ADAPTER_NETWORK_NOT_FOUND": replace(
        DIAGNOSES[Finding.NETWORK_NOT_FOUND],
        do_now="Compare the network code with the one in Ad Manager, correct it with configure_gam_source, then test "
        "again.",
    ),
    "ADAPTER_PERMISSION_DENIED": DIAGNOSES[Finding.PERMISSION_DENIED],
    "ADAPTER_INVALID_CREDENTIALS": PLATFORM_CREDENTIALS,
    "ADAPTER_INVALID_CONFIG": replace(
        DIAGNOSES[Finding.CONFIG],
        meaning="A setting is not valid: one of the connection, or one of the network, such as API access turned off.",
        do_now="Follow vendor_says if it names the setting. Otherwise see that API access is on and compare the "
        "network code; a wrong one is corrected with configure_gam_source. Then test again.",
        where="Google Ad Manager: Admin > Global settings > Network settings",
    ),
    "ADAPTER_CONNECTION_FAILED": DIAGNOSES[Finding.CONNECTION],
    "INTERNAL_ERROR": DIAGNOSES[Finding.INTERNAL],
}


def result_fields(diagnosis: Diagnosis, account: str | None) -> dict[str, Any]:
    """The diagnosis as fields of a result, with the service account named in `do_now`."""
    do_now = diagnosis.do_now.replace("{account}", printable(account) if account else "the service account's e-mail")
    return {**asdict(diagnosis), "do_now": do_now}


def diagnosis_of_code(code: str | None, *, configured: bool = True) -> Diagnosis:
    """The diagnosis of an Interchange error code. There may be unknown codes, which are shown as they are.

    configured: whether the source has an ad server. Without one, the code for a wrong field has another remedy.
    """
    if code == NOT_CONFIGURED.code and not configured:
        return NOT_CONFIGURED
    if code in _INTERCHANGE:
        return _INTERCHANGE[code]
    unknown = DIAGNOSES[Finding.UNKNOWN]
    return Diagnosis(
        printable(code, limit=80) if code else unknown.code,
        unknown.meaning,
        unknown.do_now,
        unknown.where,
        unknown.waiting_helps,
    )


def vocabulary() -> list[dict[str, Any]]:
    """Every error code with its meaning and what a person does. A code with several causes is listed once for each."""
    failures = [verdict for finding, verdict in DIAGNOSES.items() if finding is not Finding.OK]
    return [
        {name: value for name, value in result_fields(verdict, None).items() if value is not None}
        for verdict in (*failures, PLATFORM_CREDENTIALS)
    ]
