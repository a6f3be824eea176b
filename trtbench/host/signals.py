"""Signals: their names, and those that end the program as Ctrl-C does."""

import signal
import threading
from collections.abc import Callable, Iterator
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


@contextmanager
def deferred_signals() -> Iterator[Callable[[], None]]:
    """Hold back signals that raise until the function that this gives is called, or the block ends.

    An exception that arises inside compiled code, as of torch's tracer, may abort the program. A second
    signal is not held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, *_ENDING)}
    arrived: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if len(arrived) > 1:
            deliver()

    def deliver() -> None:
        handler = before[arrived[0]] if arrived else None
        if callable(handler):
            handler(arrived[0], None)

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, hold)
    try:
        yield deliver
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    deliver()


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in _ENDING:  # a terminal that is closed sends its signal more than once, amid the cleaning up
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)
