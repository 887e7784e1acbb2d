"""What can happen next in a state of the model: each step of a server, of the vendor, and of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.rules import Ages, Rules
from tests.model.world import LIFE, NEVER, OLDEST, STEP, TICK, Bounds, Request, Row, Stamp, Task, World

IDLE = Task()
HAPPENED = {
    "claim": "server {server} claims write {row} for intent {intent}",
    "look first": "server {server} looks at the vendor and opens the connection of write {row}",
    "depart": "server {server} puts the departure of write {row} on record",
    "held up": "server {server} finds that write {row} is no longer its own, and sends nothing",
    "give up": "server {server} finds the lease of write {row} over, and sends nothing",
    "look at lease": "server {server} looks at the lease of write {row}",
    "bytes": "server {server} sends write {row}",
    "done": "the vendor carries out write {row}",
    "refused": "the vendor refuses write {row}",
    "never": "write {row} is lost on its way",
    "answer": "server {server} reads the vendor's answer to write {row}",
    "no answer": "server {server} waits no longer for the answer to write {row}",
    "expire": "server {server} takes write {row} for a dead process's",
    "look": "server {server} looks at the vendor for write {row}",
    "settle": "server {server} settles write {row}",
    "renew": "server {server} renews its lease of write {row}",
    "die": "server {server} dies and is started again",
    "step": "the clock of server {server} steps",
    "tick": "time passes",
    "sleep": "time passes while the machine of server {server} sleeps",
}


class Happened(NamedTuple):
    """One step, for the trace."""

    what: str
    server: int = -1
    row: int = -1

    def told(self, world: World) -> str:
        """In a sentence. world: after it."""
        row = world.rows[self.row] if self.row >= 0 else None
        told = HAPPENED[self.what].format(
            server=self.server + 1, row=self.row + 1, intent=row.intent + 1 if row else 0
        )
        if row is None or self.what in ("look", "bytes", "done", "refused", "never", "look at lease", "renew"):
            return told
        proof = f", by {row.proof}" if row.proof else ""
        return f"{told}: {row.state}{proof}{', told loudly' if row.loud else ''}"


Next = Iterator[tuple[Happened, World]]


def steps(world: World, bounds: Bounds, rules: Rules) -> Next:
    """All that can happen next, each with the state after it."""
    for number, task in enumerate(world.tasks):
        server = bounds.servers[number]
        if task.at == "idle":
            yield from _begin(world, bounds, rules, number, server)
        else:
            yield from _go_on(world, bounds, rules, number, server, task)
    for server in sorted(set(bounds.servers)):
        yield from _of_server(world, bounds, rules, server)
    for index, row in enumerate(world.rows):
        if row.request.fate == "flying":
            yield from _vendor(world, index, row)
    yield from _time(world, bounds)


def _begin(world: World, bounds: Bounds, rules: Rules, number: int, server: int) -> Next:
    if len(world.rows) < bounds.most:
        for intent in range(bounds.intents):
            if (bypassed := _may_claim(world, rules, intent)) is not None:
                row = Row(intent, "sending", server, Stamp(0, 0, world.ahead[server]))
                index = len(world.rows)
                rows = (*world.rows, row)
                after = world._replace(rows=rows, bypassed=world.bypassed or bypassed)
                yield Happened("claim", server, index), _at(after, number, Task("claimed", index))
    for index, row in enumerate(world.rows):
        if row.state == "in_doubt":
            seen = _done(world) & ~row.before & ~_known(world, index)
            quiet = rules.measures_first and rules.is_quiet(_ages(row.left, world.ahead[server]))
            yield Happened("look", server, index), _at(world, number, Task("read", index, seen=seen, quiet=quiet))


def _may_claim(world: World, rules: Rules, intent: int) -> bool | None:
    """None when it may not be sent now; else whether a doubt is bypassed by it."""
    bypassed = False
    for row in world.rows:
        if row.state == "sending" or (row.intent == intent and rules.claims(row.state)):
            return None
        if row.state == "in_doubt":
            if rules.doubt_refuses_another_key():
                return None
            bypassed = True
    return bypassed


def _go_on(world: World, bounds: Bounds, rules: Rules, number: int, server: int, task: Task) -> Next:
    index = task.row
    row = world.rows[index]
    mine = row.state == "sending" and row.owner == server
    match task.at:
        case "claimed":
            looked = _row(world, index, row._replace(before=_done(world)))
            yield Happened("look first", server, index), _at(looked, number, task._replace(at="ready"))
        case "ready" if mine:
            now = Stamp(0, 0, world.ahead[server])
            departed = _row(world, index, row._replace(leased=now, left=now))
            yield Happened("depart", server, index), _at(departed, number, Task("departed", index))
        case "ready":
            yield Happened("held up", server, index), _at(world, number, IDLE)
        case "departed":
            if not rules.may_leave(Ages(task.wall * TICK, task.awake * TICK, task.awake * TICK)):
                unsent = row
                if row.state in ("sending", "in_doubt"):
                    unsent = _ended(row, state="failed", proof="nothing having left")
                yield Happened("give up", server, index), _at(_row(world, index, unsent), number, IDLE)
            elif bounds.gap:
                yield Happened("look at lease", server, index), _at(world, number, Task("looked", index))
            else:
                yield Happened("bytes", server, index), _sent(world, number, index, row)
        case "looked":
            yield Happened("bytes", server, index), _sent(world, number, index, row)
        case "waiting":
            if row.request.answer == "on its way":
                read = row._replace(request=row.request._replace(answer="read"))
                after = _row(world, index, _answered(read, rules))
                yield Happened("answer", server, index), _at(after, number, IDLE)
            lost = row._replace(request=row.request._replace(answer="lost"))
            if mine:
                lost = _ended(lost, state="in_doubt", proof="")
            yield Happened("no answer", server, index), _at(_row(world, index, lost), number, IDLE)
        case _:
            yield Happened("settle", server, index), _at(_settled(world, rules, server, task), number, IDLE)


def _sent(world: World, number: int, index: int, row: Row) -> World:
    return _at(_row(world, index, row._replace(request=Request("flying"))), number, Task("waiting", index))


def _answered(row: Row, rules: Rules) -> Row:
    """The vendor's own answer goes on record, if the rules have it."""
    state = "succeeded" if row.request.fate == "done" else "failed"
    if row.state == state or not rules.takes_the_answer(row.state, state):
        return row
    return _ended(row, state=state, proof="the vendor's answer", loud=row.proof != "")


