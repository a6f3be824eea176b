import gc
import re
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.build.readers.log import read_compiled_layers, read_memory, read_peak_rss
from trtbench.errors import BuildError
from trtbench.host.last_words import last_words
from trtbench.results import UNKNOWN_LAYER, CompiledLayer, LayerTensor
from trtbench.results.artifacts import EngineMemory

DATA = Path(__file__).parents[1] / "data"
COMPILED = sorted(path.name for path in DATA.glob("build-*-sm1*.log"))
FP16 = DATA / "build-1.7.1-fp16-sm120.log"


@pytest.mark.parametrize("name", COMPILED)
def test_reads_all_of_a_real_log(name: str) -> None:
    text = (DATA / name).read_bytes().decode()
    section = text.split("Layers:\n")[1].split("\n\nI/O Tensors:")[0]
    layers = read_compiled_layers(DATA / name)
    assert [layer.name for layer in layers] == re.findall(r"^Name: (\S+), LayerType", section, re.MULTILINE)
    tensors = [tensor for layer in layers for tensor in (*layer.inputs, *layer.constants, *layer.outputs)]
    assert [tensor.dtype for tensor in tensors] == re.findall(r"Datatype: (\w+),", section)
    assert sum(len(layer.onnx_nodes) for layer in layers) == section.count("[ONNX Layer: ")
    assert sum(len(layer.onnx_nodes) > 1 for layer in layers) == len(re.findall(r"\]\x1f.*$", section, re.M))


def test_real_logs_of_every_precision_are_there() -> None:
    assert len(COMPILED) == 6


def test_reads_fused_attention() -> None:
    (attention,) = (layer for layer in read_compiled_layers(FP16) if "mha" in layer.name)
    assert attention.name == "_gemm_mha_v2_myl0_7"
    assert attention.layer_type == "kgen"
    assert attention.tactic_name.startswith("_gemm_mha_v2_0x")
    assert attention.stream_id == 0
    assert attention.constants == ()
    assert attention.onnx_nodes == (
        "/blocks/blocks.0/attn/MatMul_1",
        "/blocks/blocks.0/attn/Softmax",
        "/blocks/blocks.0/attn/MatMul",
    )
    assert attention.inputs[1].dimensions == (12, 64, 197)
    assert attention.inputs[1].strides == (64, 1, 768)
    assert attention.inputs[1].format == "(Arbitrary) Format with stride order = [1,0,2]"
    assert attention.outputs[0].dtype == "Half"


def test_reads_fp4_and_its_scales() -> None:
    layers = read_compiled_layers(DATA / "build-1.7.1-nvfp4-sm120.log")
    fp4 = next(layer for layer in layers if layer.layer_type == "gemm" and layer.inputs[0].dtype == "FP4E2M1")
    assert {"FP4E2M1", "FP8", "Float"} <= {tensor.dtype for tensor in (*fp4.inputs, *fp4.constants)}


def test_reads_layers_that_only_synchronise_streams() -> None:
    layers = read_compiled_layers(DATA / "build-1.7.1-fp8-sm89-sm120.log")
    assert {layer.stream_id for layer in layers} == {0, 1, 2}
    wait = next(layer for layer in layers if layer.layer_type == "wait")
    assert (wait.tactic_name, wait.onnx_nodes) == ("", ())


def test_reads_branches_which_have_further_attributes() -> None:
    layers = read_compiled_layers(DATA / "build-1.7.1-control-flow-sm120.log")
    assert [layer.layer_type for layer in layers] == ["memset", "copy", "cjmp", "kgen", "jmp", "kgen", "jmp"]
    assert layers[2].outputs == ()
    assert layers[3].onnx_nodes == ("if", "ad | t (then_branch) | if (If)")


def _render_tensor(tensor: LayerTensor) -> str:
    def integers(values: tuple[int, ...]) -> str:
        return f"[{','.join(map(str, values))}]"

    order = integers(tuple(range(len(tensor.dimensions)))[::-1])
    return (
        f"{{ Name: {tensor.name}, Dimensions: {integers(tensor.dimensions)}, "
        f"Strides: {integers(tensor.strides)}, StrideOrder: {order}, Datatype: {tensor.dtype}, "
        f"Format: {tensor.format} }}"
    )


def _render_tensors(tensors: tuple[LayerTensor, ...]) -> str:
    return f"[ {', '.join(map(_render_tensor, tensors))}]" if tensors else "[]"


def _render_layer(layer: CompiledLayer) -> str:
    nodes = "\x1f".join(f"[ONNX Layer: {node}]" for node in layer.onnx_nodes)
    return (
        f"Name: {layer.name}, LayerType: {layer.layer_type}, Inputs: {_render_tensors(layer.inputs)}, "
        f"Constants: {_render_tensors(layer.constants)}, Outputs: {_render_tensors(layer.outputs)}, "
        f"TacticName: {layer.tactic_name}, StreamId: {layer.stream_id}, Metadata: {nodes}"
    )


