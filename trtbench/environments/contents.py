"""Asks the Python of an environment what is in it."""

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import Outcome, run_command
from trtbench.results.environments import Contents

_TIMEOUT_S = 180.0  # the first import reads some hundred MB from the disk


def last_line_of(outcome: Outcome) -> str:
    """Explain a failure by the last line that was written."""
    return outcome.last_line


def read_contents(
    command: Sequence[str],
    name: str,
    explain: Callable[[Outcome], str] = last_line_of,
    stop: Sequence[str] = (),
) -> Contents:
    """Run the probe with ``command`` in the environment ``name``; ``stop`` ends it there.

    Raises:
        RuntimeUnavailable: it does not run there; the text has what ``explain`` makes of its words.
    """
    outcome = run_command(command, _TIMEOUT_S, stop)
    if outcome.returncode != 0:
        raise RuntimeUnavailable(f"{name}: {explain(outcome)}")
    try:
        # The last line: NVIDIA's images greet first.
        return Contents.model_validate_json(outcome.stdout.strip().rpartition("\n")[2])
    except ValidationError as error:
        raise RuntimeUnavailable(
            f"{name}: cannot list what its Python has installed: {outcome.last_line}"
        ) from error
