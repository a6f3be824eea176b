"""Predictions of engines that the real compiler made."""

import json
from itertools import pairwise

import pytest
from support.audits import GOLDEN, audit_of

from trtbench.audit import audit_engine, audit_onnx
from trtbench.build.readers.inspector import read_inspector
from trtbench.errors import SpecError
from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu
from trtbench.predict.residency import dram_traffic
from trtbench.predict.work import work_of
from trtbench.results import AuditedLayer, CompiledEngine, LayerTensor

FP16, NVFP4, FP8 = audit_of("fp16"), audit_of("nvfp4@stock"), audit_of("fp8@stock")


def tensor(name, elements, dtype="Half"):
    return LayerTensor(name=name, dimensions=(elements,), strides=(1,), dtype=dtype, format="row major")


def layer(inputs=(), outputs=(), **changes):
    facts = {"name": "layer", "role": "other", "op": "pointwise", "block": None}
    facts |= {"precision_in": "fp16", "precision_out": "fp16", **changes}
    return AuditedLayer(inputs=inputs, outputs=outputs, **facts)


def chain(*sizes):
    """Kernels in a row, each reading what the one before it wrote."""
    names = [tensor(f"t{index}", size // 2) for index, size in enumerate(sizes)]
    return tuple(layer((a,), (b,)) for a, b in pairwise(names))


@pytest.mark.parametrize("audit", [FP16, NVFP4, FP8], ids=["fp16", "nvfp4", "fp8"])
def test_sums_of_layers_roles_and_kernels_agree(audit):
    prediction = predict_engine(audit, find_gpu("rtx-pro-6000"), 8)
    assert [each.name for each in prediction.layers] == [each.name for each in audit.layers]
    total = prediction.gpu_compute_ms
    assert sum(each.predicted_ms for each in prediction.layers) == pytest.approx(total)
    assert sum(prediction.by_role_ms.values()) == pytest.approx(total)
    assert sum(prediction.by_kernel_ms.values()) == pytest.approx(total)
    assert sum(group.predicted_ms for group in prediction.groups.values()) == pytest.approx(total)
    assert prediction.images_per_s == pytest.approx(8e3 / total)
    assert prediction.interval_ms[0] < total < prediction.interval_ms[1]
    assert prediction.error_pct >= 100 * (1 - prediction.interval_ms[0] / total)


def test_it_is_labelled_as_predicted_and_names_its_sources():
    prediction = predict_engine(NVFP4, find_gpu("5090"), 8)
    assert prediction.kind == "prediction"
    assert prediction.level == "unmeasured"
    assert "aiconfigurator-core 0.12.0" in prediction.source
    assert (prediction.calibrated_on, prediction.groups["gemm fp4"].rates) == ("rtx-pro-6000-se", "fp4")
    assert any("GeForce RTX 5090" in each for each in prediction.assumptions)
    assert type(prediction).model_validate_json(prediction.model_dump_json()) == prediction


def test_a_slower_clock_takes_longer():
    fast, slow = (predict_engine(FP16, find_gpu("h200", clock), 8) for clock in (1800, 900))
    assert fast.gpu_compute_ms < slow.gpu_compute_ms < 2 * fast.gpu_compute_ms


def test_an_accumulator_in_fp16_is_read_from_the_name_of_the_tactic():
    gpu = find_gpu("5090")
    product = layer((tensor("a", 64),), (tensor("c", 64),), op="gemm", m=8, n=8, k=8)
    half = product.model_copy(update={"tactic_name": "sm80_xmma_gemm_f16f16_f16f16_f16_tn_n"})
    assert work_of(half).peak(gpu) == 2 * work_of(product).peak(gpu)


def test_operands_of_two_precisions_multiply_in_the_wider_one():
    product = layer(
        (tensor("a", 64),), (tensor("c", 64),), op="gemm", precision_in="fp16 x fp4", m=8, n=8, k=8
    )
    assert work_of(product).precision == "fp16"


def test_attention_is_read_from_its_result_and_its_flops():
    out = LayerTensor(name="o", dimensions=(24, 197, 64), strides=(1, 1, 1), dtype="Half", format="")
    work = work_of(layer((), (out,), op="attention", flops=4 * 24 * 197 * 197 * 64))
    assert work.sizes == (24, 197, 197, 64)
    packed = out.model_copy(update={"dimensions": (8, 197, 192)})
    assert work_of(layer((), (packed,), op="attention", flops=4 * 24 * 197 * 197 * 64)).sizes == (
        24,
        197,
        197,
        64,
    )


@pytest.mark.parametrize(
    ("name", "op", "elements"),
    [
        ("__myl_AddDivCastErfCastAddMulMulAbsMaxrMulCast_myl0_81", "quantize", 4096),
        ("__myl_MulAddTanhMulCast_myl0_3", "gelu", 4096),
        ("__myl_MulReplDivCast_myl0_9", "gelu", 0),
        ("/blocks/blocks.0/mlp/act/Gelu", "gelu", 4096),
        ("/blocks/blocks.0/norm1", "norm", 0),
    ],
)
def test_whatever_takes_the_gelu_pays_for_its_arithmetic(name, op, elements):
    narrow = tensor("scales", 256, "FP8")
    assert work_of(layer((tensor("x", 4096),), (narrow,), name=name, op=op)).gelu_elements == elements


def test_fp8_attention_takes_the_bounds_of_unmeasured_kernels():
    prediction = predict_engine(FP8, find_gpu("rtx-pro-6000-se"), 8)
    assert not any("attention in fp8" in each for each in prediction.assumptions)
    quantised = NVFP4.model_copy(
        update={
            "layers": tuple(
                each.model_copy(update={"precision_in": "fp8"}) if each.op == "attention" else each
                for each in NVFP4.layers
            )
        }
    )
    prediction = predict_engine(quantised, find_gpu("rtx-pro-6000-se"), 8)
    assert any("attention in fp8" in each for each in prediction.assumptions)


def test_the_inspector_of_tensorrt_gives_what_the_log_of_tensorrt_rtx_gives(tmp_path):
    log = CompiledEngine.model_validate_json((GOLDEN / "nvfp4_stock.layers.json").read_bytes())
    path = tmp_path / "layers.json"
    path.write_text(json.dumps({"Layers": [inspected(each) for each in log.layers]}))
    audit = audit_engine(GOLDEN / "nvfp4_stock.onnx", read_inspector(path).layers, NVFP4.recipe, "trt", None)
    assert predict_engine(audit, find_gpu("rtx-pro-6000"), 8) == predict_engine(
        NVFP4, find_gpu("rtx-pro-6000"), 8
    )


def inspected(layer):
    """A layer as the engine inspector of TensorRT 11 writes it."""

    def tensors(found):
        return [
            {"Name": t.name, "Dimensions": t.dimensions, "DataType": t.dtype, "Format": t.format}
            for t in found
        ]

    return {
        "Name": layer.name,
        "LayerType": layer.layer_type,
        "Inputs": tensors(layer.inputs),
        "Constants": tensors(layer.constants),
        "Outputs": tensors(layer.outputs),
        "TacticName": layer.tactic_name,
        "StreamId": layer.stream_id,
        "Metadata": "\x1f".join(f"[ONNX Layer: {node}]" for node in layer.onnx_nodes),
    }


def test_layers_for_another_target_are_an_assumption():
    def assumed(*targets):
        audit = FP16.model_copy(update={"targets": targets})
        return [line for line in predict_engine(audit, find_gpu("h200"), 8).assumptions if "layers" in line]

    assert assumed("sm89", "sm120") == ["layers as compiled for sm89, sm120, not for sm90"]
    assert assumed("sm90") == assumed() == []


def test_what_is_read_at_once_stays_in_l2_and_a_long_way_back_does_not():
    def missed(distance):
        return (distance > 1000) * 1.0

    assert [*dram_traffic(chain(100, 100, 100, 100), missed, 1000)] == [0.0, 0.0, 0.0]
    # The second kernel writes so much that its own input is gone, and its result before the third reads it.
    assert [*dram_traffic(chain(100, 100, 5000, 100), missed, 1000)] == [100 + 100, 100 + 5000, 5000]


def test_a_tensor_that_is_read_again_after_it_left_l2_was_written_by_the_kernel_that_made_it():
    def missed(distance):
        return (distance > 1000) * 1.0

    a, b, x = tensor("a", 50), tensor("b", 50), tensor("x", 50)
    large, later, end = tensor("large", 2500), tensor("later", 50), tensor("end", 50)
    layers = (
        layer((a,), (x,)),
        layer((x,), (b,)),  # reads x at once
        layer((b,), (large,)),
        layer((large, x), (later,)),
        layer((later,), (end,)),
    )
    assert dram_traffic(layers, missed, 1000)[0] == 100 + 100


def test_a_graph_alone_is_refused():
    with pytest.raises(SpecError, match="build it first"):
        predict_engine(audit_onnx(GOLDEN / "fp16.onnx"), find_gpu("h200"), 8)


@pytest.mark.parametrize(
    ("audit", "gpu", "batch", "reason"),
    [
        (FP16, "h200", 0, "batch 0"),
        (NVFP4, "l40s", 8, "L40S has no tensor cores for fp4"),
        (FP16, "thor", 8, "no prediction for Jetson Thor"),
    ],
)
def test_what_cannot_be_predicted_says_so_in_a_line(audit, gpu, batch, reason):
    with pytest.raises(SpecError, match=reason) as error:
        predict_engine(audit, find_gpu(gpu), batch)
    assert "\n" not in str(error.value)
