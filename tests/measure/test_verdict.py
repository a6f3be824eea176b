import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.measure.run import run_id
from trtbench.measure.verdict import decide
from trtbench.results import ArmFacts, Measurement, RunRecord, Statistic, TelemetrySummary, Verdict
from trtbench.specs import ArmSpec, BenchSpec, CheckpointSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.stats import BlockSamples, Ratio, speedup

FACTS = ArmFacts(
    runtime_version="1.7.1",
    main_series="gpu_compute_ms",
    inputs=(),
    outputs=(),
    cuda_graph="captured",
    graph_kernels=143,
    output_sample=(),
    device_memory_bytes=None,
    load_s=1.0,
    pid=1,
)
STATISTIC = Statistic(samples=9, median=1, ci95=(1, 1), mean=1, minimum=1, p90=1, p99=1, maximum=1)
FASTER = Ratio(1.05, (1.04, 1.06), (1.035, 1.065), "process")
SLOWER = Ratio(1 / 1.05, (1 / 1.06, 1 / 1.04), (1 / 1.065, 1 / 1.035), "process")


def arm_spec(label: str, runtime: str = "tensorrt_rtx", model: ModelSpec | None = None) -> ArmSpec:
    export = ExportSpec(model=model or ModelSpec(), recipe=parse_recipe(label), batch=1)
    return ArmSpec(
        label=label,
        runtime=runtime,
        recipe=parse_recipe(label),
        export=export,
        artifact="model.engine",
        artifact_sha256=label,
    )


def telemetry(clock_mhz: float | None, throttled_share: float = 0.0) -> TelemetrySummary:
    return TelemetrySummary(
        sm_clock_mhz=clock_mhz,
        power_w=266,
        temperature_c=50,
        energy_per_image_j=None,
        throttle_us={"sw_power_cap": round(1e7 * throttled_share), "sync_boost": 0},
        throttled_share=throttled_share,
    )


def measurement(label: str, **changed: object) -> Measurement:
    fields = {
        "arm": arm_spec(label),
        "status": "ok",
        "gpu": "NVIDIA H200",
        "protocol": BenchSpec(),
        "batch": 1,
        "facts": FACTS,
        "series": {"gpu_compute_ms": STATISTIC},
        "queries_per_s": 1000.0,
        "images_per_s": 1000.0,
        "processes": 3,
        "blocks": 12,
        "telemetry": telemetry(1980),
        "raw": "blocks.jsonl",
    }
    return Measurement.model_validate({**fields, **changed})


BASELINE, ARM = measurement("fp16"), measurement("nvfp4")


@pytest.mark.parametrize(
    ("ratio", "word", "numbers"),
    [
        (FASTER, "FASTER", ["1.0500x", "97.5% interval 1.0350 to 1.0650 excludes 1"]),
        (SLOWER, "SLOWER", ["0.9524x", "excludes 1"]),
        (
            Ratio(1.001, (0.998, 1.004), (0.99, 1.01), "process"),
            "SAME",
            ["0.9980 to 1.0040", "0.5%"],
        ),
        # Certain, and too small to matter.
        (Ratio(1.002, (1.001, 1.003), (1.0005, 1.0035), "process"), "SAME", ["within"]),
        (Ratio(1.004, (1.002, 1.006), (1.001, 1.007), "process"), "FASTER", ["1.0010 to 1.0070"]),
        # The 95 % interval excludes 1, the one that decides does not.
        (
            Ratio(1.02, (1.001, 1.04), (0.999, 1.05), "process"),
            "AMBIGUOUS",
            ["0.9990 to 1.0500", "processes"],
        ),
        (Ratio(1.0, (0.99, 1.01), (0.98, 1.02), "process"), "AMBIGUOUS", ["0.9900 to 1.0100"]),
    ],
)
def test_words_by_the_times_alone(ratio: Ratio, word: str, numbers: list[str]) -> None:
    verdict = decide(BASELINE, ARM, ratio)
    assert (verdict.baseline, verdict.arm, verdict.verdict) == ("fp16", "nvfp4", word)
    assert (verdict.ratio, verdict.ci95, verdict.series) == (ratio.value, ratio.ci95, "gpu_compute_ms")
    assert "\n" not in verdict.reason
    for number in numbers:
        assert number in verdict.reason


def test_the_margin_is_a_parameter() -> None:
    assert decide(BASELINE, ARM, FASTER, margin=0.1).verdict == "SAME"
    tiny = Ratio(1.002, (1.001, 1.003), (1.0005, 1.0035), "process")
    assert decide(BASELINE, ARM, tiny, margin=0.001).verdict == "FASTER"