def _settled(world: World, rules: Rules, server: int, task: Task) -> World:
    """What a look found goes on record; unknown is no end."""
    row = world.rows[task.row]
    if row.state != "in_doubt":
        return world
    if task.seen:
        return _row(world, task.row, _ended(row, state="succeeded", proof="a look"))
    quiet = task.quiet if rules.measures_first else rules.is_quiet(_ages(row.left, world.ahead[server]))
    return _row(world, task.row, _ended(row, state="failed", proof="a look")) if quiet else world


def _of_server(world: World, bounds: Bounds, rules: Rules, server: int) -> Next:
    ahead = world.ahead[server]
    for index, row in enumerate(world.rows):
        if row.state == "sending" and rules.is_left_behind(_ages(row.leased, ahead), mine=row.owner == server):
            left = row.left != NEVER
            proof = "" if left else "nothing having left"
            ended = _ended(row, state="in_doubt" if left else "failed", proof=proof)
            yield Happened("expire", server, index), _row(world, index, ended)
        if bounds.stops and row.state == "sending" and row.owner == server and row.leased != Stamp(0, 0, ahead):
            yield Happened("renew", server, index), _row(world, index, row._replace(leased=Stamp(0, 0, ahead)))
    if bounds.deaths and any(
        task != IDLE for task, of in zip(world.tasks, bounds.servers, strict=True) if of == server
    ):
        yield Happened("die", server), _dead(world, bounds, server)
    if bounds.clocks == "step" and (server == 0 or not bounds.one_machine):
        by = -STEP if ahead else STEP
        stepping = set(bounds.servers) if bounds.one_machine else {server}
        aheads = tuple(one + by if number in stepping else one for number, one in enumerate(world.ahead))
        tasks = tuple(
            task._replace(wall=max(-STEP, min(OLDEST, task.wall + by)))
            if of in stepping and task.at == "departed"
            else task
            for task, of in zip(world.tasks, bounds.servers, strict=True)
        )
        yield Happened("step", server), world._replace(ahead=aheads, tasks=tasks)


