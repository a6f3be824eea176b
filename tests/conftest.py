"""Makes the modules beside this file importable from all tests, and Ctrl-C work wherever they are started."""

import signal


def pytest_configure() -> None:
    # What a shell starts in the background ignores SIGINT, and so does every program that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