SWAPPED = {"FASTER": "SLOWER", "SLOWER": "FASTER"}
arms = st.lists(st.floats(0.9, 1.1), min_size=3, max_size=5).map(
    lambda times: [BlockSamples(0, process, 0, (time_ms,)) for process, time_ms in enumerate(times)]
)


@given(arms, arms, st.sampled_from([1905.0, 1980.0]), st.sampled_from([0.0, 0.5]), st.floats(1e-3, 0.2))
def test_swapped_arms_swap_the_word(
    baseline: list[BlockSamples], arm: list[BlockSamples], clock_mhz: float, throttled: float, margin: float
) -> None:
    first, second = BASELINE, measurement("nvfp4", telemetry=telemetry(clock_mhz, throttled))
    word = decide(first, second, speedup(baseline, arm), margin).verdict
    swapped = decide(second, first, speedup(arm, baseline), margin).verdict
    assert swapped == SWAPPED.get(word, word)


def incomparable(baseline: Measurement, arm: Measurement, ratio: Ratio | None = FASTER) -> str:
    verdict = decide(baseline, arm, ratio)
    assert verdict.verdict == "INCOMPARABLE"
    assert (verdict.ratio, verdict.ci95, verdict.series) == (None, None, None)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    return verdict.reason


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"gpu": "NVIDIA B200"}, ["gpu", "NVIDIA H200", "NVIDIA B200"]),
        ({"gpu": None}, ["gpu", "NVIDIA H200", "None"]),
        ({"batch": 64}, ["batch", "1 and 64"]),
        ({"protocol": BenchSpec(l2="flushed")}, ["protocol l2", "warm and flushed"]),
        ({"protocol": BenchSpec(duration_s=3)}, ["protocol duration_s", "10.0 and 3.0"]),
        ({"status": "failed", "reason": "out of GPU memory"}, ["nvfp4 failed", "out of GPU memory"]),
        ({"facts": None}, ["nvfp4 has no samples"]),
        ({"series": {}}, ["nvfp4 has no samples"]),
        (
            {
                "facts": FACTS.model_copy(update={"main_series": "host_wall_ms"}),
                "series": {"host_wall_ms": STATISTIC},
            },
            ["main series", "gpu_compute_ms and host_wall_ms"],
        ),
        ({"facts": FACTS.model_copy(update={"cuda_graph": "none"})}, ["CUDA graph", "captured and none"]),
        ({"arm": arm_spec("nvfp4", model=ModelSpec(img_size=384))}, ["model img_size", "None and 384"]),
    ],
)
def test_what_is_not_under_test_must_be_equal(changed: dict[str, object], words: list[str]) -> None:
    other = measurement("nvfp4", **changed)
    for word in words:
        assert word in incomparable(BASELINE, other)
    incomparable(other, BASELINE)


def test_a_failed_baseline_is_reported_without_the_reason_of_its_row() -> None:
    failed = measurement("fp16", status="failed", reason="out of GPU memory")
    assert incomparable(failed, ARM) == "the baseline fp16 failed"


def test_no_samples_no_verdict() -> None:
    assert incomparable(BASELINE, ARM, ratio=None) == "no samples to compare"


def test_the_seed_and_what_is_under_test_may_differ() -> None:
    other = measurement(
        "nvfp4",
        arm=arm_spec("nvfp4", "torch-compile"),
        protocol=BenchSpec(seed=7),
        facts=FACTS.model_copy(update={"runtime_version": "2.11", "cuda_graph": "runtime"}),
    )
    verdict = decide(BASELINE, other, FASTER)
    assert verdict.verdict == "FASTER"
    assert "CUDA graph: captured and runtime, as the runtimes differ" in verdict.reason


def at(path: str, sha256: str = "ab" * 32) -> ArmSpec:
    """An arm whose checkpoint lies at ``path``."""
    return arm_spec("fp16", model=ModelSpec(checkpoint=CheckpointSpec(path=path, sha256=sha256)))


def test_a_checkpoint_is_known_by_its_content() -> None:
    here, there = (BASELINE.model_copy(update={"arm": at(path)}) for path in ("a.safetensors", "b/a.bin"))
    assert decide(here, there, FASTER).verdict == "FASTER"
    other = BASELINE.model_copy(update={"arm": at("a.safetensors", "cd" * 32)})
    assert "model checkpoint differs" in incomparable(here, other)
    first, second = (
        RunRecord(purpose="measure", arms=(each.arm,), protocol=BenchSpec(), machine={})
        for each in (here, there)
    )
    assert run_id(first) == run_id(second)


