"""The plan of the 39 Vision Transformers that comes with the package."""

from itertools import product

from trtbench.specs.sized_vit import sizes_of
from trtbench.specs.yaml_text import load_packaged_yaml


def names() -> list[str]:
    plan = load_packaged_yaml("trtbench.sweep", "plans/vit39.yaml")
    grid = product(plan["patch"], plan["depth"], plan["width"])
    return [
        name for patch, depth, width in grid if (name := f"vit{patch}x{depth}x{width}") not in plan["skip"]
    ]


def test_nine_of_48_are_left_out():
    assert len(names()) == 39
    by_patch = {patch: sum(name.startswith(f"vit{patch}x") for name in names()) for patch in (8, 16, 32)}
    assert by_patch == {8: 10, 16: 13, 32: 16}


def test_a_skipped_model_has_no_larger_one_of_its_patch():
    """What is left out is a corner: whatever is as deep and as wide as a skipped model is skipped, too."""
    kept = [sizes for name in names() if (sizes := sizes_of(name))]
    skipped = load_packaged_yaml("trtbench.sweep", "plans/vit39.yaml")["skip"]
    for small in map(sizes_of, skipped):
        assert small is not None
        assert not [
            large.name
            for large in kept
            if large.patch == small.patch and large.depth >= small.depth and large.width >= small.width
        ]
