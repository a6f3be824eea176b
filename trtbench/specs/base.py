"""What all specs share: frozen, strict, and identified by the hash of their JSON."""

import json
import reprlib
from hashlib import sha256
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Scalar = bool | int | float | str


# torch takes 64 bits, numpy no seed below 0.
MAX_SEED = 2**64 - 1


Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Spec(BaseModel):
    """Base of all specs and results: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def spec_id(spec: Spec, upstream_sha256: str, tool_versions: dict[str, str]) -> str:
    """Cache key of what ``spec`` produces: 16 hex digits of the hash of all that determines it."""
    return canonical_hash(
        {"spec": spec.model_dump(mode="json"), "upstream": upstream_sha256, "tools": tool_versions}
    )[:16]


def first_problem(error: ValidationError, within: str = "") -> str:
    """Describe the first field that is wrong in one line: ``field a.b: message, got value``.

    ``within``: the field that holds what was validated.
    """
    first = error.errors()[0]
    kind, value = first["type"], reprlib.repr(first["input"])
    problem = first["msg"].removeprefix("Value error, ")
    if kind == "enum":
        problem = f"{value} is not known to this version of trtbench"  # pydantic lists all that are
    elif kind not in ("missing", "value_error"):
        problem += f", got {value}"
    field = ".".join(filter(None, (within, *map(str, first["loc"]))))
    return f"field {field}: {problem}" if field else problem


def canonical_hash(value: Any) -> str:
    """SHA-256 of the JSON of ``value`` with sorted keys and no white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()
