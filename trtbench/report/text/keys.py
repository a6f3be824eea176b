"""Which columns tell the rows of a table apart, and how the rows are sorted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trtbench.build.dialect import PRODUCTS
from trtbench.results.comparison import ComparisonRow, row_name, varying
from trtbench.results.environments import EnvironmentRecord

_HEADERS = {"runtime": "runtime", "environment": "version", "img_size": "pixels", "batch": "batch"}
"""By field of a row, in the order of the columns behind the recipe."""
SHAPE = ("img_size", "batch")
_WIDTH_OF_VERSION = 14


@dataclass(frozen=True)
class Keyed:
    """The rows of one table in order, with what stands in front of each.

    Args:
        fields: those that tell the rows apart, beside the recipe.
        headers: of the columns.
        cells: of each row, in full.
    """

    rows: tuple[ComparisonRow, ...]
    fields: tuple[str, ...]
    headers: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Headers of columns that hold no numbers."""
        return tuple(each for each in self.headers if each not in ("pixels", "batch"))

    def columns(self) -> dict[str, list[str]]:
        """The cells of ``lines`` by header."""
        return {header: [line[at] for line in self.lines()] for at, header in enumerate(self.headers)}

    def lines(self) -> list[tuple[str, ...]]:
        """The cells, blank from the left as far as they repeat the line above."""
        lines, above = [], ("",) * len(self.headers)
        for cells in self.cells:
            same = next((i for i, pair in enumerate(zip(cells, above, strict=True)) if pair[0] != pair[1]), 0)
            lines.append(("",) * same + cells[same:])
            above = cells
        return lines


def keyed(rows: Iterable[ComparisonRow], versions: Mapping[str, str]) -> Keyed:
    """Find the columns for rows, and put these in order: by recipe, runtime, environment, then by shape.

    Rows whose keys are not recipes with fields, such as those of several results, are called by their keys.

    Args:
        rows: those of one table.
        versions: what tables call each environment.
    """
    given = list(rows)
    fields = tuple(name for name in _HEADERS if name in telling(given))
    subject = "recipe" if all(row.subject == str(row.recipe) for row in given) else "arm"
    are_keys = all(row.subject == row.key for row in given)
    if are_keys or len({row_name(row, fields) for row in given}) < len(given):
        return Keyed(tuple(given), (), (subject,), tuple((row.key,) for row in given))
    first_of = {name: list(dict.fromkeys(getattr(row, name) for row in given)) for name in _GROUPS}
    ordered = sorted(
        given,
        key=lambda row: (
            *(first_of[name].index(getattr(row, name)) for name in _GROUPS),
            *(getattr(row, name) or 0 for name in SHAPE),
        ),
    )
    cells = tuple((row.subject, *(_cell(row, name, versions) for name in fields)) for row in ordered)
    return Keyed(tuple(ordered), fields, (subject, *(_HEADERS[name] for name in fields)), cells)


_GROUPS = ("subject", "runtime", "environment")


def telling(rows: Iterable[ComparisonRow]) -> frozenset[str]:
    """The fields that vary; the runtime only between rows that have one."""
    given = list(rows)
    return varying(given) - {"runtime"} | varying(row for row in given if row.runtime) & {"runtime"}


def _cell(row: ComparisonRow, name: str, versions: Mapping[str, str]) -> str:
    return versions[row.environment] if name == "environment" else str(getattr(row, name) or "")


def environment_names(rows: Iterable[ComparisonRow]) -> dict[str, str]:
    """What tables call each environment: its version, or what tells it apart from another of that version."""
    given = list(rows)
    several = len({row.engine.backend for row in given if row.engine}) > 1
    names: dict[str, str] = {}
    for row in given:
        if row.engine is not None or row.measured is not None or row.environment not in names:
            names[row.environment] = _version(row, several)
    for other in (_end_of_word, str):
        shared = [name for name in names.values() if list(names.values()).count(name) > 1]
        names = {word: other(word) if name in shared else name for word, name in names.items()}
    return names


def environment_line(record: EnvironmentRecord) -> str:
    """What is in an environment, or why it is not ready."""
    if record.contents is None:
        return f"{record.environment}: not ready: {record.reason}"
    contents = record.contents
    found = {
        "TensorRT-RTX": contents.tensorrt_rtx,
        "TensorRT": contents.tensorrt,
        "onnxruntime": contents.onnxruntime,
        "CUDA": contents.cuda,
        "Python": contents.python,
    }
    versions = [f"{name} {version}" for name, version in found.items() if version]
    return f"{record.environment}: {', '.join([*versions, *filter(None, [record.image_digest])])}"


def _version(row: ComparisonRow, several_compilers: bool) -> str:
    if row.engine is not None:
        product = f"{PRODUCTS.get(row.engine.backend, row.engine.backend)} " * several_compilers
        return f"{product}{row.engine.backend_version}"
    if row.measured is not None and row.measured.facts is not None:
        return row.measured.facts.runtime_version.rpartition(" ")[2]
    return _end_of_word(row.environment)


def _end_of_word(word: str) -> str:
    """What stands for a version in the word for an environment: the tag of an image, or its digest."""
    image = word.removeprefix("docker:")
    if image == word:
        return word.rpartition("==")[2][:_WIDTH_OF_VERSION]
    name, _, digest = image.partition("@sha256:")
    # A colon before the last slash is that of a port.
    name, _, tag = name.rpartition("/")[2].partition(":")
    return (tag or digest or name)[:_WIDTH_OF_VERSION]
