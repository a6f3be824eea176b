"""``trtbench pack``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ArtifactOptions, OutputOptions
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    word: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX",
            help="A recipe, an engine, an exported model, or an .onnx file.",
            callback=checked_names,
        ),
    ],
    options: ArtifactOptions,
    output: OutputOptions,
    given: Given,
    file: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The zip file to write.", callback=checked_names),
    ],
) -> None:
    """Put an engine, its model and what one must know to use them in one zip file.

    What is missing is exported and built. The file holds the ONNX model, the engine, their manifests, how
    images are prepared, names of the classes where they are known, the runtime and version that load the
    engine, and a README. Paths of this machine are left out. docs/how_to/pack.md says how to use it.

    For example:

    trtbench pack nvfp4 -o vit.zip

    trtbench pack fp16 --model vit_small_patch16_224 --batch 8 -o vit_small.zip
    """
    from trtbench.cli.parse import build_request
    from trtbench.cli.parse_model import parse_subjects, shape_of
    from trtbench.compare.several import engine_of, subject_name
    from trtbench.pack import check_path, pack
    from trtbench.report.text.pack import render_pack
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    (subject,) = parse_subjects([word], options, shape_of(options), given, builds_files=True)
    check_path(file)
    with progress_display([subject_name(subject)]) as on_step:
        engine = engine_of(subject, build_request(options), Store(output.store), on_step)
        packed = pack(engine, file, on_step)
    print_result(packed, output, lambda found, console: render_pack(found, file, console))
