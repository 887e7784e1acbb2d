"""Whether something was created in FreeWheel whose answer was lost: what is there now, against what was there before.

FreeWheel takes no idempotency key and promises no order of ids, and its times are those of its own clock, sometimes to
the day. So nothing here compares one of its times with ours. What proves a creation is an id that was not there before
the write was sent, with the identity and the content that were asked for; what proves that there was none is a reading
of the whole list (`tools.freewheel.search.proven`) without any such id. Everything between is not known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from tools.freewheel.models import InventoryPackage, ProposedInsertionOrder
from tools.updates import tells_seconds
from tools.writes import Doubt, Verdict, made_by

T = TypeVar("T", InventoryPackage, ProposedInsertionOrder)

MOST_READ = 25
"""New objects that are read one by one."""


@dataclass(frozen=True, kw_only=True)
class Creation(Generic[T]):
    """What was to be created, and how it is looked for.

    noun: what it is, in a sentence. identity: what tells it from others, in a clause. shown_as and found_as: the parts
    of a tool's result and of what was found that hold its id or ids. has_identity: whether an object of the list is
    named so. read: the object whole. different: what an object says otherwise than was asked, in words; empty: nothing.
    check: what a person looks at.
    """

    noun: str
    identity: str
    shown_as: str
    found_as: str
    has_identity: Callable[[T], bool]
    read: Callable[[int], Awaitable[T]]
    different: Callable[[T], str]
    check: str

    async def verdict(self, doubt: Doubt, listed: Sequence[T], *, proven: bool) -> Verdict:
        """listed: what was seen of the list now. proven: whether it is proven that there is nothing else."""
        known = _baseline(doubt)
        ours = made_by(doubt.siblings, self.shown_as, self.found_as)
        others = [one for one in listed if one.id not in ours]
        same = [one.id for one in others if self.has_identity(one)]
        if known is None:
            return self._without_a_baseline(same)
        if new := [one for one in same if one not in known]:
            return await self._among(new)
        if not proven:
            return self._unknown("FreeWheel's list changed while it was read, or its counts do not agree.")
        if renamed := [one.id for one in others if one.id not in known and not _is_as_created(one)]:
            return self._unknown(
                f"None that is new {self.identity}, but {self.noun} {_ids(renamed)} is new and may have been changed "
                "since: it may be it.",
                renamed,
            )
        older = f" (older ones: {_ids(same)})" if same else ""
        return Verdict(outcome="not_sent", evidence=f"No new {self.noun} {self.identity}{older}.")

    @property
    def _named(self) -> str:
        return self.noun[0].upper() + self.noun[1:]

    def _without_a_baseline(self, same: Sequence[int]) -> Verdict:
        there = f" {self._named} {_ids(same)} {self.identity}." if same else ""
        return self._unknown(f"The record does not hold which there were before it was sent.{there}", same)

    async def _among(self, new: Sequence[int]) -> Verdict:
        """Which of the objects that are new and have its identity has its content, too."""
        read = [await self.read(one) for one in new[:MOST_READ]]
        alike = [one.id for one in read if not self.different(one)]
        if not alike:
            said = next((said for one in read if (said := self.different(one))), "")
            return self._unknown(
                f"{self._named} {_ids(new)} is new and {self.identity}, with other content: somebody "
                f"else's, or changed since. {said}".strip(),
                new,
            )
        evidence = f"{self._named} {_ids(alike)} is new, {self.identity} and has that content."
        return Verdict(outcome="succeeded", evidence=evidence, found={self.found_as: alike})

    def _unknown(self, evidence: str, ids: Sequence[int] = ()) -> Verdict:
        found = {self.found_as: list(ids)} if ids else {}
        return Verdict(outcome="unknown", evidence=evidence, check=self.check, found=found)


def _baseline(doubt: Doubt) -> set[int] | None:
    known = (doubt.write.before or {}).get("ids")
    return set(cast("list[int]", known)) if isinstance(known, list) else None


def _is_as_created(one: InventoryPackage | ProposedInsertionOrder) -> bool:
    """Whether it was not changed since it was created, by FreeWheel's own two times, where they are to the second."""
    return one.created_at is not None and one.created_at == one.updated_at and tells_seconds(one.created_at)


def _ids(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(str, ids[:5])) + more
