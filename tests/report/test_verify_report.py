import io

from trtbench.errors import Code
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.verify import render_verification
from trtbench.results import (
    BlockFidelity,
    Fidelity,
    FidelityReference,
    Finding,
    OutputFidelity,
    Verification,
    VerificationRow,
)
from trtbench.specs import InputsSpec
from trtbench.specs.recipe import parse_recipe


def row(recipe: str, sqnr_db: float | None, blocks: list[float | None], **changes: object) -> VerificationRow:
    fidelity = Fidelity(
        onnx_sha256="a" * 64,
        reference=FidelityReference(recipe=parse_recipe("fp32"), sha256="b" * 64, top1=None, top5=None),
        inputs=InputsSpec(samples=8),
        samples=8,
        weights="random",
        runtime="onnxruntime 1.31.1",
        cosine=0.98765,
        sqnr_db=sqnr_db,
        max_abs_error=0.25,
        top1_agreement=0.875,
        kl_divergence=0.0021,
        top1=None,
        top5=None,
        per_block=tuple(
            BlockFidelity(block=i, cosine=0.9, sqnr_db=value, max_abs_error=1)
            for i, value in enumerate(blocks)
        ),
    )
    return VerificationRow(
        recipe=parse_recipe(recipe), status="ok", fidelity=fidelity.model_copy(update=changes)
    )


def rendered(*rows: VerificationRow, directory: str | None = None) -> list[str]:
    verification = Verification(model="vit_x", inputs=InputsSpec(samples=8, directory=directory), rows=rows)
    console = VisibleConsole(file=io.StringIO(), width=110, color_system=None)
    render_verification(verification, console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_recipes_and_blocks() -> None:
    failed = VerificationRow(recipe=parse_recipe("int8"), status="failed", reason="no [space] left")
    assert rendered(row("fp16", None, [64.25, None]), row("nvfp4", 11.46, [20, 17.5]), failed) == [
        "vit_x: exported models against FP32, computed on a CPU by onnxruntime 1.31.1; no GPU kernel ran",
        "random weights, 8 synthetic images: compares recipes, says nothing of accuracy",
        "SQNR scale: 40 dB is an RMS error of 1% of the output, 20 dB of 10%, 8 dB of 40%",
        "recipe   cosine  SQNR dB  max error  same top-1  KL (nats)",
        "fp16    0.98765    exact       0.25       87.5%     0.0021",
        "nvfp4   0.98765     11.5       0.25       87.5%     0.0021",
        "int8     failed",
        "",
        "SQNR (dB) of the residual stream behind each block; yellow: where most of the noise enters",
        "block   fp16  nvfp4",
        "0       64.2   20.0",
        "1      exact   17.5",
        "int8 failed: no [space] left",
    ]


def test_several_outputs_have_a_table() -> None:
    outputs = tuple(
        OutputFidelity(name=name, cosine=0.9, sqnr_db=20, max_abs_error=1)
        for name in ("features_3", "features_11")
    )
    lines = rendered(row("fp16", 21, []), row("nvfp4", 20, [], per_output=outputs))
    assert lines[-4:] == [
        "SQNR (dB) of each output; above: of all side by side",
        "output       nvfp4",
        "features_3    20.0",
        "features_11   20.0",
    ]


def test_accuracy_stands_beside_that_of_the_reference() -> None:
    reference = FidelityReference(recipe=parse_recipe("fp32"), sha256="b" * 64, top1=0.75, top5=1.0)
    labelled = row(
        "fp8",
        20.0,
        [],
        reference=reference,
        top1=0.5,
        top5=0.875,
        notes=("image left out: [x].png",),
        weights="pretrained",
    )
    assert rendered(labelled, directory="/data/[val]") == [
        "vit_x: exported models against FP32, computed on a CPU by onnxruntime 1.31.1; no GPU kernel ran",
        "pretrained weights, 8 images of /data/[val]",
        "SQNR scale: 40 dB is an RMS error of 1% of the output, 20 dB of 10%, 8 dB of 40%",
        "recipe           cosine  SQNR dB  max error  same top-1  KL (nats)  top-1   top-5",
        "fp8             0.98765     20.0       0.25       87.5%     0.0021  50.0%   87.5%",
        "FP32 reference                                                      75.0%  100.0%",
        "note: image left out: [x].png",
    ]


def test_the_block_where_noise_enters_is_marked() -> None:
    """20 dB to 17 dB adds one part in 100 of noise, 17 dB to 10 dB adds eight."""
    verification = Verification(
        model="m", inputs=InputsSpec(), rows=(row("nvfp4", 5.0, [20, 17, 10, 9.9]), row("fp16", None, [None]))
    )
    console = VisibleConsole(file=io.StringIO(), width=110, force_terminal=True, color_system="standard")
    render_verification(verification, console)
    assert isinstance(console.file, io.StringIO)
    assert [line for line in console.file.getvalue().splitlines() if "\x1b[33m" in line] == [
        line for line in console.file.getvalue().splitlines() if line.startswith("2 ")
    ]


def test_a_model_without_classifier_or_blocks() -> None:
    lines = rendered(row("fp8", 20.0, [], top1_agreement=None, kl_divergence=None))
    assert lines[-1] == "fp8     0.98765     20.0       0.25           -          -"


def test_findings_of_the_export_are_shown_of_failed_rows_too() -> None:
    finding = Finding(
        code=Code.ACTIVATION_BEYOND_FP16, severity="warning", message="it is infinite", hint="use bf16"
    )
    failed = VerificationRow(recipe=parse_recipe("int8"), status="failed", reason="no", findings=(finding,))
    assert rendered(row("bf16", 43, []), failed)[-3:] == [
        "int8 failed: no",
        "warning ACTIVATION_BEYOND_FP16 int8: it is infinite",
        "  -> use bf16",
    ]
