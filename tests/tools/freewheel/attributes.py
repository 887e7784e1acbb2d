"""Standard attributes as FreeWheel sends them, for the tests of the tool that finds them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support import Answer
from tests.tools.freewheel.packages import ok

ATTRIBUTES = "/services/v4/standard_attributes"
READ = ("GET", ATTRIBUTES, None)
DRAMAS = [{"id": 1008, "name": "Crime Drama"}, {"id": 1004, "name": "Drama"}, {"id": 5, "name": "Drama Queens"}]
NO_SERIES: dict[str, Any] = {"series": [], "page": 1, "per_page": 15, "total": 0, "total_pages": 0}


def series(name: str, page: int = 1, per_page: int = 15) -> tuple[str, str, None]:
    return ("GET", f"{ATTRIBUTES}/series?name={name}&page={page}&per_page={per_page}", None)


def freewheel(attributes: Any, found: Any = NO_SERIES) -> Answer:
    """FreeWheel with these standard attributes, and this answer to every search of series."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = found if request.url.path.endswith("/series") else attributes
        return body if isinstance(body, httpx.Response) else ok(body)

    return answer


def named(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"Entry {number}"} for number in range(first, first + count)]


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]
