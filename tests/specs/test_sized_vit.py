"""Models named by their sizes."""

import pytest

from trtbench.specs.sized_vit import sizes_of


def test_a_name_holds_the_sizes():
    sizes = sizes_of("vit32x24x1280")
    assert sizes is not None
    assert sizes.name == "vit32x24x1280"
    assert sizes.arguments == {"patch_size": 32, "depth": 24, "embed_dim": 1280, "num_heads": 20}


def test_a_narrow_model_has_one_head():
    sizes = sizes_of("vit8x1x32")
    assert sizes is not None
    assert sizes.heads == 1


@pytest.mark.parametrize(
    "name", ["vit_base_patch16_224", "vit16x12", "vit0x1x64", "vit08x1x64", "vit8x1000x64"]
)
def test_other_names_have_no_sizes(name: str):
    assert sizes_of(name) is None
