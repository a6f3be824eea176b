"""The GPUs of ``gpus.yaml``, by whatever name people give them."""

import re
from functools import cache
from typing import Any

from trtbench.errors import SpecError
from trtbench.specs import FigureSource, GpuSpec
from trtbench.specs.yaml_text import load_packaged_yaml

_MEGABYTE = 1 << 20
_FACTS = ("title", "aliases", "chip", "target", "calibrated_on", "not_predicted")
_PREFIXES = re.compile(r"^(nvidia|geforce|quadro|tesla)-")


@cache
def known_gpus() -> tuple[GpuSpec, ...]:
    """All GPUs of the table, in its order."""
    table = load_packaged_yaml("trtbench.predict", "gpus.yaml")
    return tuple(_gpu(name, entry, table) for name, entry in table["gpus"].items())


def find_gpu(name: str, clock_mhz: float | None = None) -> GpuSpec:
    """The GPU called ``name``: ``5090``, ``RTX PRO 6000``, ``NVIDIA H200``; case and spaces do not matter.

    Args:
        name: its key, an alias or its title.
        clock_mhz: the clock that its SMs hold; default: the boost clock of the table.

    Raises:
        SpecError: no such GPU, or the clock is not positive; the text lists the known ones.
    """
    wanted = _plain(name)
    found = next((gpu for gpu in known_gpus() if wanted in _names(gpu)), None)
    if found is None:
        known = ", ".join(gpu.name for gpu in known_gpus())
        raise SpecError(f"GPU {name!r} is not in the table of the cost model: known are {known}")
    return found if clock_mhz is None else found.at_clock(clock_mhz)


def _names(gpu: GpuSpec) -> set[str]:
    return {_plain(word) for word in (gpu.name, gpu.title, *gpu.aliases)}


def _plain(name: str) -> str:
    """Lower case with single hyphens, without the maker's name and words that every entry has."""
    words = re.sub(r"[^a-z0-9]+", "-", name.strip().lower()).strip("-")
    words = re.sub(r"-(blackwell|generation|edition)(?=-|$)", "", words)
    while _PREFIXES.match(words):
        words = _PREFIXES.sub("", words)
    return words


def _gpu(name: str, entry: dict[str, Any], table: dict[str, Any]) -> GpuSpec:
    sources, cores = table["sources"], table["tensor_cores"][entry["tensor_cores"]]
    facts = {key: entry[key] for key in _FACTS if key in entry}
    figures = {key: value for key, value in entry.items() if key not in (*_FACTS, "tensor_cores")}
    values = {key: value for key, (value, _, _) in figures.items()}
    values["l2_bytes"] = values.pop("l2_mb") * _MEGABYTE
    said = {key: (certainty, source) for key, (_, certainty, source) in figures.items()}
    said["l2_bytes"] = said.pop("l2_mb")
    said["flop_per_clock_sm"] = tuple(cores["source"])
    return GpuSpec(
        name=name,
        flop_per_clock_sm=cores["flop"],
        figures={
            key: FigureSource(certainty=certainty, source=sources[source])
            for key, (certainty, source) in said.items()
        },
        **facts,
        **values,
    )
