"""Importing the SDK in less time."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def in_less_time() -> Generator[None]:
    """While the SDK is imported, and what stands on it.

    Its models, of which there are hundreds for all versions of the protocol, are built when they are used: a session
    uses a few. And garbage is not looked for, since what is imported stays.
    """
    from pydantic import BaseModel  # noqa: PLC0415 - on stdio a client is answered before it is imported

    usual = BaseModel.model_config
    BaseModel.model_config = {**usual, "defer_build": True}
    gc.disable()
    try:
        yield
    finally:
        BaseModel.model_config = usual
        gc.freeze()
        gc.enable()
