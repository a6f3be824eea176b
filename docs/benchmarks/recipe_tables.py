"""Make the tables of docs/results/recipes.md and docs/explanation/passes.md, model by model.

Run from the repository's root, after installation:

    uv run python docs/benchmarks/recipe_tables.py --store DIR [recipes families rules sparsity passes]

It needs no GPU, 12 GB in DIR and an hour on two cores. Models, engines and fidelities stay in DIR: when it is
interrupted, the same command goes on where it was. The tables go to stdout as Markdown, progress to stderr.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.errors import TrtbenchError
from trtbench.export import export
from trtbench.export.passes import GRAPH_PASSES, MODEL_PASSES, passes_of
from trtbench.host.hardware import package_versions
from trtbench.progress import OnStep
from trtbench.report.text.compiled_table import format_shares
from trtbench.request import read_model_entry
from trtbench.results import Audit, Fidelity, SparsityRecord
from trtbench.specs import BuildSpec, ExportSpec, InputsSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store
from trtbench.units import format_bytes
from trtbench.verify import fidelity_of, load_reference
from trtbench.verify.emulation import Reference

ALL = "all"
PACKAGES = ("trtbench", "torch", "timm", "nvidia-modelopt", "onnx", "onnxruntime", "tensorrt-rtx")
IMAGES = InputsSpec(samples=32)
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Model:
    """A model under the name of its row, and the batch that it is compiled for."""

    name: str
    spec: ModelSpec
    batch: int


def timm_model(name: str, batch: int) -> Model:
    """A model as timm has it."""
    return Model(name, ModelSpec(name=name), batch)


VIT_B = timm_model("vit_base_patch16_224", 64)
VIT_B_2_BLOCKS = Model("vit_base_patch16_224", ModelSpec(name=VIT_B.name, overrides=(("depth", 2),)), 64)
RULES = Model(
    "vit_base_patch16_gap_256", read_model_entry(ROOT / "models" / "vit_base_patch16_gap_256.yaml"), 64
)
RULES_2_BLOCKS = Model(
    RULES.name, RULES.spec.model_copy(update={"overrides": (*RULES.spec.overrides, ("depth", 2))}), 64
)
FAMILIES = (
    timm_model("vit_small_patch16_224", 64),
    VIT_B,
    timm_model("deit3_base_patch16_224", 64),
    timm_model("vit_large_patch16_224", 16),
    timm_model("vit_base_patch14_dinov2", 8),
    timm_model("vit_base_patch16_siglip_224", 64),
    RULES,
)
RECIPES = (
    "fp16",
    "int8",
    "fp8@stock",
    "fp8",
    "fp8+fp8attn",
    "mxfp8",
    "nvfp4@stock",
    "nvfp4",
    "nvfp4+fp8attn",
    "nvfp4+sparse",
    "nvfp4:proj=fp8+fp8attn",
    "nvfp4:qkv=fp8,proj=fp8",
    "nvfp4:fc2=fp8",
)
FAMILY_RECIPES = ("fp16", "nvfp4@stock", "nvfp4", "nvfp4+fp8attn")
RULE_RECIPES = ("fp16", "fp8+fp8attn", "nvfp4", "nvfp4+fp8attn")
SPARSE_RECIPES = ("fp16", "bf16", "int8", "fp8", "mxfp8", "nvfp4")
ABLATED = (
    (VIT_B_2_BLOCKS, "nvfp4"),
    (RULES_2_BLOCKS, "nvfp4"),
    (VIT_B_2_BLOCKS, "fp8"),
    (VIT_B_2_BLOCKS, "mxfp8"),
    (VIT_B_2_BLOCKS, "int8"),
    (VIT_B_2_BLOCKS, "nvfp4:proj=fp8+fp8attn"),
    (VIT_B_2_BLOCKS, "fp8+fp8attn"),
)


@dataclass(frozen=True)
class Compiled:
    """One recipe of one model, compiled."""

    onnx: OnnxArtifact
    engine: EngineArtifact
    audit: Audit

    @property
    def engine_bytes(self) -> int:
        """Size of the engine file."""
        return self.engine.manifest.files[0].size_bytes

    @property
    def onnx_bytes(self) -> int:
        """Size of the ONNX file with its weights."""
        files = self.onnx.manifest.files
        return sum(file.size_bytes for file in files if file.name.startswith("model.onnx"))


class Runs:
    """Exports, engines and fidelities of one store, made when they are first asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._references: dict[str, Reference] = {}

    def compiled(self, model: Model, word: str, passes: tuple[str, ...] | None = None) -> Compiled:
        """Export, build for sm120 and audit."""
        recipe = parse_recipe(word)
        tell = _teller(f"{model.name} {word}")
        spec = ExportSpec(model=model.spec, recipe=recipe, batch=model.batch, passes=passes)
        onnx, _ = export(spec, self._store, tell)
        engine, _ = build(onnx, BuildSpec(sparsity=recipe.sparse), self._store, tell)
        return Compiled(onnx, engine, inspect_engine(engine))

    def fidelity(self, model: Model, word: str) -> Fidelity:
        """Compare with the FP32 model of dense weights."""
        tell = _teller(f"{model.name} {word}")
        spec = ExportSpec(model=model.spec, recipe=parse_recipe(word), batch=model.batch)
        if model.name not in self._references:
            self._references[model.name] = load_reference(spec, self._store, IMAGES, tell)
        onnx, _ = export(spec, self._store, tell)
        return fidelity_of(onnx, self._references[model.name], self._store, tell)


