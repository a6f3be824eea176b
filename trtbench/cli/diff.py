"""``trtbench diff``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.options import JsonOption
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    before: Annotated[
        Path,
        typer.Argument(metavar="ENGINE", help="Directory of an engine in the store.", callback=checked_names),
    ],
    after: Annotated[
        Path, typer.Argument(metavar="ENGINE", help="The engine to compare with it.", callback=checked_names)
    ],
    json: JsonOption = False,
) -> None:
    """Align the compiled layers of two engines of one network, and show how kernels changed.

    The engines may differ in precision, version and target, but not in batch or image size: layers are
    matched by the graph nodes that they compute. The changes add up to the whole difference in kernels and
    bytes.

    For example:

    trtbench diff engines/vit_base_patch16_224-{fp16,nvfp4}-b64-sm120-rtx1.7.1.116-*/
    """
    from trtbench.diff import diff
    from trtbench.report.text.diff import render_diff

    print_result(diff(before, after), json, render_diff)
