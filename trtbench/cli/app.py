"""The command line: parse, call one stage, print. No logic."""

import errno
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trtbench import __version__
from trtbench.cli.measure import bench_command, compare_command
from trtbench.cli.options import BuildOptions, ModelOptions, OutputOptions, expand_options
from trtbench.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, print_result
from trtbench.cli.path_names import checked_names
from trtbench.cli.streams import lead_nowhere, open_closed_streams
from trtbench.cli.versions import containers_command, diff_command
from trtbench.errors import SpecError, TrtbenchError
from trtbench.host.signals import Stopped, signal_name, stopped_by_signals

_STDOUT, _STDERR = 1, 2

# Without rich's boxes, a wrong option is one line and the help fits any terminal.
app = typer.Typer(
    name="trtbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


_KEPT = "finished work is kept, the same command goes on from there"


@dataclass
class Settings:
    """Options of the program itself."""

    debug: bool = False


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"trtbench {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Show what a Vision Transformer really runs in, per precision, on NVIDIA Blackwell."""
    context.obj.debug = debug


app.command("compare")(compare_command)
app.command("bench")(bench_command)
app.command("diff")(diff_command)
app.command("containers")(containers_command)


@app.command("export")
@expand_options
def export_command(
    model: ModelOptions,
    output: OutputOptions,
    precision: Annotated[
        str, typer.Option(help="A precision or a whole recipe, such as nvfp4 or nvfp4@stock.")
    ] = "fp16",
    sparse: Annotated[
        bool, typer.Option("--sparse", help="Prune the weights to 2:4 first; the same as +sparse.")
    ] = False,
) -> None:
    """Quantise a model and write it as ONNX with a static batch.

    For example:

    trtbench export --precision nvfp4 --sparse

    trtbench export --precision fp8 --model vit_small_patch16_224 --calib photos/ --calib-samples 128
    """
    from trtbench.cli.parse import export_specs, with_sparse
    from trtbench.export import export
    from trtbench.report.text.artifacts import render_onnx
    from trtbench.report.text.progress import recipe_progress
    from trtbench.store.artifacts import Store

    (spec,) = export_specs([with_sparse(precision) if sparse else precision], model)
    with recipe_progress([str(spec.recipe)]) as on_step:
        artifact, _ = export(
            spec, Store(output.store), lambda step: on_step(str(spec.recipe), f"export: {step}")
        )
    print_result(
        artifact.manifest, output.json, lambda _, console: render_onnx(artifact, console), is_kept=True
    )


@app.command("build")
@expand_options
def build_command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="ARTIFACT|ONNX", help="An exported model or any .onnx file.", callback=checked_names
        ),
    ],
    building: BuildOptions,
    output: OutputOptions,
    sparsity: Annotated[
        bool, typer.Option("--sparsity", help="Allow kernels for 2:4 sparse weights.")
    ] = False,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MIN:OPT:MAX[,...]",
            help="Optimization profile: least, best and greatest shape of each dynamic input; repeatable.",
        ),
    ] = None,
) -> None:
    """Compile an ONNX model to an engine, keep the whole log, and read the compiled layers from it.

    For example:

    trtbench build models/vit_base_patch16_224-nvfp4-b64-*/

    trtbench build model.onnx --target sm89,sm120 --sparsity

    trtbench build model.onnx --backend tensorrt --tactic-table --optimization-level 5

    trtbench build dynamic.onnx --profile x=1x3x224x224:8x3x224x224:64x3x224x224
    """
    from trtbench.build import build, load_onnx
    from trtbench.cli.build_requests import spec_to_compile
    from trtbench.report.text.artifacts import render_engine
    from trtbench.report.text.progress import recipe_progress
    from trtbench.store.artifacts import Store

    spec = spec_to_compile(building, sparsity, profile or [])
    with recipe_progress([model.name]) as on_step:
        artifact, _ = build(
            load_onnx(model), spec, Store(output.store), lambda step: on_step(model.name, f"build: {step}")
        )
    print_result(
        artifact.manifest, output.json, lambda _, console: render_engine(artifact, console), is_kept=True
    )


@app.command("inspect")
@expand_options
def inspect_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="ARTIFACT|ONNX",
            help="An exported model, an engine, any .onnx file.",
            callback=checked_names,
        ),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else on stdout.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="List every layer; default: alike blocks as one.")
    ] = False,
) -> None:
    """Show each layer's role, precision, shape, FLOPs and bytes, and what was asked against what compiled.

    For example:

    trtbench inspect engines/vit_base_patch16_224-nvfp4-b64-sm120-rtx1.7.1.116-*/

    trtbench inspect model.onnx --layers
    """
    from trtbench.audit.inspect import inspect
    from trtbench.report.text.audit import render_audit

    print_result(inspect(path), json, lambda audit, console: render_audit(audit, console, layers))


