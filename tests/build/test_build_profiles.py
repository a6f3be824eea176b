"""Optimization profiles, from the words of a command to what fits the inputs of a model."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from trtbench.build.profiles import check_profiles
from trtbench.build.source import source_of
from trtbench.errors import ArtifactError, SpecError
from trtbench.request import parse_profile
from trtbench.specs import ShapeRange

X = ShapeRange(input="x", min_shape=(1, 3), opt_shape=(8, 3), max_shape=(64, 3))
MASK = ShapeRange(input="mask", min_shape=(1, 5), opt_shape=(8, 5), max_shape=(64, 5))
INPUTS = {"x": ("batch", 3), "mask": ("batch", 5), "scale": (1,)}
MODEL = Path("models/m.onnx")


def test_a_word_is_a_profile() -> None:
    assert parse_profile("x=1x3:8x3:64x3") == (X,)
    assert parse_profile("x=1x3:8x3:64x3,mask=1x5:8x5:64x5") == (X, MASK)


def test_names_may_hold_what_separates_others() -> None:
    name = "a=1x2:b,c.0/x:0"
    (entry,) = parse_profile(f"{name}=1:2:3")
    assert entry == ShapeRange(input=name, min_shape=(1,), opt_shape=(2,), max_shape=(3,))


@pytest.mark.parametrize(
    "word",
    [
        *("", "x", "x=", "=1:2:3", "x=1x3", "x=1x3:8x3", "x=1x3:8x3:64x3:64x3", "x=1x3:8xN:64x3"),
        *("x:1x3:8x3:64x3", "x=1x3:8x3:64x3,", "x=1x3:8x3:64x3,mask", "x=-1:8:64", "x=1x:8x:9x"),
    ],
)
def test_other_words_are_refused_with_an_example(word: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_profile(word)
    assert str(refused.value) == (
        f"profile {word}: expected NAME=MIN:OPT:MAX, such as "
        "x=1x3x224x224:8x3x224x224:64x3x224x224; separate inputs by commas"
    )


def test_an_input_that_comes_twice_and_a_side_that_is_too_long() -> None:
    with pytest.raises(
        SpecError, match=r"^profile x=1:2:3,x=1:2:3: x comes twice; give one range for each input$"
    ):
        parse_profile("x=1:2:3,x=1:2:3")
    with pytest.raises(SpecError, match=r"^profile x=1:2:99999999999: Input should be less than 2147483648$"):
        parse_profile("x=1:2:99999999999")


def test_an_input_without_a_rank_is_refused(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3)))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match=r"m\.onnx: input x has no number of dimensions: export it with"):
        source_of(tmp_path / "m.onnx")


def test_profiles_that_fit() -> None:
    check_profiles(MODEL, INPUTS, ((X, MASK),))
    scale = ShapeRange(input="scale", min_shape=(1,), opt_shape=(1,), max_shape=(1,))
    check_profiles(MODEL, INPUTS, ((X, MASK, scale), (MASK, X)))
    check_profiles(MODEL, {"x": (8, 3)}, ())
    check_profiles(MODEL, {}, ())


@pytest.mark.parametrize(
    ("inputs", "profiles", "message"),
    [
        ({"x": (8, 3)}, ((X,),), "--profile has no effect on m.onnx, which has no dynamic input; remove it"),
        (
            {"x": ("batch", 3)},
            (),
            "m.onnx has dynamic inputs, x [batch, 3]: give their shapes by trtbench build models/m.onnx "
            "--profile x=1x3:8x3:64x3 (MIN:OPT:MAX) and name the engine that it prints, or export it with "
            "static ones",
        ),
        (
            {"x": ("N", 3, "height", "?"), "y": (4,), "mask": ("N", 5)},
            (),
            "m.onnx has dynamic inputs, x [N, 3, height, ?], mask [N, 5]: give their shapes by trtbench "
            "build models/m.onnx --profile x=1x3xheightx?:8x3xheightx?:64x3xheightx?,mask=1x5:8x5:64x5 "
            "(MIN:OPT:MAX) and name the engine that it prints, or export it with static ones",
        ),
        (
            INPUTS,
            ((X, MASK), (X,)),
            "--profile x=1x3:8x3:64x3: no range for mask [batch, 5], a dynamic input of m.onnx",
        ),
        (
            INPUTS,
            ((X, MASK.model_copy(update={"input": "maks"})),),
            "--profile x=1x3:8x3:64x3,maks=1x5:8x5:64x5: m.onnx has no input maks, only x, mask, scale",
        ),
        (
            INPUTS,
            ((X, MASK.model_copy(update={"opt_shape": (8, 4)})),),
            "--profile x=1x3:8x3:64x3,mask=1x5:8x4:64x5: 8x4 does not fit mask [batch, 5]",
        ),
        (
            INPUTS,
            ((X, MASK.model_copy(update={"max_shape": (8,)})),),
            "--profile x=1x3:8x3:64x3,mask=1x5:8x5:8: 8 does not fit mask [batch, 5]",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_one_line(
    inputs: dict[str, tuple[int | str, ...]], profiles: tuple[tuple[ShapeRange, ...], ...], message: str
) -> None:
    with pytest.raises(SpecError) as refused:
        check_profiles(MODEL, inputs, profiles)
    assert str(refused.value) == message


def test_the_inputs_of_a_file_are_those_without_a_value(tmp_path: Path) -> None:
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT16, ("batch", 3)),
        helper.make_tensor_value_info("nameless", TensorProto.FLOAT16, (None, 3)),
        helper.make_tensor_value_info("minus", TensorProto.FLOAT16, (-1, 3)),
        helper.make_tensor_value_info("scalar", TensorProto.FLOAT16, ()),
        helper.make_tensor_value_info("w", TensorProto.FLOAT16, (3, 3)),
    ]
    weight = helper.make_tensor("w", TensorProto.FLOAT16, (3, 3), [1.0] * 9)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ("batch", 3))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", inputs, [output], [weight]
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph), path)
    assert source_of(path).inputs == {
        "x": ("batch", 3),
        "nameless": ("?", 3),
        "minus": ("?", 3),
        "scalar": (),
    }
