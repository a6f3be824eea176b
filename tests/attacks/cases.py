"""The corpus: what is attacked with what; every case follows from its name."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from attacks.onnx_mutants import MUTATIONS, mutant, small_model
from attacks.onnx_traps import TRAPS
from attacks.other_mutants import ENVIRONMENTS, HOSTILE_NAMES, bad_checkpoint, bad_images
from attacks.text_mutants import JSON_MUTATIONS, TEXT_MUTATIONS, mutated_text
from support.manifests import onnx_manifest
from support.scripted import FAST, write_script

from trtbench.specs import ExportSpec

GOLDEN = Path(__file__).parents[1] / "golden"
_RESULTS = ("compare/comparison.json", "measure/measurement.json", "tune/tuning.json", "trace/two.json")
_TINY = ("--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "1")
_ONNX_COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", "m.onnx"),
    "lint": ("lint", "m.onnx"),
    "build": ("build", "m.onnx"),
    "bench": ("bench", "m.onnx", "--runtime", "onnxruntime-cpu", "--duration-s", "0.1"),
    "export": ("export", "m.onnx"),
    "verify": ("verify", "fp16", "--model", "m.onnx"),
    "diff": ("diff", "m.onnx", "m.onnx"),
    "predict": ("predict", "m.onnx"),
}
QUICK_COMMANDS = ("inspect", "lint")
"""The others start a compiler or a runtime, and take seconds a case."""

Prepare = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A command line, the files that it meets, and the variables of its environment."""

    name: str
    arguments: tuple[str, ...]
    prepare: Prepare = lambda folder: None
    environment: dict[str, str] = field(default_factory=dict)


def onnx_cases(seeds: int, commands: tuple[str, ...]) -> Iterator[Case]:
    """Every mutation and trap in turn with the commands, or with each where there are more seeds."""
    for kind in MUTATIONS:
        for seed in range(seeds):
            command = commands[seed % len(commands)]
            yield Case(f"onnx {command} {kind} {seed}", _ONNX_COMMANDS[command], _mutated_onnx(kind, seed))
    for index, (name, trap) in enumerate(TRAPS.items()):
        for command in commands if seeds > len(QUICK_COMMANDS) * 4 else [commands[index % len(commands)]]:
            yield Case(f"onnx {command} {name}", _ONNX_COMMANDS[command], trap)


def _mutated_onnx(kind: str, seed: int) -> Prepare:
    return lambda folder: (folder / "m.onnx").write_bytes(mutant(kind, seed))


def json_cases(seeds: int) -> Iterator[Case]:
    """Stored results, manifests of models, and traces."""
    for kind in JSON_MUTATIONS:
        for seed in range(seeds):
            result = _RESULTS[seed % len(_RESULTS)]
            text = (GOLDEN / result).read_text(encoding="utf-8")
            yield Case(
                f"json result {kind} {seed}",
                ("compare", "--from", "r.json", "r.json") if seed % 2 else ("compare", "--from", "r.json"),
                _written("r.json", kind, text, seed),
            )
            yield Case(f"json manifest {kind} {seed}", ("inspect", "model"), _mutated_manifest(kind, seed))


def later_cases(seeds: int) -> Iterator[Case]:
    """Stored results over time, and beside a sound baseline."""
    for kind in JSON_MUTATIONS:
        for seed in range(seeds):
            path = GOLDEN / _LATER[seed % len(_LATER)]
            text = path.read_text(encoding="utf-8")
            write = _written("r.json", kind, text, seed)
            yield Case(f"history {kind} {seed}", ("history", "."), _beside(path, write))
            gate = ("--fail-on", "slower", "--fail-on", "more-kernels", "--export-markdown", "r.md")
            files = ("r.json", "--baseline", "b.json") if seed % 2 else ("b.json", "--baseline", "r.json")
            yield Case(f"baseline {kind} {seed}", ("compare", "--from", *files, *gate), _beside(path, write))


_LATER = ("predict/predictions.json", "measure/compared.json", "compare/sweep.json")


def _beside(path: Path, write: Prepare) -> Prepare:
    def prepare(folder: Path) -> None:
        shutil.copy(path, folder / "b.json")
        write(folder)

    return prepare


def _written(name: str, kind: str, text: str, seed: int) -> Prepare:
    return lambda folder: (folder / name).write_bytes(mutated_text(kind, text, seed))


def _mutated_manifest(kind: str, seed: int) -> Prepare:
    def prepare(folder: Path) -> None:
        model = folder / "model"
        model.mkdir()
        (model / "model.onnx").write_bytes(small_model().SerializeToString())
        manifest = onnx_manifest(ExportSpec(recipe="fp16"), [model / "model.onnx"])  # type: ignore[arg-type]
        text = manifest.model_dump_json(indent=2)
        (model / "manifest.json").write_bytes(mutated_text(kind, text, seed))

    return prepare


def journal_cases(seeds: int, finished: Path) -> Iterator[Case]:
    """A measurement that is resumed; ``finished``: a folder in which it ran to its end."""
    for kind in TEXT_MUTATIONS:
        for seed in range(seeds):
            yield Case(
                f"journal {kind} {seed}",
                ("bench", "arm.json", "--runtime", "fake", *FAST),
                _mutated_journal(kind, seed, finished),
            )


def _mutated_journal(kind: str, seed: int, finished: Path) -> Prepare:
    def prepare(folder: Path) -> None:
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        for result in (folder / "results").glob("*.json"):
            result.unlink()
        files = sorted(path for path in (folder / "results").rglob("*.json*") if path.stat().st_size > 10)
        path = files[seed % len(files)]
        path.write_bytes(mutated_text(kind, path.read_text(encoding="utf-8"), seed))

    return prepare


