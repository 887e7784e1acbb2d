"""FreeWheel's v3 API, where it is needed to find ids: campaigns, advertisers and their brands.

Source: we have no document of it. Public clients read `GET /services/v3/campaigns`, `/services/v3/advertisers` and
`/services/v3/advertisers/{id}/brands` with `page`, `per_page` and `status`, and get XML. Its root is named after the
list and has the attribute `total_pages`; each element in it is an entry, whose children are `id`, `name` and more.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, ParseError, fromstring

from pydantic import ValidationError

from tools.freewheel.models import Entry, PageOf
from tools.vendor_http.replies import Answer

HEADERS = {"Accept": "application/xml", "Content-Type": "application/xml"}

T = TypeVar("T", bound=Entry)


def read_page(answer: Answer, model: type[T], root: str, entry: str) -> PageOf[T]:
    """The entries of a list.

    Raises UnexpectedAnswer for anything but XML with that root that holds such entries or is empty: an empty result
    would be wrong.
    """
    page = _tree(answer)
    if page.tag != root:
        answer.unreadable(f"XML that is no list of {root}")
    found = [{child.tag: child.text for child in element} for element in page if element.tag == entry]
    if len(page) and not found:
        answer.unreadable(f"XML whose {root} hold no {entry}")
    try:
        entries = [model.model_validate(one) for one in found]
    except ValidationError:
        answer.unreadable(f"XML with a {entry} whose id could not be read")
    fields: dict[str, Any] = {
        "items": entries,
        "total": page.get("total_entries") or page.get("total_count") or page.get("total"),
        "total_pages": page.get("total_pages"),
        "page": page.get("page"),
        "per_page": page.get("per_page"),
    }
    return answer.parse(PageOf[model], fields)


def _tree(answer: Answer) -> Element:
    try:
        text = answer.reply.body.decode("utf-8")
        if re.search("<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
            answer.unreadable(f"{answer.reply.looks_like()} with a document type")
        return fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except (UnicodeDecodeError, ParseError, ValueError):
        answer.unreadable(f"{answer.reply.looks_like()} that cannot be read as XML")
