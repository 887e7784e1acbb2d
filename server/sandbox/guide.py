"""What an agent is told of the sandbox: the ids that a person would know and no tool can find."""

from __future__ import annotations

from server.sandbox import google_ad_manager
from server.sandbox.freewheel_seed import BRANDS, CAMPAIGNS, USERS
from server.sandbox.interchange_seed import MEDIA_BUYS

_BUYS = "; ".join(
    f"{buy.media_buy_id} (buyer_customer_id {buy.buyer_customer_id}, {buy.campaign})" for buy in MEDIA_BUYS[:3]
)

GUIDE = f"""\
This is the sandbox of a made-up publisher, Northlight Television: nothing here is real, and everything may be tried.
Media buys to hold for: {_BUYS}.
FreeWheel ids: brand_id {BRANDS[0].id} ({BRANDS[0].name}), campaign_id {CAMPAIGNS[0].id}, user {USERS[1].id}.
Ad Manager: source gam-northlight and network {google_ad_manager.NETWORK} work; source gam-no-grant and network \
{google_ad_manager.GRANT_MISSING} do not.\
"""
