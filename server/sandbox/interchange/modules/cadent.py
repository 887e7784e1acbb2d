"""The campaign of a Cadent source, and the request XML that a trafficker gives to Cadent.

Interchange documents `cadentCampaign` as a free-form object and `cadentRequestXml` as a string. The field names inside
are the sandbox's own, modelled on the `cadent` projection of a modular product.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML 1.0 cannot represent."""


def campaign(details: dict[str, Any], cadent: dict[str, Any]) -> dict[str, Any]:
    """Render the campaign from the payload of the booking's work items and the product's Cadent projection."""
    creative = details["creative"]
    return {
        "externalId": f"{details['mediaBuyId']}/{details['packageId']}",
        "name": details["campaignName"],
        "deliveryType": cadent["campaignDeliveryType"],
        "advertiser": {"name": details["advertiserName"], "externalRef": details["advertiserExternalRef"]},
        "lines": [
            {
                "externalId": details["bookingId"],
                "name": details["productName"],
                "deliveryType": cadent["lineDeliveryType"],
                "adType": cadent["adType"],
                "adClass": cadent["adClass"],
                "flight": {"startTime": details["startTime"], "endTime": details["endTime"]},
                "impressions": details["requestedImpressions"],
                "cpm": details["cpm"],
                "targets": cadent["targets"],
                "copy": {
                    "clientCopyMasterRef": creative.get("clientCopyMasterRef"),
                    "duration": creative.get("duration"),
                },
            }
        ],
    }


def request_xml(content: dict[str, Any]) -> str:
    root = ElementTree.Element("CampaignRequest", version="2.4", sender="interchange")
    node = ElementTree.SubElement(
        root, "Campaign", externalId=_text(content["externalId"]), deliveryType=content["deliveryType"]
    )
    _element(node, "Name", content["name"])
    advertiser = ElementTree.SubElement(node, "Advertiser")
    _element(advertiser, "Name", content["advertiser"]["name"])
    _element(advertiser, "ExternalRef", content["advertiser"]["externalRef"])
    for line in content["lines"]:
        _line(node, line)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False)


def _line(parent: ElementTree.Element, line: dict[str, Any]) -> None:
    node = ElementTree.SubElement(
        parent,
        "Line",
        externalId=line["externalId"],
        deliveryType=line["deliveryType"],
        adType=line["adType"],
        adClass=line["adClass"],
    )
    _element(node, "Name", line["name"])
    ElementTree.SubElement(node, "Flight", start=line["flight"]["startTime"], end=line["flight"]["endTime"])
    _element(node, "Impressions", line["impressions"])
    _element(node, "Cpm", line["cpm"])
    targets = ElementTree.SubElement(node, "Targets")
    for target in line["targets"]:
        target_node = ElementTree.SubElement(
            targets, "Target", type=target["targetType"], condition=target["condition"]
        )
        for value in target["values"]:
            _element(target_node, "Value", value)
    copy = ElementTree.SubElement(node, "Copy")
    _element(copy, "ClientCopyMasterRef", line["copy"]["clientCopyMasterRef"])
    _element(copy, "Duration", line["copy"]["duration"])


def _element(parent: ElementTree.Element, tag: str, value: object) -> None:
    if value is not None:
        ElementTree.SubElement(parent, tag).text = _text(str(value))


def _text(value: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", value)