def _dead(world: World, bounds: Bounds, server: int) -> World:
    rows, tasks = list(world.rows), list(world.tasks)
    for number, task in enumerate(world.tasks):
        if bounds.servers[number] == server:
            tasks[number] = IDLE
            if task.at == "waiting":
                row = rows[task.row]
                rows[task.row] = row._replace(request=row.request._replace(answer="lost"))
    rows = [row._replace(owner=-1) if row.owner == server else row for row in rows]
    return world._replace(rows=tuple(rows), tasks=tuple(tasks))


def _vendor(world: World, index: int, row: Row) -> Next:
    for fate in ("done", "refused", "never"):
        on_its_way = "on its way" if fate != "never" and not row.request.answer else row.request.answer
        request = Request(fate, 0, on_its_way)
        yield Happened(fate, row=index), _row(world, index, row._replace(request=request))


def _time(world: World, bounds: Bounds) -> Next:
    if not bounds.late and any(row.request.fate == "flying" and row.request.age >= LIFE for row in world.rows):
        return
    if not bounds.stops and any(task.at in ("claimed", "ready", "departed", "looked", "read") for task in world.tasks):
        return
    yield Happened("tick"), _later(world, bounds, asleep=-1)
    if bounds.sleeps:
        for server in [0] if bounds.one_machine else sorted(set(bounds.servers)):
            yield Happened("sleep", server), _later(world, bounds, asleep=server)


def _later(world: World, bounds: Bounds, asleep: int) -> World:
    """After a tick. asleep: the server whose machine sleeps."""
    rows: list[Row] = []
    for row in world.rows:
        request = row.request
        if request.fate == "flying" and not bounds.late:
            request = request._replace(age=request.age + 1)
        still = bounds.one_machine and asleep >= 0
        leased = _older(row.leased, still) if row.state == "sending" else row.leased
        if row.state == "sending" and row.owner >= 0 and not bounds.stops and row.owner != asleep:
            leased = Stamp(0, 0, world.ahead[row.owner])
        left = _older(row.left, still) if row.left != NEVER and row.state in ("sending", "in_doubt") else row.left
        rows.append(row._replace(request=request, leased=leased, left=left))
    tasks: list[Task] = []
    for task, of in zip(world.tasks, bounds.servers, strict=True):
        if task.at == "departed":
            awake = task.awake if asleep >= 0 and (bounds.one_machine or of == asleep) else task.awake + 1
            tasks.append(task._replace(wall=min(OLDEST, task.wall + 1), awake=min(OLDEST, awake)))
        else:
            tasks.append(task)
    return world._replace(rows=tuple(rows), tasks=tuple(tasks))


def _older(stamp: Stamp, still: bool) -> Stamp:
    age = min(OLDEST, stamp.age + 1)
    awake = stamp.awake if still else min(OLDEST, stamp.awake + 1)
    return Stamp(age, awake, stamp.ahead)


def _ages(stamp: Stamp, ahead: int) -> Ages:
    """As a server reads them whose clock is ahead by so much."""
    return Ages((stamp.age + ahead - stamp.ahead) * TICK, stamp.awake * TICK, stamp.age * TICK)


_OVER = Stamp(0, 0, 0)


def _ended(row: Row, **changes: object) -> Row:
    """Another state. What no rule asks any more is forgotten, so that fewer states differ."""
    ended = row._replace(**changes)  # pyright: ignore[reportArgumentType]
    return ended._replace(leased=_OVER, left=ended.left if ended.state == "in_doubt" else NEVER)


def _done(world: World) -> int:
    """A bit for each request that was carried out."""
    return sum(1 << index for index, row in enumerate(world.rows) if row.request.fate == "done")


def _known(world: World, but: int) -> int:
    """A bit for each that another write of the record is known to have made."""
    return sum(1 << index for index, row in enumerate(world.rows) if index != but and row.state == "succeeded")


def _row(world: World, index: int, row: Row) -> World:
    return world._replace(rows=(*world.rows[:index], row, *world.rows[index + 1 :]))


def _at(world: World, number: int, task: Task) -> World:
    return world._replace(tasks=(*world.tasks[:number], task, *world.tasks[number + 1 :]))
