"""Waits for conditions, with a deadline."""

import time

POLL_SECONDS = 0.2


def until(what, condition, deadline_seconds=120):
    """Polls until `condition()` gives something true, and gives that."""
    end = time.monotonic() + deadline_seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_seconds} s: {what}")
        time.sleep(POLL_SECONDS)
