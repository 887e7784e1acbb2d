"""Reconciling a creation in FreeWheel whose answer was lost: what exists now, compared with what existed before.

FreeWheel takes no idempotency key and promises no order of ids. Its times come from its own clock, and some state only
the day. So none of its times is compared with ours. A creation is proven by an object with the requested identity and
content whose id did not exist before the write was sent. That nothing was created is proven by a reading of the whole
list (`tools.freewheel.search.read_proven`) in which every new object is surely another one. In every other case the
outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from tools.effects import Doubt, Verdict, created_ids
from tools.errors import InDoubt, NotFound
from tools.freewheel.models import InventoryPackage, ProposedInsertionOrder
from tools.freewheel.search import ReadPage, read_all, read_baseline, read_proven
from tools.spelling import may_be_same_name
from tools.updates import has_second_precision

T = TypeVar("T", InventoryPackage, ProposedInsertionOrder)

MAX_READ = 25
"""The largest number of new objects that are read one by one."""


@dataclass(frozen=True, kw_only=True)
class Creation(Generic[T]):
    """An object that a call creates, and how to find out whether it was created.

    noun: what it is called in a sentence.
    field: the field that identifies it, in FreeWheel's spelling.
    identity: the requested value of that field.
    result_key: the part of the tool's result that holds its id.
    found_key: the part of what a reconciliation found that holds its ids.
    read_page: reads one page of the list of all such objects.
    read: reads one object with all its fields.
    difference: how an object differs from the request, in a sentence; empty when it does not.
    unstated: the requested fields that an object does not state.
    check: what a person looks at when the outcome is unknown.
    """

    noun: str
    field: str
    identity: str
    result_key: str
    found_key: str
    read_page: ReadPage[T]
    read: Callable[[int], Awaitable[T]]
    difference: Callable[[T], str]
    unstated: Callable[[T], Sequence[str]]
    check: str

    async def baseline(self) -> dict[str, Any]:
        """The ids that exist before the write: all (None when not known), and those that may have the identity."""
        listed = await read_baseline(self.read_page, f"{self.noun}s")
        if listed is None:
            return {"ids": None}
        return {
            "ids": sorted(one.id for one in listed),
            "same": sorted(one.id for one in listed if self._may_have_identity(one)),
        }

    def check_new(self, created: T, baseline: Mapping[str, Any]) -> None:
        """Raises InDoubt when the answer to the creation is about an object that existed before it was sent."""
        if created.id in (baseline["ids"] or ()):
            raise InDoubt(
                f"FreeWheel answered the creation with {self.noun} {created.id}, which was there before it was sent: "
                "whether another one was created is not known.",
                next_step=self.check,
            )

    async def reconcile(self, doubt: Doubt) -> Verdict:
        """Find out whether the object was created. Without a baseline one reading will do: it can prove nothing."""
        baseline = doubt.write.baseline or {}
        read_list = read_proven if isinstance(baseline.get("ids"), list) else read_all
        listed, is_whole = await read_list(self.read_page, f"{self.noun}s")
        ours = created_ids(doubt.siblings, self.result_key, self.found_key)
        others = [one for one in listed if one.id not in ours]
        candidates = [one.id for one in others if self._may_have_identity(one)]
        if not isinstance(baseline.get("ids"), list):
            return self._verdict_without_baseline(candidates)
        known = set(cast("list[int]", baseline["ids"]))
        # an object that had another identity before was renamed to this one, or its id was given again
        same_identity = set(cast("list[int]", baseline["same"])) if isinstance(baseline.get("same"), list) else known
        if new := [one for one in candidates if one not in known or one not in same_identity]:
            return await self._verdict_on_new(new)
        if not is_whole:
            return self._unknown("FreeWheel's list changed while it was read, or its counts do not agree.")
        times = [time for one in listed for time in (one.created_at, one.updated_at)]
        if possibly_renamed := [
            one.id for one in others if one.id not in known and not _is_unchanged_since_creation(one, times)
        ]:
            return self._unknown(
                f"No new one {self._has_identity_clause}, but {self.noun} {_id_list(possibly_renamed)} is new and may "
                "have been changed since: it may be this one.",
                possibly_renamed,
            )
        older = f" (older ones: {_id_list(candidates)})" if candidates else ""
        return Verdict(outcome="not_sent", evidence=f"No new {self.noun} {self._has_identity_clause}{older}.")

    @property
    def _has_identity_clause(self) -> str:
        return f"has the {self.field} that was asked for"

    @property
    def _capitalized_noun(self) -> str:
        return self.noun[0].upper() + self.noun[1:]

    def _may_have_identity(self, one: T) -> bool:
        """Whether an object of the list has the requested identity, in any spelling, or does not state its own."""
        stated = one.raw.get(self.field)
        if not isinstance(stated, str | int) or isinstance(stated, bool) or not str(stated).strip():
            return True
        return may_be_same_name(str(stated), self.identity)

    def _verdict_without_baseline(self, same: Sequence[int]) -> Verdict:
        there = f" {self._capitalized_noun} {_id_list(same)} {self._has_identity_clause}, or does not state it."
        evidence = "Which ones there were before it was sent is not on record."
        return self._unknown(evidence + (there if same else ""), same)

    async def _verdict_on_new(self, new: Sequence[int]) -> Verdict:
        """The verdict on new objects that may have the requested identity: one of them has its content, or not."""
        read = [one for one in [await self._read(one) for one in new[:MAX_READ]] if one is not None]
        matching = [one for one in read if not self.difference(one)]
        if matching:
            ids = [one.id for one in matching]
            unstated = self.unstated(matching[0])
            evidence = (
                f"{self._capitalized_noun} {_id_list(ids)} is new, {self._has_identity_clause} and has that content"
            )
            evidence += f", but FreeWheel does not state {', '.join(unstated)}." if unstated else "."
            evidence += " There is more than one: check whose the others are." if len(ids) > 1 else ""
            return Verdict(outcome="succeeded", evidence=evidence, found={self.found_key: ids})
        if not read:
            return self._unknown(
                f"{self._capitalized_noun} {_id_list(new)} is new, and FreeWheel does not show it by its id.", new
            )
        difference = next((difference for one in read if (difference := self.difference(one))), "")
        return self._unknown(
            f"{self._capitalized_noun} {_id_list(new)} is new and may have the {self.field} that was asked for, with "
            f"other content: somebody else's, or changed since. {difference}".strip(),
            new,
        )

    async def _read(self, object_id: int) -> T | None:
        try:
            return await self.read(object_id)
        except NotFound:
            return None

    def _unknown(self, evidence: str, ids: Sequence[int] = ()) -> Verdict:
        found = {self.found_key: list(ids)} if ids else {}
        return Verdict(outcome="unknown", evidence=evidence, check=self.check, found=found)


def _is_unchanged_since_creation(one: InventoryPackage | ProposedInsertionOrder, times: Sequence[str | None]) -> bool:
    """Whether FreeWheel's two times of an object show that it was not changed after its creation.

    times: all times of its list. They show how precise such a time is.
    """
    return (
        one.created_at is not None and one.created_at == one.updated_at and has_second_precision(one.created_at, times)
    )


def _id_list(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(str, ids[:5])) + more
