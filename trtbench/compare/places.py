"""Where cells are built and timed: here, or in environments that are set up first."""

from collections.abc import Sequence
from dataclasses import dataclass

from trtbench.environments import Prepared, prepare
from trtbench.errors import SpecError, TrtbenchError
from trtbench.progress import OnStep, for_subject
from trtbench.results import EnvironmentRecord
from trtbench.specs import EnvironmentSpec
from trtbench.store.artifacts import Store


@dataclass(frozen=True)
class Place:
    """An environment as it was found.

    Args:
        word: what it is called.
        ready: how to run in it; None: in this Python, or not at all if there is an ``error``.
        record: what was found, if it was asked for by name.
        error: why it is not ready.
    """

    word: str
    ready: Prepared | None = None
    record: EnvironmentRecord | None = None
    error: TrtbenchError | None = None


def places_of(
    environments: Sequence[EnvironmentSpec], timed: bool, store: Store, on_step: OnStep
) -> list[Place]:
    """Set up every environment; one that fails is a place with its error. None asked for: here.

    Raises:
        SpecError: an environment is wrong.
    """
    if not environments:
        return [Place("local")]
    return [_prepare(spec, timed, store, on_step) for spec in environments]


def _prepare(spec: EnvironmentSpec, timed: bool, store: Store, on_step: OnStep) -> Place:
    word = str(spec)
    try:
        ready = prepare(spec, store, for_subject(on_step, word), timed)
    except SpecError:
        raise
    except TrtbenchError as error:
        record = EnvironmentRecord(environment=word, contents=None, reason=str(error), code=error.code)
        return Place(word, None, record, error)
    record = EnvironmentRecord(
        environment=word, contents=ready.contents, image_digest=ready.image_digest, findings=ready.findings
    )
    return Place(word, ready, record)
