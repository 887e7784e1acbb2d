"""Serves the production server over its own HTTP transport with the suite's fixtures on it: `... launcher PORT`."""

from __future__ import annotations

import sys

from server.configuration.settings import load
from server.http.application import BindAddress, application, run
from server.protocol.app import build_server
from tests.conformance.fixtures import with_fixtures


def main(port: int) -> None:
    app = application(load(), build=lambda settings, wire, calls: with_fixtures(build_server(settings, wire, calls)))
    run(app, BindAddress(port=port), workers=1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
