import sys

import pytest

from trtbench.build.targets import (
    TARGETS_OF_1_7,
    import_tensorrt_rtx,
    known_targets,
    parse_target,
    parse_targets,
)
from trtbench.errors import RuntimeUnavailable, SpecError


@pytest.fixture
def no_tensorrt_rtx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)


def test_targets_are_those_of_the_installed_compiler() -> None:
    enum = pytest.importorskip("tensorrt_rtx").ComputeCapability
    targets = {target.upper() for target in known_targets()}
    assert targets == set(enum.__members__) - {"NONE", "CURRENT"}
    assert "SM120" in targets


def test_without_the_compiler_targets_are_still_known(no_tensorrt_rtx: None) -> None:
    assert known_targets() == TARGETS_OF_1_7
    assert parse_target("sm120") == "sm120"


def test_the_remembered_targets_are_those_of_the_installed_compiler() -> None:
    pytest.importorskip("tensorrt_rtx")
    assert known_targets() == TARGETS_OF_1_7


@pytest.mark.parametrize("word", ["sm120", "SM120", " sm120\n"])
def test_case_and_space_do_not_matter(word: str) -> None:
    assert parse_target(word) == "sm120"


@pytest.mark.parametrize(
    "word", ["", "sm", "120", "sm12", "sm1200", "none", "current", "SM_120", "blackwell"]
)
def test_an_unknown_target_lists_the_known_ones(word: str) -> None:
    with pytest.raises(SpecError, match=r"unknown: .*sm75, sm80, sm86, sm89, sm120, sm121"):
        parse_target(word)


@pytest.mark.parametrize(("word", "gpu"), [("sm90", "H100"), ("SM100", "B200"), ("sm110", "Thor")])
def test_a_data_centre_gpu_is_sent_to_standard_tensorrt(word: str, gpu: str) -> None:
    with pytest.raises(SpecError, match=f"{gpu}.*it needs standard TensorRT"):
        parse_target(word)


def test_several_targets_are_sorted_and_each_is_there_once() -> None:
    assert parse_targets(["sm120", "sm89", "SM120"]) == ("sm89", "sm120")


def test_no_target_is_an_error() -> None:
    with pytest.raises(SpecError, match="targets is empty"):
        parse_targets([])


def test_a_missing_compiler_is_explained(no_tensorrt_rtx: None) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"TensorRT-RTX cannot.*proprietary licence of NVIDIA"):
        import_tensorrt_rtx()
