"""What an agent reads about the sandbox: Ad Manager networks that a person would know and no tool lists."""

from __future__ import annotations

from server.sandbox.google_ad_manager.seed import GRANT_MISSING, NETWORK

GUIDE = f"""\
This is the sandbox of a made-up publisher, Northlight Television: nothing here is real, and everything may be tried.
Ad Manager network codes: {NETWORK} works, {GRANT_MISSING} has not granted access, 21700007 is free for a source that \
has none yet; its grant takes effect after the first test.\
"""