def measured(folder: Path) -> Case:
    """The measurement whose journal is attacked."""
    return Case(
        "measure", ("bench", "arm.json", "--runtime", "fake", *FAST), lambda place: write_script(place, "arm")
    )


def yaml_cases(seeds: int) -> Iterator[Case]:
    """Descriptions of models, and scripts of times."""
    model = "name: vit_tiny_patch16_224\nimg_size: 224\noverrides:\n  depth: 1\n  class_token: true\n"
    script = json.dumps({"series": {"gpu_compute_ms": {"median_ms": 1.5, "noise": 0.002}}})
    for kind in TEXT_MUTATIONS:
        for seed in range(seeds):
            yield Case(f"yaml model {kind} {seed}", ("lint", "m.yaml"), _written("m.yaml", kind, model, seed))
            yield Case(
                f"yaml script {kind} {seed}",
                ("bench", "s.yaml", "--runtime", "fake", *FAST),
                _written("s.yaml", kind, script, seed),
            )
    for name, text in _YAML_TRAPS.items():
        yield Case(f"yaml {name}", ("lint", "m.yaml"), _text_file("m.yaml", text))


_YAML_TRAPS = {
    "alias bomb": "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(
        f"{c}: &{c} [{','.join([f'*{b}'] * 9)}]\n" for b, c in zip("abcdefghi", "bcdefghij", strict=True)
    ),
    "alias of itself": "name: &a [*a]\n",
    "object of Python": "name: !!python/object/apply:os.mkdir [yaml-ran]\n",
    "two documents": "name: a\n---\nname: b\n",
    "merge": "name: vit_tiny_patch16_224\noverrides: &a {<<: *a}\n",
    "deep model": "name: vit_tiny_patch16_224\noverrides: {depth: 10000000}\n",
    "wide model": "name: vit_tiny_patch16_224\noverrides: {embed_dim: 9223372036854775807}\n",
    "no model": "name: [1, 2]\n",
    "markup": 'name: "x[/b]\\e[2J\\u202e"\n',
}


def _text_file(name: str, text: str) -> Prepare:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def checkpoint_cases(seeds: int) -> Iterator[Case]:
    """Weights of others."""
    for seed in range(seeds):
        yield Case(f"checkpoint {seed}", (), _seeded(bad_checkpoint, f"checkpoint {seed}"))


def image_cases(seeds: int) -> Iterator[Case]:
    """Folders for calibration in which no file is an image."""
    arguments = ("export", "fp8", *_TINY, "--calib", "images")
    for seed in range(seeds):
        yield Case(f"image {seed}", arguments, _seeded(bad_images, f"image {seed}"))


def _seeded(make: Callable[[Path, Random], None], name: str) -> Prepare:
    return lambda folder: make(folder, Random(name))  # noqa: S311 (reproducible)


def checkpoint_arguments(folder: Path) -> tuple[str, ...]:
    """The command for the one file of weights in ``folder``."""
    (path,) = folder.glob("w.*")
    return ("export", "fp16", *_TINY, "--checkpoint", path.name)


def name_cases() -> Iterator[Case]:
    """Names of files, recipes, models, targets and stores."""
    uses: tuple[tuple[str, ...], ...] = (
        ("inspect", "{}"),
        ("lint", "{}", "--target", "{}"),
        ("compare", "--from", "{}"),
        ("history", "{}"),
        ("ls", "--store", "{}"),
        ("lint", "m.onnx", "--shape", "x={}"),
    )
    for index, name in enumerate(HOSTILE_NAMES):
        for use in (uses[index % len(uses)], uses[(index + 2) % len(uses)]):
            arguments = tuple(word.replace("{}", name) for word in use)
            if "\0" not in name:
                yield Case(f"name {use[0]} {index}", arguments, _sound_onnx("m.onnx"))


def environment_cases() -> Iterator[Case]:
    """Variables that set options, places and how text is shown."""
    for index, variables in enumerate(ENVIRONMENTS):
        yield Case(f"environment {index}", ("inspect", "m.onnx"), _sound_onnx("m.onnx"), variables)


def _sound_onnx(name: str) -> Prepare:
    return lambda folder: (folder / name).write_bytes(small_model().SerializeToString())


def request_cases() -> Iterator[Case]:
    """Requests that no machine can serve."""
    tiny: dict[str, tuple[Any, ...]] = {
        "depth": ("export", "fp16", "--model", "vit_tiny_patch16_224", "--set", "depth=10000000"),
        "tokens": ("roofline", "vit_tiny_patch16_224", "--tokens", "9" * 30),
        "batch": ("roofline", "vit_tiny_patch16_224", "--batch", "9" * 30),
        "pixels": ("lint", "vit_tiny_patch16_224", "--img-size", "9" * 12),
        "samples": ("export", "fp8", *_TINY, "--calib-samples", "9" * 12),
        "images": ("verify", "fp16", *_TINY, "--data-samples", "9" * 12),
        "duration": ("bench", "m.onnx", "--runtime", "onnxruntime-cpu", "--duration-s", "1e300"),
        "shape": ("inspect", "m.onnx", "--shape", f"x={'9' * 18}x3x16x16"),
        "sides": ("inspect", "m.onnx", "--shape", f"x={'1x' * 5000}1"),
        "graph batch": ("lint", "m.onnx", "--batch", "9" * 18),
    }
    for name, arguments in tiny.items():
        yield Case(f"request {name}", arguments, _sound_onnx("m.onnx"))
