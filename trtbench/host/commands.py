"""Short commands of other programs, with all that they say."""

import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trtbench.errors import RuntimeUnavailable
from trtbench.units import format_seconds

_STOP_TIMEOUT_S = 30.0  # docker waits for ever for a daemon that hangs

# What docker and podman print behind the reason when they refuse a command.
_HINT_AT_HELP = re.compile(r"(Run|See) '.+ --help'.*")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """All that it wrote, in one line."""
        return " ".join(f"{self.stderr}\n{self.stdout}".split())

    @property
    def last_line(self) -> str:
        """The last line it wrote, errors first: programs end with their reason, or a hint at their help."""
        written = (self.stderr.strip() or self.stdout.strip()).splitlines()
        lines = [line.strip() for line in written if line.strip()]
        reasons = [line for line in lines if not _HINT_AT_HELP.fullmatch(line)]
        return (reasons or lines or [f"exit code {self.returncode} and no output"])[-1]


def run_command(command: Sequence[str], timeout_s: float, stop: Sequence[str] = ()) -> Outcome:
    """Run ``command`` to its end; what it returns is for the caller to judge.

    ``stop`` is run when it is cut short, to end what it started elsewhere, such as a container.

    Raises:
        RuntimeUnavailable: it cannot be started, or does not answer in time.
    """
    try:
        return _run(command, timeout_s)
    except BaseException:
        if stop:
            with suppress(RuntimeUnavailable):  # the first problem is the one to report
                _run(stop, _STOP_TIMEOUT_S)
        raise


def _run(command: Sequence[str], timeout_s: float) -> Outcome:
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeUnavailable(
            f"{' '.join(command[:2])}: no answer within {format_seconds(timeout_s)}: try it by hand"
        ) from error
    except OSError as error:
        raise RuntimeUnavailable(f"{command[0]}: cannot be started: {error.strerror}") from error
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_to_stop(command: Sequence[str], log_path: Path) -> None:
    """Run the command that ends what lives on elsewhere; log a failure to do so."""
    try:
        run_command(command, _STOP_TIMEOUT_S)
    except RuntimeUnavailable as problem:
        with log_path.open("a", encoding="utf-8") as log:
            log.write(f"{problem} ({' '.join(command)})\n")