@app.command("lint")
@expand_options
def lint_command(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|ONNX",
            help="A timm name, an exported model, any .onnx file.",
            callback=checked_names,
        ),
    ],
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Judge a timm model in this precision or recipe; repeatable; default: FP8 and blocks."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Constructor argument, such as depth=2; repeatable."
        ),
    ] = None,
    img_size: Annotated[
        int | None, typer.Option(help="Image side in pixels, if not the model's own; of a dynamic graph.")
    ] = None,
    batch: Annotated[
        int, typer.Option(help="Batch of a timm model, or of a graph whose batch is dynamic.")
    ] = 64,
    target: Annotated[
        list[str] | None, typer.Option(help="Compute capability to judge for; repeatable; default: sm120.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else on stdout.")
    ] = False,
) -> None:
    """Judge a model or a graph by design rules for quantised ViTs; nothing is exported or built.

    The exit code is 1 if a finding has the severity error.

    For example:

    trtbench lint vit_base_patch16_224

    trtbench lint model.onnx --target sm89
    """
    from trtbench.cli.parse import lint_specs
    from trtbench.lint import lint
    from trtbench.report.text.lint import render_lint

    options = ModelOptions(overrides=overrides or [], img_size=img_size, batch=batch)
    report = lint(lint_specs(subject, precision or [], options), batch, img_size, target or ["sm120"])
    print_result(report, json, render_lint)
    if report.has_errors:
        raise typer.Exit(EXIT_FAILED)


@app.command("verify")
@expand_options
def verify_command(
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE...", help="Such as fp16 mxfp8 nvfp4+sparse nvfp4@stock.")
    ],
    model: ModelOptions,
    output: OutputOptions,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a folder of images for each class, as ImageNet; default: synthetic images.",
            callback=checked_names,
        ),
    ] = None,
    data_samples: Annotated[int, typer.Option(help="Number of images to compare on.")] = 32,
) -> None:
    """Tell how close each recipe comes to the FP32 model: the exported ONNX files, computed on a CPU.

    Work that is done already is reused. A recipe that fails is a row with its reason (exit code 1).

    For example:

    trtbench verify fp16 fp8 nvfp4

    trtbench verify nvfp4 --model vit_small_patch16_224 --pretrained --data imagenet/val --data-samples 1000
    """
    from trtbench.cli.parse import export_specs, inputs_spec
    from trtbench.report.text.progress import recipe_progress
    from trtbench.report.text.verify import render_verification
    from trtbench.store.artifacts import Store
    from trtbench.verify import verify

    exports, inputs = export_specs(recipes, model), inputs_spec(data, data_samples, model.seed)
    with recipe_progress([str(spec.recipe) for spec in exports]) as on_step:
        verification = verify(exports, Store(output.store), inputs, on_step)
    print_result(verification, output.json, render_verification)
    if any(row.status == "failed" for row in verification.rows):
        raise typer.Exit(EXIT_FAILED)


@app.command("passes")
@expand_options
def passes_command(
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else on stdout.")
    ] = False,
) -> None:
    """List what our export does to a model beyond ModelOpt's, each pass with its reason.

    For example, what one pass is worth:

    trtbench compare nvfp4 --batch 8

    trtbench compare nvfp4 --batch 8 --passes split_qkv,attention_scale
    """
    from trtbench.export.passes import describe_passes
    from trtbench.report.text.passes import render_passes
    from trtbench.results import PassList

    print_result(PassList(passes=describe_passes()), json, render_passes)


@app.command("doctor")
@expand_options
def doctor_command(
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else on stdout.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Import every package in a process of its own (slow).")
    ] = False,
) -> None:
    """Tell what is installed, which backends work here, what a missing piece costs, and how to get it."""
    from trtbench.doctor.diagnose import diagnose
    from trtbench.report.text.doctor import render_diagnosis

    print_result(diagnose(deep=deep), json, render_diagnosis)


def main() -> None:
    """Run the command line; every expected error is one line on stderr and an exit code."""
    open_closed_streams()
    program = Settings()
    try:
        # Otherwise typer would print three lines more for a wrong option.
        with stopped_by_signals():
            code = app(obj=program, standalone_mode=False, prog_name="trtbench")
    except Stopped as stopped:
        _complain(f"stopped by {signal_name(stopped.number)}; {_KEPT}")
        sys.exit(128 + stopped.number)
    except TrtbenchError as error:
        if program.debug:
            raise
        _complain(f"error: {error}")
        sys.exit(EXIT_USAGE if isinstance(error, SpecError) else EXIT_FAILED)
    except typer.TyperException as error:
        _tell_usage(error)
        sys.exit(EXIT_USAGE)
    except OSError as error:
        # Such as --help, which is printed past our own commands.
        if program.debug or error.errno != errno.ENOSPC:
            raise
        lead_nowhere(_STDOUT)
        _complain(f"error: {error.filename or 'stdout'}: cannot be written: {error.strerror}: make room")
        sys.exit(EXIT_FAILED)
    if code == EXIT_INTERRUPTED:
        _complain(f"interrupted; {_KEPT}")
    sys.exit(code or 0)


def _tell_usage(error: typer.TyperException) -> None:
    """One line with the way to the help; without any argument, the help itself."""
    if len(sys.argv) == 1:
        _write_error(error.format_message())
        return
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else "trtbench"
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    _complain(f"error: {text}: see {command} --help")


def _complain(text: str) -> None:
    _write_error(f"trtbench: {text}")


def _write_error(text: str) -> None:
    """Write to stderr; where that takes nothing, the exit code is all that is told."""
    try:
        typer.echo(text, err=True)
    except OSError:
        lead_nowhere(_STDERR)
