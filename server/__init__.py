"""The process: everything a call passes through, and nothing of ad operations."""

__version__ = "0.1.0"
