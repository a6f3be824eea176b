"""``trtbench passes``."""

from trtbench.cli.options import ResultOptions
from trtbench.cli.output import print_result


def command(output: ResultOptions) -> None:
    """List what our export does to a model beyond ModelOpt's, each pass with its reason.

    For example, to see what one pass is worth:

    trtbench compare nvfp4 --batch 8

    trtbench compare nvfp4 --batch 8 --passes split_qkv,attention_scale
    """
    from trtbench.export.passes import describe_passes
    from trtbench.report.text.passes import render_passes
    from trtbench.results import PassList

    print_result(PassList(passes=describe_passes()), output, render_passes)
