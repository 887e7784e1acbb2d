"""Whether something was created in FreeWheel whose answer was lost: what is there now, against what was there before.

FreeWheel takes no idempotency key and promises no order of ids, and its times are those of its own clock, sometimes to
the day. So nothing here compares one of its times with ours. What proves a creation is an id that was not there before
the write was sent, with the identity and the content that were asked for; what proves that there was none is a reading
of the whole list (`tools.freewheel.search.proven`) in which everything that is new is surely something else. Everything
between is not known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from tools.effects import Doubt, Verdict, made_by
from tools.errors import InDoubt, NotFound
from tools.freewheel.models import InventoryPackage, ProposedInsertionOrder
from tools.spelling import may_be_the_same
from tools.updates import are_fine

T = TypeVar("T", InventoryPackage, ProposedInsertionOrder)

MOST_READ = 25
"""New objects that are read one by one."""


@dataclass(frozen=True, kw_only=True)
class Creation(Generic[T]):
    """What was to be created, and how it is looked for.

    noun: what it is, in a sentence. field: the field that tells it from others, as FreeWheel spells it. identity: what
    that field was asked to hold. shown_as and found_as: the parts of a tool's result and of what was found that hold
    its id or ids. read: the object whole. different: what an object says otherwise than was asked, in words; empty:
    nothing. untold: what was asked for and the object does not tell. check: what a person looks at.
    """

    noun: str
    field: str
    identity: str
    shown_as: str
    found_as: str
    read: Callable[[int], Awaitable[T]]
    different: Callable[[T], str]
    untold: Callable[[T], Sequence[str]]
    check: str

    def baseline(self, listed: Sequence[T] | None) -> dict[str, Any]:
        """What is there before the write; `ids` is None when that is not known."""
        if listed is None:
            return {"ids": None}
        return {
            "ids": sorted(one.id for one in listed),
            "same": sorted(one.id for one in listed if self._may_be_it(one)),
        }

    def check_new(self, created: T, baseline: Mapping[str, Any]) -> None:
        """Raises InDoubt where the answer to a creation is about an object that was there before it was sent."""
        if created.id in (baseline["ids"] or ()):
            raise InDoubt(
                f"FreeWheel answered the creation with {self.noun} {created.id}, which was there before it was sent: "
                "whether another one was created is not known.",
                next_step=self.check,
            )

    async def verdict(self, doubt: Doubt, listed: Sequence[T], *, proven: bool) -> Verdict:
        """listed: what was seen of the list now. proven: whether it is proven that there is nothing else."""
        before = doubt.write.before or {}
        ours = made_by(doubt.siblings, self.shown_as, self.found_as)
        others = [one for one in listed if one.id not in ours]
        candidates = [one.id for one in others if self._may_be_it(one)]
        if not isinstance(before.get("ids"), list):
            return self._without_a_baseline(candidates)
        known = set(cast("list[int]", before["ids"]))
        # one that was there under another identity has been changed into it, or its id was given again
        same = set(cast("list[int]", before["same"])) if isinstance(before.get("same"), list) else known
        if new := [one for one in candidates if one not in known or one not in same]:
            return await self._among(new)
        if not proven:
            return self._unknown("FreeWheel's list changed while it was read, or its counts do not agree.")
        times = [told for one in listed for told in (one.created_at, one.updated_at)]
        if renamed := [one.id for one in others if one.id not in known and not _is_as_created(one, times)]:
            return self._unknown(
                f"None that is new {self._is_named}, but {self.noun} {_ids(renamed)} is new and may have been changed "
                "since: it may be it.",
                renamed,
            )
        older = f" (older ones: {_ids(candidates)})" if candidates else ""
        return Verdict(outcome="not_sent", evidence=f"No new {self.noun} {self._is_named}{older}.")

    @property
    def _is_named(self) -> str:
        return f"has the {self.field} that was asked for"

    @property
    def _named(self) -> str:
        return self.noun[0].upper() + self.noun[1:]

    def _may_be_it(self, one: T) -> bool:
        """Whether an object of the list may have the identity that was asked for: it has it, in whatever spelling, or
        does not tell which it has."""
        told = one.raw.get(self.field)
        if not isinstance(told, str | int) or isinstance(told, bool) or not str(told).strip():
            return True
        return may_be_the_same(str(told), self.identity)

    def _without_a_baseline(self, same: Sequence[int]) -> Verdict:
        there = f" {self._named} {_ids(same)} {self._is_named}, or does not tell it." if same else ""
        return self._unknown(f"The record does not hold which there were before it was sent.{there}", same)

    async def _among(self, new: Sequence[int]) -> Verdict:
        """Which of the objects that are new and may have its identity has its content, too."""
        read = [one for one in [await self._read(one) for one in new[:MOST_READ]] if one is not None]
        alike = [one for one in read if not self.different(one)]
        if alike:
            ids = [one.id for one in alike]
            silent = self.untold(alike[0])
            evidence = f"{self._named} {_ids(ids)} is new, {self._is_named} and has that content"
            evidence += f", as far as FreeWheel tells: not {', '.join(silent)}." if silent else "."
            evidence += " More than one is there: look whose the others are." if len(ids) > 1 else ""
            return Verdict(outcome="succeeded", evidence=evidence, found={self.found_as: ids})
        if not read:
            return self._unknown(f"{self._named} {_ids(new)} is new, and FreeWheel does not show it by its id.", new)
        said = next((said for one in read if (said := self.different(one))), "")
        return self._unknown(
            f"{self._named} {_ids(new)} is new and may have the {self.field} that was asked for, with other content: "
            f"somebody else's, or changed since. {said}".strip(),
            new,
        )

    async def _read(self, object_id: int) -> T | None:
        try:
            return await self.read(object_id)
        except NotFound:
            return None

    def _unknown(self, evidence: str, ids: Sequence[int] = ()) -> Verdict:
        found = {self.found_as: list(ids)} if ids else {}
        return Verdict(outcome="unknown", evidence=evidence, check=self.check, found=found)


def has_baseline(doubt: Doubt) -> bool:
    """Whether a look can find out anything: what was there before is on record."""
    return isinstance((doubt.write.before or {}).get("ids"), list)


def _is_as_created(one: InventoryPackage | ProposedInsertionOrder, times: Sequence[str | None]) -> bool:
    """Whether it was not changed since it was created, by FreeWheel's own two times. times: all of its list, for how
    fine they are."""
    return one.created_at is not None and one.created_at == one.updated_at and are_fine(one.created_at, times)


def _ids(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(str, ids[:5])) + more
