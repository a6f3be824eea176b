"""Stored comparisons of schema 1 as schema 2 has them: four kinds become one grid of rows.

What is read of the old JSON is checked first, so that a damaged field is named; the rest is passed on, and
checked as that of any other ``Comparison``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Json = dict[str, Any]

_COMMON = ("status", "reason", "engine", "compiled", "fidelity", "runtime", "measured", "findings")


class _Model(BaseModel):
    name: str | None = None
    img_size: int | None = None


class _Export(BaseModel):
    batch: int | None = None
    model: _Model | None = None


class _Place(BaseModel):
    word: str


class _Arm(BaseModel):
    label: str
    runtime: str
    recipe: str | None = None
    export: _Export | None = None
    environment: _Place | None = None


class _Measurement(BaseModel):
    kind: Literal["measurement"]
    arm: _Arm
    status: str
    batch: int | None = None
    gpu: str | None = None


class _Row(BaseModel):
    recipe: str
    status: str
    environment: str | None = None
    runtime: str | None = None
    onnx_sha256: str | None = None
    engine: Json | None = None
    measured: _Measurement | None = None


class _Verdict(BaseModel):
    arm: str
    baseline: str


class _Target(BaseModel):
    sm: str | None
    gpu: str | None


class _Comparison(BaseModel):
    kind: Literal["comparison"]
    environment: Any
    model: str
    batch: int
    img_size: int | None = None
    target: _Target
    rows: list[_Row] = Field(min_length=1)
    verdicts: list[_Verdict] = []
    not_timed: str | None = None


class _VersionRow(_Row):
    environment: str


class _Difference(BaseModel):
    recipe: str
    before: str
    after: str
    diff: Json


class _BuildSpec(BaseModel):
    targets: list[str]


class _VersionComparison(BaseModel):
    environment: Any
    model: str
    batch: int
    build_spec: _BuildSpec
    environments: list[Json]
    rows: list[_VersionRow] = Field(min_length=1)
    differences: list[_Difference]


class _ArmsComparison(BaseModel):
    environment: Any
    sources: list[str]
    measurements: list[_Measurement] = Field(min_length=1)


class _Sweep(BaseModel):
    points: list[Annotated[_Comparison | _Measurement, Field(discriminator="kind")]] = Field(min_length=1)


def upgraded(old: Json) -> Json:
    """The JSON of a comparison of schema 1 as schema 2 has it.

    Raises:
        ValidationError: a field that is read here is missing or of another type.
    """
    shape, upgrade = _UPGRADES[old["kind"]]
    shape.model_validate(old)
    return upgrade(old)


def _comparison(old: Json) -> Json:
    target, several = old["target"], _has_several_runtimes(old["rows"])
    rows = [
        {
            **_row(old, row),
            "key": _label(row) or row["recipe"] + several * f" on {row.get('runtime')}",
            "img_size": old.get("img_size"),
            "targets": target["sm"].split(",") if target["sm"] and row.get("engine") else [],
            "onnx": row.get("onnx"),
        }
        for row in old["rows"]
    ]
    return _new(old, rows, gpu=target["gpu"])


def _version_comparison(old: Json) -> Json:
    several = _has_several_runtimes(old["rows"])
    rows = [
        {
            **_row(old, row),
            "key": _label(row)
            or f"{row['recipe']} in {row['environment']}" + several * f" on {row.get('runtime')}",
            "environment": row["environment"],
            "targets": row.get("targets", old["build_spec"]["targets"] if row.get("engine") else []),
            "onnx": _onnx(row.get("onnx_sha256")),
        }
        for row in old["rows"]
    ]
    differences = [
        {
            "before": _key_of(rows, each["recipe"], each["before"]),
            "after": _key_of(rows, each["recipe"], each["after"]),
            "diff": each["diff"],
        }
        for each in old["differences"]
    ]
    new = _new(old, rows, gpu=old.get("gpu"))
    return {**new, "environments": old["environments"], "differences": differences}


def _arms_comparison(old: Json) -> Json:
    gpus = {each.get("gpu") for each in old["measurements"]}
    rows = [_row_of(each) for each in old["measurements"]]
    new = _new(old, rows, gpu=gpus.pop() if len(gpus) == 1 else None)
    return {**new, "sources": old["sources"]}


def _sweep(old: Json) -> Json:
    points = [_comparison(each) if each["kind"] == "comparison" else _single(each) for each in old["points"]]
    reasons = dict.fromkeys(point["not_timed"] for point in points if point["not_timed"])
    return {
        **points[0],
        "rows": [{**row, "key": row["key"] + _shape(row)} for point in points for row in point["rows"]],
        "verdicts": [
            _at_shape(verdict, point["rows"][0]) for point in points for verdict in point["verdicts"]
        ],
        "gpu": next((point["gpu"] for point in points if point["gpu"]), None),
        "not_timed": "; ".join(reasons) or None,
    }


_UPGRADES: dict[str, tuple[type[BaseModel], Callable[[Json], Json]]] = {
    "comparison": (_Comparison, _comparison),
    "version_comparison": (_VersionComparison, _version_comparison),
    "arms_comparison": (_ArmsComparison, _arms_comparison),
    "sweep": (_Sweep, _sweep),
}

OLD_KINDS = tuple(_UPGRADES)
"""Kinds of schema 1 that are a ``Comparison`` now."""


def _new(old: Mapping[str, Any], rows: list[Json], gpu: str | None) -> Json:
    return {
        "schema_version": 2,
        "kind": "comparison",
        "environment": old["environment"],
        "model": old.get("model"),
        "rows": rows,
        "verdicts": old.get("verdicts", []),
        "not_timed": old.get("not_timed"),
        "gpu": gpu,
    }


def _row(old: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    common = {name: row[name] for name in _COMMON if name in row}
    return {**common, "subject": row["recipe"], "recipe": row["recipe"], "batch": old["batch"]}


def _row_of(measurement: Mapping[str, Any]) -> Json:
    """A measurement that stood for itself."""
    arm = measurement["arm"]
    export = arm.get("export") or {}
    return {
        "key": arm["label"],
        "subject": arm.get("recipe") or arm["label"],
        "recipe": arm.get("recipe"),
        "batch": measurement.get("batch") or export.get("batch"),
        "img_size": (export.get("model") or {}).get("img_size"),
        "environment": (arm.get("environment") or {}).get("word", "local"),
        "runtime": arm["runtime"],
        "status": measurement["status"],
        "reason": measurement.get("reason"),
        "measured": measurement,
    }


def _single(point: Json) -> Json:
    """A point of a sweep that is the measurement of one arm."""
    model = (point["arm"].get("export") or {}).get("model") or {}
    old = {"environment": point.get("environment"), "model": model.get("name")}
    return _new(old, [_row_of(point)], gpu=point.get("gpu"))


def _label(row: Mapping[str, Any]) -> str | None:
    """What verdicts call a row that was timed."""
    return row["measured"]["arm"]["label"] if row.get("measured") else None


def _has_several_runtimes(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len({row.get("runtime") for row in rows}) > 1


def _shape(row: Mapping[str, Any]) -> str:
    return f" b{row['batch']}" + (f" {row['img_size']}px" if row.get("img_size") else "")


def _at_shape(verdict: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    names = {side: verdict[side] + _shape(row) for side in ("arm", "baseline")}
    return {**verdict, **names}


def _key_of(rows: Sequence[Json], recipe: str, environment: str) -> str:
    """Key of the first row of a recipe in an environment that has an engine."""
    found = [row for row in rows if (row["recipe"], row["environment"]) == (recipe, environment)]
    built = [row for row in found if row.get("engine")]
    return str((built or found or [{"key": f"{recipe} in {environment}"}])[0]["key"])


def _onnx(sha256: str | None) -> Json | None:
    return None if sha256 is None else {"path": None, "sha256": sha256, "size_bytes": None, "nodes": None}
