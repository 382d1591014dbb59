"""Waiting for something to become true, with a limit."""

import time


def eventually(question, timeout=10.0, pause=0.05):
    """Returns the first true answer to `question`. Its failed assertions mean "not yet"; the last one is
    raised at the time limit."""
    until = time.monotonic() + timeout
    while True:
        failure = None
        try:
            answer = question()
            if answer:
                return answer
        except (AssertionError, OSError) as error:
            failure = error
        if time.monotonic() >= until:
            if failure:
                raise failure
            raise AssertionError(f"not within {timeout} s; the last answer was {answer!r}")
        time.sleep(pause)
