"""What can happen next in a state of the model: each step of a server, of the vendor, and of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from server.ledger.state_machine import Event
from tests.model.rules import Ages, Rules
from tests.model.world import LIFE, NEVER, OLDEST, STEP, Bounds, Request, Row, Stamp, Task, World

IDLE = Task()
HAPPENED = {
    "claim": "server {server} claims write {row} for intent {intent}",
    "look first": "server {server} looks at the vendor before write {row}",
    "look and connect": "server {server} looks at the vendor before write {row}, and opens its connection",
    "depart": "server {server} puts the departure of write {row} on record",
    "held up": "server {server} finds that write {row} is no longer its own, and sends nothing",
    "give up": "server {server} finds the lease of write {row} over, and sends nothing",
    "look at lease": "server {server} looks at the lease of write {row}",
    "bytes": "server {server} sends write {row}",
    "connect": "server {server} has opened the connection of write {row}, and sends it",
    "done": "the vendor carries out write {row}",
    "refused": "the vendor refuses write {row}",
    "never": "write {row} is lost on its way",
    "answer": "server {server} reads the vendor's answer to write {row}",
    "unreadable": "server {server} cannot read the vendor's 2xx to write {row}",
    "no answer": "server {server} waits no longer for the answer to write {row}",
    "expire": "server {server} takes write {row} for a dead process's",
    "look": "server {server} looks at the vendor for write {row}",
    "settle": "server {server} settles write {row}",
    "renew": "server {server} renews its lease of write {row}",
    "die": "server {server} dies and is started again",
    "step": "the clock of server {server} steps",
    "tick": "time passes",
    "sleep": "time passes while the machine of server {server} is suspended",
    "pause": "time passes while the machine of server {server} stands still with all of its clocks",
}


class Happened(NamedTuple):
    """One step, for the trace."""

    what: str
    server: int = -1
    row: int = -1

    def told(self, world: World) -> str:
        """In a sentence. world: after it."""
        row = world.rows[self.row] if self.row >= 0 else None
        told = HAPPENED[self.what].format(server=self.server + 1, row=self.row + 1, intent=row.intent + 1 if row else 0)
        if row is None or self.what not in _CHANGING:
            return told
        ground = f" by {row.ground}" if row.ground else ""
        return f"{told}: {row.state}{ground}{', and a person is told of the correction' if row.loud else ''}"


_CHANGING = ("give up", "answer", "unreadable", "no answer", "expire", "settle")


Next = Iterator[tuple[Happened, World]]


def steps(world: World, bounds: Bounds, rules: Rules) -> Next:
    """All that can happen next, each with the state after it."""
    for number, task in enumerate(world.tasks):
        server = bounds.servers[number]
        if task.at == "idle":
            yield from _begin(world, bounds, rules, number, server)
        else:
            yield from _go_on(world, bounds, rules, number, server)
    for server in sorted(set(bounds.servers)):
        yield from _of_server(world, bounds, rules, server)
    for index, row in enumerate(world.rows):
        if row.request.fate == "flying":
            yield from _vendor(world, index, row)
    yield from _time(world, bounds, rules)


def _begin(world: World, bounds: Bounds, rules: Rules, number: int, server: int) -> Next:
    if len(world.rows) < bounds.most:
        for intent in range(bounds.intents):
            if (bypassed := _may_claim(world, rules, intent)) is not None:
                row = Row(intent, "sending", server, _now(world, bounds, rules, server))
                index = len(world.rows)
                rows = (*world.rows, row)
                after = world._replace(rows=rows, bypassed=world.bypassed or bypassed)
                yield Happened("claim", server, index), _at(after, number, Task("claimed", index))
    for index, row in enumerate(world.rows):
        if row.state == "in_doubt":
            seen = _done(world) & ~row.before & ~_known(world, index)
            quiet = rules.measures_first and _is_quiet(world, bounds, rules, server, index)
            if seen and rules.tells_two_apart and _is_another_open(world, index):
                seen, quiet = 0, False
            yield Happened("look", server, index), _at(world, number, Task("read", index, seen=seen, quiet=quiet))


def _is_another_open(world: World, index: int) -> bool:
    return any(other != index and row.state in ("sending", "in_doubt") for other, row in enumerate(world.rows))


def _may_claim(world: World, rules: Rules, intent: int) -> bool | None:
    """None when it may not be sent now; else whether a doubt is bypassed by it."""
    bypassed = False
    for row in world.rows:
        if row.state == "sending" or (row.intent == intent and rules.holds_claim(row.state)):
            return None
        if row.state == "in_doubt":
            if row.intent != intent and rules.refuses_another_key:
                return None
            bypassed = True
    return bypassed


def _go_on(world: World, bounds: Bounds, rules: Rules, number: int, server: int) -> Next:
    task = world.tasks[number]
    index = task.row
    row = world.rows[index]
    match task.at:
        case "claimed":
            looked = _row(world, index, row._replace(before=_done(world)))
            what = "look and connect" if rules.connects_first else "look first"
            yield Happened(what, server, index), _at(looked, number, task._replace(at="ready"))
        case "ready" if rules.may_depart(row.state, is_own=row.owner == server):
            now = _now(world, bounds, rules, server)
            departed = _row(world, index, row._replace(leased=now, left=now))
            yield Happened("depart", server, index), _at(departed, number, Task("departed", index))
        case "ready":
            yield Happened("held up", server, index), _at(world, number, IDLE)
        case "departed":
            if rules.lease_is_over_here(task.wall, task.awake, task.up):
                unsent = _row(world, index, _moved(row, "unsent", rules))
                yield Happened("give up", server, index), _at(unsent, number, IDLE)
            elif bounds.gap:
                yield Happened("look at lease", server, index), _at(world, number, Task("looked", index))
            else:
                what = "bytes" if rules.connects_first else "connect"
                yield Happened(what, server, index), _sent(world, number, index, row)
        case "looked":
            yield Happened("bytes", server, index), _sent(world, number, index, row)
        case "waiting":
            for what, answer, event in _answers(row, bounds):
                after = _moved(row._replace(request=row.request._replace(answer=answer)), event, rules)
                ended = _at(_row(world, index, after), number, IDLE)
                yield Happened(what, server, index), _looked_in_vain(ended, index) if rules.settles_unchanged else ended
        case _:
            settled = _settled(world, bounds, rules, server, task)
            yield Happened("settle", server, index), _at(settled, number, IDLE)


def _answers(row: Row, bounds: Bounds) -> Iterator[tuple[str, str, Event]]:
    """How the wait for an answer can end: what happens, how the answer is afterwards, and what that is on record."""
    if row.request.answer == "on its way":
        yield "answer", "read", "confirmed" if row.request.fate == "done" else "refused"
        if row.request.fate == "done" and bounds.unreadable:
            yield "unreadable", "unreadable", "answer_unread"
    yield "no answer", "lost", "answer_lost"


def _looked_in_vain(world: World, index: int) -> World:
    """Whoever looked at the vendor before this went on record settles nothing by it."""
    tasks = (
        task._replace(seen=0, quiet=False) if task.at == "read" and task.row == index else task for task in world.tasks
    )
    return world._replace(tasks=tuple(tasks))


def _sent(world: World, number: int, index: int, row: Row) -> World:
    return _at(_row(world, index, row._replace(request=Request("flying"))), number, Task("waiting", index))


def _settled(world: World, bounds: Bounds, rules: Rules, server: int, task: Task) -> World:
    """What a look found goes on record; unknown is no outcome."""
    row = world.rows[task.row]
    quiet = task.quiet if rules.measures_first else _is_quiet(world, bounds, rules, server, task.row)
    event: Event = "found_done" if task.seen else "found_unsent" if quiet else "found_nothing"
    return _row(world, task.row, _moved(row, event, rules))


def _is_quiet(world: World, bounds: Bounds, rules: Rules, server: int, index: int) -> bool:
    """Whether a write that does not show may be taken for one that was not carried out."""
    row = world.rows[index]
    if row.state != "in_doubt":
        return False
    here = any(
        task.row == index and task.at in ("claimed", "ready", "departed", "looked", "waiting")
        for task, of in zip(world.tasks, bounds.servers, strict=True)
        if of == server
    )
    return rules.may_settle_unsent(_ages(world, bounds, rules, row.left, server), is_under_way_here=here)


def _of_server(world: World, bounds: Bounds, rules: Rules, server: int) -> Next:
    for index, row in enumerate(world.rows):
        if row.state != "sending":
            continue
        is_own, departed = row.owner == server, row.left != NEVER
        lease = _ages(world, bounds, rules, row.leased, server)
        event = rules.end_of_lease(lease, row.state, is_own=is_own, departed=departed)
        if event is not None:
            yield Happened("expire", server, index), _row(world, index, _moved(row, event, rules))
        now = _now(world, bounds, rules, server)
        if bounds.stops and is_own and row.leased != now:
            yield Happened("renew", server, index), _row(world, index, row._replace(leased=now))
    if bounds.deaths and any(
        task != IDLE for task, of in zip(world.tasks, bounds.servers, strict=True) if of == server
    ):
        yield Happened("die", server), _dead(world, bounds, server)
    if bounds.clocks == "step" and (server == 0 or not bounds.one_machine):
        by = -STEP if world.ahead[server] else STEP
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


def _time(world: World, bounds: Bounds, rules: Rules) -> Next:
    if not bounds.late and any(row.request.fate == "flying" and row.request.age >= LIFE for row in world.rows):
        return
    if not bounds.stops and any(task.at in ("claimed", "ready", "departed", "looked", "read") for task in world.tasks):
        return
    yield Happened("tick"), _later(world, bounds, rules, "tick")
    machines = [0] if bounds.one_machine else sorted(set(bounds.servers))
    for what in (*(["sleep"] if bounds.sleeps else []), *(["pause"] if bounds.pauses else [])):
        for server in machines:
            yield Happened(what, server), _later(world, bounds, rules, what, server)


def _later(world: World, bounds: Bounds, rules: Rules, what: str, stands: int = -1) -> World:
    """After a tick. stands: the server whose machine sleeps or is paused."""

    def is_still(server: int) -> bool:
        return stands >= 0 and (bounds.one_machine or server == stands)

    rows: list[Row] = []
    for row in world.rows:
        request = row.request
        if request.fate == "flying" and not bounds.late:
            request = request._replace(age=request.age + 1)
        leased, left = row.leased, row.left
        if row.state == "sending":
            renewed = row.owner >= 0 and not bounds.stops and not is_still(row.owner)
            leased = _now(world, bounds, rules, row.owner) if renewed else _older(leased, is_still(leased.by))
        if left != NEVER:
            left = _older(left, is_still(left.by))
        rows.append(row._replace(request=request, leased=leased, left=left))
    tasks: list[Task] = []
    for task, of in zip(world.tasks, bounds.servers, strict=True):
        if task.at != "departed" or (what == "pause" and is_still(of)):
            tasks.append(task)
            continue
        awake = task.awake if is_still(of) else min(OLDEST, task.awake + 1)
        tasks.append(task._replace(wall=min(OLDEST, task.wall + 1), awake=awake, up=min(OLDEST, task.up + 1)))
    return world._replace(rows=tuple(rows), tasks=tuple(tasks))


def _older(stamp: Stamp, still: bool) -> Stamp:
    awake = stamp.awake if still else min(OLDEST, stamp.awake + 1)
    return stamp._replace(age=min(OLDEST, stamp.age + 1), awake=awake)


def _now(world: World, bounds: Bounds, rules: Rules, server: int) -> Stamp:
    """What goes on record as the present moment, as far as the rules ever read it."""
    return Stamp(0 if bounds.one_machine else server, ahead=world.ahead[server] if rules.reads_wall_clocks else 0)


def _ages(world: World, bounds: Bounds, rules: Rules, stamp: Stamp, server: int) -> Ages:
    """As one server reads what another one, or itself, put on record."""
    wall = stamp.age + (world.ahead[server] - stamp.ahead if rules.reads_wall_clocks else 0)
    return Ages(wall, stamp.age, stamp.awake, bounds.one_machine or stamp.by == server)


def _moved(row: Row, event: Event, rules: Rules) -> Row:
    """After an event of the state machine. What no rule asks any more is forgotten, so that fewer states differ."""
    after = rules.next(row.state, event, row.ground)
    if after is None:
        return row
    state, ground = after
    corrected = row.state in ("succeeded", "failed") and state != row.state
    left = row.left if state == "in_doubt" or ground == "inference" else NEVER
    return row._replace(state=state, ground=ground, leased=NEVER, left=left, loud=row.loud or corrected)


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
