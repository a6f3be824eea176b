"""``trtbench roofline`` as a user meets it."""

import pytest

from trtbench.results import Roofline

TINY = ("roofline", "vit_tiny_patch16_224", "--set", "depth=1")


def test_json_is_all_there_is_on_stdout(trtbench):
    code, out, err = trtbench(
        *TINY, "--json", "--batch", "1,8", "--precision", "fp8:qkv=fp16,head=fp16,nvfp4"
    )
    assert (code, err) == (0, "")
    found = Roofline.model_validate_json(out)
    assert [str(section.recipe) for section in found.sections] == ["fp8:qkv=fp16,head=fp16", "nvfp4"]
    assert [batch.batch for batch in found.sections[0].batches] == [1, 8]
    assert [section.tokens for section in found.sections] == [197, 197]


def test_image_sizes_are_compared_at_equal_m(trtbench):
    code, out, _ = trtbench(*TINY, "--img-size", "224,448", "--precision", "fp16", "--gpu", "h200")
    assert code == 0
    assert "fp16, 448 px, 785 tokens, batch 64; ridge" in out
    assert "fp16, equal M = batch x tokens = 12608: 64 x 197 and 16.06 x 785" in out


def test_lengths_at_which_other_kernels_are_equal_stand_side_by_side(trtbench):
    model = ("roofline", "vit_base_patch16_siglip_224", "--set", "depth=1", "--img-size", "16,224")
    code, out, _ = trtbench(*model, "--batch", "1", "--precision", "fp16")
    assert code == 0
    assert "equal M = batch x tokens = 1: 1 x 1 and 0.005102 x 196" in out


def test_a_slower_clock_lowers_the_peak(trtbench):
    peaks = []
    for clock in ("2000", "1000"):
        code, out, _ = trtbench(*TINY, "--precision", "fp16", "--clock-mhz", clock, "--json")
        found = Roofline.model_validate_json(out)
        assert (code, found.gpu.clock_mhz) == (0, float(clock))
        peaks.append(max(kernel.ridge for kernel in found.sections[0].batches[0].kernels))
    assert peaks[0] == pytest.approx(2 * peaks[1])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--tokens 0", "--tokens 0: expected at least 1"),
        ("--tokens 5x", "--tokens 5x: expected an integer"),
        ("--tokens 50 --img-size 224", "--img-size and --tokens exclude each other"),
        ("--batch 0", "--batch 0"),
        ("--precision fp3", "unknown precision 'fp3'"),
        ("--gpu h200 --precision nvfp4", "H200 SXM has no tensor cores for fp4"),
        ("--gpu abacus", "GPU 'abacus' is not in the table"),
    ],
)
def test_a_mistake_is_one_line(trtbench, options, problem):
    code, out, err = trtbench(*TINY, *options.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert problem in err
