"""``trtbench inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.options import JsonOption
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="ARTIFACT|ONNX",
            help="An exported model, an engine, or any .onnx file.",
            callback=checked_names,
        ),
    ],
    json: JsonOption = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="List every layer; default: identical blocks once.")
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