def _teller(what: str) -> OnStep:
    return lambda step: print(f"{what}: {step.stage}: {step.text}", file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def rows_of(keys: Sequence[Sequence[str]], cells: Callable[..., Sequence[str]]) -> list[list[str]]:
    """One row for each of ``keys``; one that fails says why."""
    rows = []
    for key in keys:
        head = [f"`{part}`" for part in key]
        try:
            rows.append([*head, *cells(*key)])
        except TrtbenchError as error:
            rows.append([*head, f"failed: {str(error).partition(' (log:')[0]}"])
    return rows


KERNELS = ("GEMM FLOPs run in", "attention", "GEMM kernels", "other kernels", "bytes of the others")
FIDELITY = ("SQNR", "cosine", "top-1 as FP32")


def kernel_cells(audit: Audit) -> list[str]:
    """Cells of the columns ``KERNELS``."""
    return [
        format_shares(audit.gemm_flops_share),
        audit.attention_precision or "none",
        str(audit.gemm_kernels),
        str(audit.other_kernels),
        format_bytes(audit.other_bytes),
    ]


def fidelity_cells(fidelity: Fidelity) -> list[str]:
    """Cells of the columns ``FIDELITY``."""
    agreement = fidelity.top1_agreement
    same = "-" if agreement is None else f"{round(agreement * fidelity.samples)} of {fidelity.samples}"
    return [decibels(fidelity.sqnr_db), f"{fidelity.cosine:.5f}", same]


def decibels(value: float | None) -> str:
    """``None`` stands for no error at all."""
    return "exact" if value is None else f"{value:.1f} dB"


def recipes(runs: Runs) -> str:
    """All recipes of ViT-B/16."""

    def cells(word: str) -> list[str]:
        made = runs.compiled(VIT_B, word)
        memory = (made.engine.manifest.weight_bytes, made.engine.manifest.activation_bytes, made.engine_bytes)
        return [
            *kernel_cells(made.audit),
            *map(format_bytes, memory),
            *fidelity_cells(runs.fidelity(VIT_B, word)),
        ]

    header = ("recipe", *KERNELS, "weights", "activations", "engine", *FIDELITY)
    return table(header, rows_of([(word,) for word in RECIPES], cells))


def families(runs: Runs) -> str:
    """NVFP4 on other models, and what the audit warns of."""
    models = {model.name: model for model in FAMILIES}
    warnings: list[str] = []

    def cells(name: str, word: str) -> list[str]:
        model = models[name]
        made = runs.compiled(model, word)
        serious = [finding for finding in made.audit.findings if finding.severity == "warning"]
        warnings.extend(f"- `{name}`, `{word}`: {found.code}: {found.message}" for found in serious)
        tokens = tokens_of(made.audit, model.batch)
        return [f"{model.batch} x {tokens}", *kernel_cells(made.audit), format_bytes(made.engine_bytes)]

    keys = [(name, word) for name in models for word in FAMILY_RECIPES]
    rows = rows_of(keys, cells)
    return table(("model", "recipe", "batch x tokens", *KERNELS, "engine"), rows) + "\n".join(["", *warnings])


def tokens_of(audit: Audit, batch: int) -> int:
    """Tokens of an image: the rows of a product of the MLP, which holds those of the whole batch."""
    return next(layer.m for layer in audit.layers if layer.role == "fc1" and layer.m) // batch


def rules(runs: Runs) -> str:
    """A model that follows the design rules beside one that does not, for each image and each token."""
    models = {model.name: model for model in (VIT_B, RULES)}

    def cells(word: str, name: str) -> list[str]:
        model = models[name]
        audit = runs.compiled(model, word).audit
        tokens = tokens_of(audit, model.batch)
        image_bytes = audit.other_bytes / model.batch
        padding = next((f.numbers for f in audit.findings if f.code == "SCALE_PADDING"), {})
        return [
            str(tokens),
            str(audit.gemm_kernels),
            str(audit.other_kernels),
            f"{padding.get('kernels', 0):.0f}",
            format_bytes(padding.get("bytes", 0) / model.batch),
            format_bytes(image_bytes),
            format_bytes(image_bytes / tokens),
            f"{sum(layer.flops for layer in audit.layers) / model.batch / tokens / 1e6:.1f} MFLOP",
        ]

    keys = [(word, name) for word in RULE_RECIPES for name in models]
    header = ("recipe", "model", "tokens", "GEMM kernels", "other kernels", "of these pad scales")
    per = ("bytes to pad per image", "bytes of the others per image", "per token", "FLOPs per token")
    return table((*header, *per), rows_of(keys, cells))


def sparsity(runs: Runs) -> str:
    """Dense and 2:4 sparse weights in each precision, in two tables."""
    keys = [(word,) for word in SPARSE_RECIPES]
    sizes = ("ONNX, dense", "ONNX, 2:4", "engine, dense", "engine, 2:4", "2:4 groups", "GEMM FLOPs run in")
    told = ("kernels, dense", "kernels, 2:4", "layers that differ", "lines on sparsity", "finding")
    errors = ("dense", "2:4", "2:4 if errors were independent", "difference")
    places = [f"{place}, {error}" for place in ("block 0", "logits") for error in errors]
    tops = ("top-1 as FP32, dense", "2:4")
    compiled = table(("recipe", *sizes, *told), rows_of(keys, lambda word: _sparse_cells(runs, word)))
    return (
        compiled
        + "\n"
        + table(("recipe", *places, *tops), rows_of(keys, lambda word: _interaction_cells(runs, word)))
    )


def _sparse_cells(runs: Runs, word: str) -> list[str]:
    dense, sparse = runs.compiled(VIT_B, word), runs.compiled(VIT_B, f"{word}+sparse")
    names = [{(layer.name, layer.precision_in) for layer in made.audit.layers} for made in (dense, sparse)]
    codes = [finding.code for finding in sparse.audit.findings if "SPARS" in finding.code]
    log = (sparse.engine.directory / "build.log").read_text(errors="replace")
    return [
        *(format_bytes(made.onnx_bytes) for made in (dense, sparse)),
        *(format_bytes(made.engine_bytes) for made in (dense, sparse)),
        _groups(sparse.onnx.manifest.sparsity),
        format_shares(sparse.audit.gemm_flops_share),
        *(f"{made.audit.gemm_kernels} + {made.audit.other_kernels}" for made in (dense, sparse)),
        str(len(names[0] ^ names[1])),
        str(sum("parsity" in line for line in log.splitlines())),
        ", ".join(codes) or "none",
    ]


def _groups(record: SparsityRecord | None) -> str:
    if record is None:
        return "none counted"
    return f"{record.compliant_groups / record.groups:.2%} of {record.groups / 1e6:.1f} M"


def _interaction_cells(runs: Runs, word: str) -> list[str]:
    """SQNR of pruning and quantisation together, beside what their noise powers add up to."""
    made = [runs.fidelity(VIT_B, name) for name in (word, f"{word}+sparse", "fp16+sparse")]
    tops = [fidelity_cells(fidelity)[-1] for fidelity in made[:2]]
    logits = [fidelity.sqnr_db for fidelity in made]
    first_block = [fidelity.per_block[0].sqnr_db for fidelity in made]
    return [*_interaction(word, *first_block), *_interaction(word, *logits), *tops]


def _interaction(word: str, dense: float | None, sparse: float | None, pruned: float | None) -> list[str]:
    if word == "fp16":  # which is what pruning alone costs
        return [decibels(dense), decibels(sparse), "-", "-"]
    expected = independent_db(dense, pruned)
    difference = (math.inf if sparse is None else sparse) - expected
    return [decibels(dense), decibels(sparse), decibels(expected), f"{difference:+.1f} dB"]


def independent_db(*sqnr_db: float | None) -> float:
    """SQNR of errors that are independent of each other: their powers add up."""
    power = sum(10 ** (-value / 10) for value in sqnr_db if value is not None)
    return -10 * math.log10(power)


def passes(runs: Runs) -> str:
    """What each pass is worth: the non-GEMM kernels, of all passes and of all but one."""
    columns = [_pass_column(runs, model, word) for model, word in ABLATED]
    names = [candidate.name for candidate in (*MODEL_PASSES, *GRAPH_PASSES)]
    rows = [
        [label, *(column.get(label, "-") for column in columns)] for label in (ALL, *map(_without, names))
    ]
    header = [f"`{word}`, `{model.name}`" for model, word in ABLATED]
    return table(("passes, 2 blocks", *header), rows)


def _without(name: str) -> str:
    return f"without {name}"


def _pass_column(runs: Runs, model: Model, word: str) -> dict[str, str]:
    names = passes_of(parse_recipe(word), None)
    every = runs.compiled(model, word).audit
    cells = {ALL: _other_kernels(every)}
    for name in names:
        audit = runs.compiled(model, word, tuple(other for other in names if other != name)).audit
        ran = format_shares(audit.gemm_flops_share)
        changed = f", GEMMs in {ran}" if ran != format_shares(every.gemm_flops_share) else ""
        cells[_without(name)] = _other_kernels(audit) + changed
    return cells


def _other_kernels(audit: Audit) -> str:
    return f"{audit.other_kernels}, {format_bytes(audit.other_bytes)}"


TABLES = {make.__name__: make for make in (recipes, families, rules, sparsity, passes)}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; default: all")
    parser.add_argument("--store", type=Path, required=True)
    arguments = parser.parse_args()
    if unknown := set(arguments.tables) - TABLES.keys():
        parser.error(f"no table {sorted(unknown)[0]!r}: choose of {', '.join(TABLES)}")
    runs = Runs(Store(arguments.store))
    versions = ", ".join(f"{name} {version}" for name, version in package_versions(PACKAGES).items())
    print(f"Versions: {versions}.\n")
    for name in arguments.tables or TABLES:
        print(f"## {name}\n\n{TABLES[name](runs)}", flush=True)


if __name__ == "__main__":
    main()