def test_a_difference_must_hold_in_clock_cycles() -> None:
    # 5 % less time at a 5 % higher clock: as many cycles.
    verdict = decide(measurement("fp16", telemetry=telemetry(1886)), ARM, FASTER)
    assert verdict.verdict == "AMBIGUOUS"
    assert "FASTER by time alone" in verdict.reason
    assert "not in clock cycles" in verdict.reason
    assert "in clock cycles 1.0002x" in verdict.reason
    assert "SM clocks 1886 and 1980 MHz" in verdict.reason
    # The other side of 1, and as certain.
    assert decide(measurement("fp16", telemetry=telemetry(1700)), ARM, FASTER).verdict == "AMBIGUOUS"


def test_more_time_at_a_lower_clock_may_be_as_many_cycles() -> None:
    # 5 % more time at 1980 MHz than at 2079: as many cycles.
    for clock_mhz, word in ((2079, "AMBIGUOUS"), (1980, "SLOWER"), (1965, "SLOWER")):
        verdict = decide(measurement("fp16", telemetry=telemetry(clock_mhz)), ARM, SLOWER)
        assert verdict.verdict == word, verdict.reason


def test_a_difference_that_holds_in_clock_cycles_stands() -> None:
    for clock_mhz in (1965, 1995):
        verdict = decide(measurement("fp16", telemetry=telemetry(clock_mhz)), ARM, FASTER)
        assert verdict.verdict == "FASTER"
        assert f"SM clocks {clock_mhz} and 1980 MHz" in verdict.reason


@pytest.mark.parametrize("unknown", [None, telemetry(None), telemetry(0)])
def test_unknown_clocks_are_reported(unknown: TelemetrySummary | None) -> None:
    verdict = decide(BASELINE, measurement("nvfp4", telemetry=unknown), FASTER)
    assert verdict.verdict == "FASTER"
    assert "SM clocks are not known" in verdict.reason
    on_cpu = {"gpu": None, "telemetry": None}
    assert "clock" not in decide(measurement("fp16", **on_cpu), measurement("int8", **on_cpu), FASTER).reason


def test_throttling_is_reported() -> None:
    alike = [
        measurement(name, telemetry=telemetry(1800, share))
        for name, share in (("fp16", 0.6), ("nvfp4", 0.55))
    ]
    verdict = decide(*alike, FASTER)
    assert verdict.verdict == "FASTER"
    assert "throttled for 60.0% (sw_power_cap) and 55.0% (sw_power_cap) of the time" in verdict.reason


@pytest.mark.parametrize("ratio", [FASTER, SLOWER, Ratio(1.0, (0.999, 1.001), (0.998, 1.002), "process")])
def test_unequal_throttling_leaves_nothing_certain(ratio: Ratio) -> None:
    capped = measurement("fp16", telemetry=telemetry(1980, 0.6))
    verdict = decide(capped, ARM, ratio)
    assert verdict.verdict == "AMBIGUOUS"
    assert "throttled for very different shares of the time" in verdict.reason
    assert "60.0% (sw_power_cap) and 0.0%" in verdict.reason


def test_unequal_throttling_does_not_matter_to_what_holds_in_clock_cycles() -> None:
    capped = measurement("fp16", telemetry=telemetry(1900, 0.6))
    twice = Ratio(2.0, (1.98, 2.02), (1.97, 2.03), "process")
    verdict = decide(capped, ARM, twice)
    assert verdict.verdict == "FASTER"
    assert "in clock cycles 1.9192x" in verdict.reason
    assert "60.0% (sw_power_cap)" in verdict.reason


@pytest.mark.parametrize("blocks", [1, 5])
def test_one_process_is_reported_and_finds_only_large_differences(blocks: int) -> None:
    def one_process(time_ms: float) -> list[BlockSamples]:
        return [BlockSamples(0, 0, block, (time_ms, time_ms * 1.001)) for block in range(blocks)]

    small = decide(BASELINE, ARM, speedup(one_process(1.05), one_process(1.0)))
    assert small.verdict == "AMBIGUOUS"
    assert "one process, so the intervals are widened by 10%" in small.reason
    assert decide(BASELINE, ARM, speedup(one_process(1.5), one_process(1.0))).verdict == "FASTER"
    assert decide(BASELINE, ARM, speedup(one_process(1.0), one_process(1.0))).verdict == "AMBIGUOUS"


def test_arms_that_differ_by_far_less_than_the_margin_are_the_same() -> None:
    arm = [BlockSamples(0, process, 0, (1 + process * 1e-4,)) for process in range(3)]
    assert decide(BASELINE, ARM, speedup(arm, arm[::-1])).verdict == "SAME"
