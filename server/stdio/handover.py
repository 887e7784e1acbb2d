"""What the early answers hand over to the live server. It is a module of its own, because it imports almost nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handover:
    """Where the live server continues.

    input_fd, output_fd: the descriptors of the client's pipes, which are not 0 and 1 any more. pending_input: what the
    live server has to read first. answered_id: the id of the request in it that was answered already. pending_output:
    the rest of an answer that the client has not read yet.
    """

    input_fd: int
    output_fd: int
    pending_input: bytes = b""
    answered_id: int | str | None = None
    pending_output: bytes = b""