def _render_log(layers: list[CompiledLayer]) -> str:
    lines = "".join(f"{_render_layer(layer)}\n" for layer in layers)
    return f"[INFO] before\n[VERBOSE] Layers:\n{lines}\nI/O Tensors:\n Name: x, IOMode: Input\n[INFO] after\n"


# Names come from ONNX files: any text, here of pieces that look like the format itself.
names = st.lists(
    st.sampled_from(
        [
            *string.ascii_lowercase,
            *"/_.+:,=|()[]{} ü\r\t",
            " }",
            "[1,2]",
            "Name: ",
            "\nx",
            ", Dimensions: [1]",
            ", LayerType: gemm",
            ", Metadata: ",
            "[Layer: a]",
            "], [",
            "{ ",
            "Inputs: []",
            ", StreamId: ",
        ]
    ),
    max_size=12,
).map("".join)
numbers = st.lists(st.integers(-1, 2**40), max_size=5).map(tuple)
tensors = st.builds(
    LayerTensor,
    name=names,
    dimensions=numbers,
    strides=numbers,
    dtype=st.sampled_from(["Half", "Float", "FP8", "FP4E2M1", "FP8UE8M0", "BFloat16", "Int64", "Bool"]),
    format=st.sampled_from(
        [
            "(Linear) Row major linear format",
            "(Arbitrary) Format with stride order = [5,3,0,4,1,2]",
            "(NHWC) Channel major format",
        ]
    ),
)
tensor_tuples = st.lists(tensors, max_size=3).map(tuple)
compiled_layers = st.builds(
    CompiledLayer,
    name=names,
    layer_type=st.sampled_from(["gemm", "kgen", "runtime_fusion", "signal"]),
    tactic_name=st.sampled_from(["", "__myelin_CASK_STUB", "__myl_Add_0x52de74f4b3ef8f06"]),
    stream_id=st.integers(-1, 7),
    inputs=tensor_tuples,
    constants=tensor_tuples,
    outputs=tensor_tuples,
    onnx_nodes=st.lists(names, max_size=3).map(tuple),
)


@given(st.lists(compiled_layers, max_size=4))
def test_what_is_rendered_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, layers: list[CompiledLayer]
) -> None:
    log_path = tmp_path_factory.getbasetemp() / "rendered.log"
    log_path.write_bytes(_render_log(layers).encode())
    assert read_compiled_layers(log_path) == tuple(layers)


def _counts(layer: CompiledLayer) -> tuple[int, ...]:
    return len(layer.inputs), len(layer.constants), len(layer.outputs)


@given(st.integers(0, 10**6), st.text(st.characters(codec="ascii"), min_size=1, max_size=3))
def test_a_damaged_layer_keeps_its_tensors_or_is_of_unknown_type(
    tmp_path_factory: pytest.TempPathFactory, position: int, junk: str
) -> None:
    text = FP16.read_bytes().decode()
    start, end = text.index("Layers:\n") + 8, text.index("\n\nI/O Tensors:")
    cut = start + position % (end - start)
    log_path = tmp_path_factory.getbasetemp() / "damaged.log"
    log_path.write_bytes((text[:cut] + junk + text[cut + len(junk) :]).encode())
    try:
        layers = read_compiled_layers(log_path)
    except BuildError:  # the list has no end
        return
    whole = read_compiled_layers(FP16)
    if len(layers) != len(whole):
        assert UNKNOWN_LAYER in {layer.layer_type for layer in layers}
        return
    for layer, intact in zip(layers, whole, strict=True):
        assert layer.layer_type == UNKNOWN_LAYER or _counts(layer) == _counts(intact)


SHAPE_COPY = (
    "Name: [ShapeHostToDeviceCopy 0], LayerType: ShapeHostToDevice, Inputs: [], Outputs: [ { Name: anchors, "
    "Location: Device, Dimensions: [6], Datatype: Int64, Format: Format not available due to dynamic shapes "
    "}], ParameterType: ShapeH2D, shapeValues0: [0, 1, 2, 3, 4, 5], TacticValue: 0x0000000000000000, "
    "StreamId: 0, Metadata: "
)


@pytest.mark.parametrize(
    ("line", "name"),
    [(SHAPE_COPY, "[ShapeHostToDeviceCopy 0]"), ("Name: of another form", "Name: of another form")],
)
def test_a_line_of_another_form_is_a_layer_of_unknown_type(line: str, name: str, tmp_path: Path) -> None:
    """The first is a line of TensorRT-RTX 1.7.1, of a model with a constant output."""
    log_path = tmp_path / "build.log"
    log_path.write_bytes(FP16.read_bytes().replace(b"Layers:\n", f"Layers:\n{line}\n".encode(), 1))
    first, *others = read_compiled_layers(log_path)
    assert first == CompiledLayer.unread(name)
    assert tuple(others) == read_compiled_layers(FP16)


