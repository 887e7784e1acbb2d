"""The pages of the project as what they are made of: links, headings, code and fences, with where each stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs import ROOT

_MARK = re.compile(r"<!-- (\w+): (\S+) -->")


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code. kind, name: of the comment right above it, such as `<!-- command: demo -->`."""

    language: str
    text: str
    kind: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """code: what stands in backticks. anchors: what a link to a heading ends with."""

    path: Path
    text: str
    links: tuple[str, ...]
    code: tuple[str, ...]
    fences: tuple[Fence, ...]
    anchors: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def marked(self, kind: str) -> list[Fence]:
        return [fence for fence in self.fences if fence.kind == kind]


def read(path: Path) -> Page:
    text = path.read_text("utf-8")
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [child for block in blocks for child in block.children or ()]
    return Page(
        path,
        text,
        tuple(str(token.attrs["href"]) for token in inner if token.type == "link_open"),
        tuple(token.content for token in inner if token.type == "code_inline"),
        tuple(_fences(blocks)),
        tuple(_anchor(blocks[at + 1]) for at, block in enumerate(blocks) if block.type == "heading_open"),
    )


def _fences(blocks: list[Token]) -> Iterator[Fence]:
    above = ""
    for block in blocks:
        if block.type == "fence":
            marked = _MARK.search(above)
            yield Fence(block.info.strip(), block.content, *(marked.groups() if marked else ()))
        above = block.content if block.type == "html_block" else ""


def _anchor(heading: Token) -> str:
    """As GitHub makes it: words in lower case, joined by hyphens, without punctuation."""
    words = "".join(child.content for child in heading.children or ())
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
