"""A faster import of the MCP SDK."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def lazy_models() -> Generator[None]:
    """Import the SDK, and what imports it, inside this context.

    The SDK has hundreds of models for all versions of the protocol, and a session uses a few. Inside the context
    pydantic builds a model when it is first used. Garbage collection is off, since imported objects stay anyway.
    """
    from pydantic import BaseModel  # noqa: PLC0415 - on stdio a client is answered before it is imported

    config = BaseModel.model_config
    BaseModel.model_config = {**config, "defer_build": True}
    gc.disable()
    try:
        yield
    finally:
        BaseModel.model_config = config
        gc.freeze()
        gc.enable()
