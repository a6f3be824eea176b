"""Signals: their names, and those that end the program as Ctrl-C does."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """One of the signals that end the program arrived; every ``finally`` runs on its way up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def signal_name(number: int) -> str:
    """Name a signal: ``SIGKILL``, or ``SIGRTMIN+6``, since Python names no real-time signal but two."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise ``Stopped`` when a signal would end the program: what runs elsewhere for it is to be ended first.

    A signal that is ignored (``nohup``) stays ignored.
    """
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in _ENDING:  # a terminal that is closed sends its signal more than once, amid the cleaning up
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)