@pytest.mark.parametrize("alter", [lambda m: m.replace("[ONNX Layer: ", "[Torch Layer: "), lambda m: m[:-1]])
def test_a_layer_with_metadata_of_another_kind_is_of_unknown_type(tmp_path: Path, alter: object) -> None:
    log_path = tmp_path / "build.log"
    text = FP16.read_bytes().decode()
    log_path.write_bytes(re.sub(r"(?<=Metadata: ).+", lambda m: alter(m[0]), text, count=1).encode())
    assert [layer.layer_type for layer in read_compiled_layers(log_path)].count(UNKNOWN_LAYER) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[INFO] Engine generation completed\n", 0),
        ("[VERBOSE] Layers:\nName: a, LayerType: ge", 0),
        ("[VERBOSE] Layers:\n\nI/O Tensors:\n" * 2, 2),
    ],
)
def test_an_incomplete_list_is_an_error(tmp_path: Path, text: str, found: int) -> None:
    log_path = tmp_path / "build.log"
    log_path.write_text(text)
    with pytest.raises(BuildError, match=f"found {found}"):
        read_compiled_layers(log_path)


def test_reading_takes_time_in_proportion_to_the_layers(tmp_path: Path) -> None:
    few, many = (_log_of(tmp_path, copies) for copies in (13, 130))
    assert many.stat().st_size > 1.5e6
    # A reader that is quadratic takes 100 times as long for ten times the layers.
    assert _reading_s(many) < 30 * _reading_s(few)
    assert len(read_compiled_layers(many)) == 130 * 15


def _log_of(tmp_path: Path, copies: int) -> Path:
    """A log with the layers of a real one, many times over."""
    text = FP16.read_bytes().decode()
    head, _, rest = text.partition("Layers:\n")
    layers, _, tail = rest.partition("\n\nI/O Tensors:")
    log_path = tmp_path / f"build-{copies}.log"
    many = "\n".join([layers] * copies)
    log_path.write_bytes(f"{head}Layers:\n{many}\n\nI/O Tensors:{tail}".encode())
    return log_path


def _reading_s(log_path: Path) -> float:
    """Least CPU time of several readings: other work on the machine only ever adds to it."""
    times_s = []
    gc.disable()  # it would walk all that the other tests have left in this process
    try:
        for _ in range(5):
            started_s = time.process_time()
            read_compiled_layers(log_path)
            times_s.append(time.process_time() - started_s)
    finally:
        gc.enable()
    return min(times_s)


def test_reads_memory() -> None:
    assert read_memory(FP16) == EngineMemory(10_104_832, 17_682_176, 10_104_832)


def test_memory_missing_from_the_log_is_unknown() -> None:
    refused = DATA / "build-1.7.1-nvfp4-sm89-refused.log"
    assert read_memory(refused) == EngineMemory(None, None, None)
    with pytest.raises(BuildError, match="has no line 'Peak resident memory'"):
        read_peak_rss(refused)


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot read the build log"):
        read_memory(tmp_path / "build.log")


def test_last_words_are_the_last_error() -> None:
    refused = last_words(DATA / "build-1.7.1-nvfp4-sm89-refused.log")
    assert "Cannot compile for target(s) sm89, because the model contains HW-specific datatypes" in refused
    unknown = last_words(DATA / "build-1.7.1-unknown-operator.log")
    assert unknown.startswith("In node 0 with name: bad node and operator: NoSuchOp")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", ""),
        ("[VERBOSE] one\n[INFO] two\nterminate called\n", "two terminate called"),
        ("[ERROR] first\n[ERROR] second,\n  in two lines\n[INFO] later\n", "second, in two lines"),
        ("[ERROR] bad index\n[ERROR] [checkMacros.cpp::catchCudaError::250] cudaError 35\n", "bad index"),
        (
            "[ERROR] [checkMacros.cpp::catchCudaError::250] cudaError 2\n",
            "[checkMacros.cpp::catchCudaError::250] cudaError 2",
        ),
        (
            "[ERROR] In node 0: Invalid Node\nShape Error (2 to 3)\n[checkMacros.cpp::catchCudaError::250] "
            "Error Code 1: Cuda Runtime (cudaError 35: CUDA driver version is insufficient)\n",
            "In node 0: Invalid Node Shape Error (2 to 3)",
        ),
        (
            "[ERROR] first\n[ERROR] [checkMacros.cpp::catchCudaError::250] (cudaError 2: out of memory)\n",
            "[checkMacros.cpp::catchCudaError::250] (cudaError 2: out of memory)",
        ),
        ("[INTERNAL_ERROR] gone\n[VERBOSE] later\n", "gone"),
        (
            "Traceback (most recent call last):\nImportError: no\n",
            "Traceback (most recent call last): ImportError: no",
        ),
        ("[ERROR] " + "x" * 5000 + " end\n", "..." + "x" * 596 + " end"),
    ],
)
def test_last_words_of(tmp_path: Path, log: str, words: str) -> None:
    log_path = tmp_path / "build.log"
    log_path.write_text(log)
    assert last_words(log_path) == words
