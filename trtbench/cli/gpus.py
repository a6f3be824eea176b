"""``trtbench gpus``."""

from trtbench.cli.options import ResultOptions
from trtbench.cli.output import print_result


def command(output: ResultOptions) -> None:
    """List the GPUs that times can be predicted for, and how well each is known.

    For example, to predict on one of them:

    trtbench gpus

    trtbench predict fp16 nvfp4 --gpu rtx-5090
    """
    from trtbench.predict.listing import list_gpus
    from trtbench.report.text.gpus import render_gpus

    print_result(list_gpus(), output, render_gpus)
