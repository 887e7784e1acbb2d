"""The names of the vendors whose systems the tools work in."""

from __future__ import annotations

from typing import Literal

VendorName = Literal["interchange", "freewheel", "google_ad_manager"]

TITLES: dict[VendorName, str] = {
    "interchange": "Interchange",
    "freewheel": "FreeWheel",
    "google_ad_manager": "Google Ad Manager",
}
