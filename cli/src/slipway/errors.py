"""What a command reports instead of a traceback."""

from __future__ import annotations


class SlipwayError(Exception):
    """A command cannot go on. The message names the cause and the way out, and never a secret."""

    exit_code = 1


class PartFailed(SlipwayError):
    """A part did not start, or did not stay up."""
