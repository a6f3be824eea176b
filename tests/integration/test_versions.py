"""Environments with the real compiler: another version in a venv of uv's, and a stand-in for docker.

Installing TensorRT-RTX 1.5.0.114 and onnxruntime takes the network, and uv.
"""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from support.docker_stand_in import DIGEST, IMAGE, put_on_path
from support.scripted import BENCH

from trtbench import audit
from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.build.choice import target_of_gpu
from trtbench.build.compiler import compiler_of
from trtbench.cli.options import (
    BenchOptions,
    BuildOptions,
    ModelOptions,
    NetworkOptions,
    OutputOptions,
    ShapeOptions,
)
from trtbench.cli.parse import export_specs
from trtbench.cli.versions import EnvironmentsRequest, compare_in_environments
from trtbench.compare.stored import compare_stored
from trtbench.compare.timed import Timing
from trtbench.compare.versions import Plan, compare_environments
from trtbench.diff import AuditedEngine, diff, diff_engines
from trtbench.environments import parse_environment, parse_environments, prepare
from trtbench.errors import BuildError, IncompatibleResults, SpecError
from trtbench.export import export
from trtbench.results import TimedBlock
from trtbench.results.versions import VersionComparison
from trtbench.specs import BuildSpec, canonical_hash
from trtbench.store.artifacts import Artifact, Store, load_artifact
from trtbench.store.journal import read_journal

OLD = "venv:tensorrt-rtx==1.5.0.114"
BROKEN = "venv:tensorrt-rtx==0.0.0.1"
TINY = ModelOptions(model="vit_tiny_patch16_224", overrides=["depth=1"], batch=8)
TIMING = Timing(BENCH, lambda progress: None)
PLAN = Plan(TIMING, {"tensorrt_rtx": BuildSpec(), "tensorrt": BuildSpec(backend="tensorrt")})
ON_CPU = Plan(TIMING, PLAN.by_backend, ("onnxruntime-cpu",))
NEW_ORT, OLD_ORT = "venv:onnxruntime==1.31.1", "venv:onnxruntime==1.22.1"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _use_cache(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def comparison(store, cache):
    """A tiny ViT in FP16 in 1.5.0.114, in the version that is installed here, and in a broken environment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        return compare_environments(
            export_specs(["fp16"], TINY),
            PLAN,
            parse_environments([OLD, "local", BROKEN]),
            store,
            lambda name, step: None,
        )


def test_each_environment_has_its_version(comparison):
    old, here, broken = comparison.environments
    assert old.contents is not None, old.reason
    assert old.contents.tensorrt_rtx == "1.5.0.114"
    assert here.contents.tensorrt_rtx != "1.5.0.114"
    assert old.findings == here.findings == ()
    assert broken.contents is None
    assert "tensorrt-rtx==0.0.0.1" in broken.reason


def test_one_file_through_both_versions(comparison):
    old, here, broken = comparison.rows
    assert [row.status for row in comparison.rows] == ["ok", "ok", "failed"], [
        r.reason for r in comparison.rows
    ]
    assert old.onnx_sha256 == here.onnx_sha256 == broken.onnx_sha256
    assert old.engine.backend_version == "1.5.0.114"
    assert old.engine.sha256 != here.engine.sha256
    assert old.compiled.gemm_kernels == here.compiled.gemm_kernels == 5
    assert old.compiled.weight_bytes > 0
    assert broken.reason == comparison.environments[2].reason


def test_the_manifest_has_the_version_of_the_environment(comparison):
    manifest = json.loads((Path(comparison.rows[0].engine.path).parent / "manifest.json").read_text())
    assert manifest["backend_version"] == "1.5.0.114"
    assert manifest["tool_versions"]["tensorrt_rtx"] == "1.5.0.114"
    assert 50e6 < manifest["peak_rss_bytes"] < 2e9


def test_engines_of_two_networks_are_refused(comparison):
    engine = load_artifact(Path(comparison.rows[0].engine.path))
    model = engine.manifest.export.model.model_copy(update={"overrides": (("depth", 2),)})
    other = engine.manifest.model_copy(
        update={"export": engine.manifest.export.model_copy(update={"model": model})}
    )
    found = inspect_engine(engine)
    with pytest.raises(IncompatibleResults, match=r"with depth=2, batch 8, 224 x 224 pixels: diff takes"):
        diff_engines(AuditedEngine(engine, found), AuditedEngine(Artifact(engine.directory, other), found))


@pytest.mark.parametrize("change", [{"img_size": 256}, {"batch": 4}])
def test_engines_of_two_image_sizes_or_batches_are_refused(comparison, store, change):
    onnx, _ = export(export_specs(["fp16"], dataclasses.replace(TINY, **change))[0], store)
    other, _ = build(onnx, BuildSpec(), store)
    with pytest.raises(IncompatibleResults) as caught:
        diff(Path(comparison.rows[1].engine.path), other.directory)
    network = "vit_tiny_patch16_224 with depth=1"
    changed = "batch 8, 256 x 256 pixels" if "img_size" in change else "batch 4, 224 x 224 pixels"
    assert f"{network}, batch 8, 224 x 224 pixels and {network}, {changed}: " in str(caught.value)


def test_every_engine_is_audited_once(comparison, store, monkeypatch):
    audited = []

    def audit_engine(path, *layers, **options):
        audited.append(path)
        return audit.audit_engine(path, *layers, **options)

    monkeypatch.setattr("trtbench.audit.inspect.audit_engine", audit_engine)
    compare_environments(
        export_specs(["fp16"], TINY), PLAN, parse_environments([OLD, "local"]), store, lambda a, b: None
    )
    assert len(audited) == 2


def asked(environments, batch=str(TINY.batch), words=("fp16",), **fields):
    network = NetworkOptions(model=TINY.model, overrides=TINY.overrides)
    timing = BenchOptions(processes=2, duration_s=0.4, block_ms=40, warmup_ms=20)
    return EnvironmentsRequest(
        words=words,
        environments=environments,
        network=network,
        building=BuildOptions(),
        timing=timing,
        shapes=ShapeOptions(batch=batch),
        **fields,
    )


def test_the_command_reuses_what_is_there(comparison, store, capsys):
    compare_in_environments(asked([OLD, "local"]), OutputOptions(store=store.root, json=True))
    printed = VersionComparison.model_validate_json(capsys.readouterr().out)
    assert printed.rows == comparison.rows[:2]
    assert printed.differences == comparison.differences


def test_the_command_fails_with_a_row(comparison, store, capsys):
    with pytest.raises(typer.Exit) as caught:
        compare_in_environments(asked(["local", BROKEN]), OutputOptions(store=store.root))
    assert caught.value.exit_code == 1
    assert "tensorrt-rtx==0.0.0.1" in capsys.readouterr().out


def test_the_command_takes_one_batch(store):
    with pytest.raises(SpecError, match="name one"):
        compare_in_environments(asked([OLD, "local"], "1,8"), OutputOptions(store=store.root))


@pytest.mark.skipif(bool(target_of_gpu()), reason="on a machine with a GPU engines may be timed")
def test_without_a_gpu_the_reason_is_told(comparison):
    assert comparison.not_timed
    assert all(row.measured is None for row in comparison.rows)
    assert comparison.verdicts == ()


class TestTimed:
    """The same ONNX file in two versions of onnxruntime, in a container (a stand-in), and here."""

    @pytest.fixture(scope="class")
    def timed(self, store, cache):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
            return compare_environments(
                export_specs(["fp32", "fp16"], TINY),
                ON_CPU,
                parse_environments([OLD_ORT, NEW_ORT, OLD, BROKEN]),
                store,
                lambda name, step: None,
            )

    def test_each_version_has_a_time_and_a_verdict(self, timed):
        of_recipe = {str(row.recipe): [] for row in timed.rows}
        for row in timed.rows:
            of_recipe[str(row.recipe)].append(row)
        for recipe, (old, new, rtx, broken) in of_recipe.items():
            assert [row.status for row in (old, new, rtx, broken)] == ["ok", "ok", "failed", "failed"]
            versions = [row.measured.facts.runtime_version for row in (old, new)]
            assert versions == ["onnxruntime 1.22.1", "onnxruntime 1.31.1"]
            assert old.measured.processes == new.measured.processes == BENCH.processes
            needs = "which runtime onnxruntime-cpu needs: take venv:onnxruntime==VERSION"
            assert rtx.reason == f"{OLD} has no onnxruntime, {needs}"
            verdict = next(each for each in timed.verdicts if each.arm == f"{recipe} in {NEW_ORT}")
            assert verdict.baseline == f"{recipe} in {OLD_ORT}"
            assert verdict.verdict != "INCOMPARABLE"
        assert len(timed.verdicts) == 2
        assert timed.gpu is None
        assert timed.not_timed is None

    def test_every_row_has_one_file_and_one_protocol(self, timed):
        measured = [row for row in timed.rows if row.measured]
        assert {row.protocol_sha256 for row in measured} == {canonical_hash(BENCH.model_dump(mode="json"))}
        for row in measured:
            assert row.measured.arm.artifact_sha256 == row.onnx_sha256
        assert len({(str(row.recipe), row.onnx_sha256) for row in timed.rows}) == 2

    def test_all_blocks_take_turns_in_one_run(self, timed, store):
        (raw,) = {row.measured.raw for row in timed.rows if row.measured}
        lines = read_journal(store.root / "results" / raw, TimedBlock)
        turns = {}
        for line in lines:
            turns.setdefault((line.process, line.block), []).append(line.arm)
        assert {len(set(arms)) for arms in turns.values()} == {4}

    def test_the_result_is_saved(self, timed, store):
        (raw,) = {row.measured.raw for row in timed.rows if row.measured}
        path = store.root / "results" / f"{Path(raw).parent}.json"
        assert VersionComparison.model_validate_json(path.read_bytes()) == timed
        again = compare_stored([path])
        assert [each.arm.label for each in again.measurements] == [
            row.measured.arm.label for row in timed.rows if row.measured
        ]
        assert again.verdicts[0] == timed.verdicts[0]

    def test_a_baseline_that_failed_leaves_nothing_to_compare_with(self, store):
        result = compare_environments(
            export_specs(["fp32"], TINY),
            ON_CPU,
            parse_environments([BROKEN, "local"]),
            store,
            lambda a, b: None,
        )
        (verdict,) = result.verdicts
        assert (verdict.verdict, verdict.arm) == ("INCOMPARABLE", "fp32 in local")
        assert verdict.reason == f"the baseline fp32 in {BROKEN} failed"

    def test_a_container_and_this_python(self, store, tmp_path, monkeypatch, capsys):
        export(export_specs(["fp32"], TINY)[0], store)
        put_on_path(tmp_path / "bin", monkeypatch)
        request = asked([f"docker:{IMAGE}", "local"], words=["fp32"], runtimes=("onnxruntime-cpu",))
        compare_in_environments(request, OutputOptions(store=store.root, json=True))
        printed = VersionComparison.model_validate_json(capsys.readouterr().out)
        assert [row.status for row in printed.rows] == ["ok", "ok"]
        assert printed.rows[0].measured.arm.environment.image_digest == DIGEST

    def test_a_container_that_does_not_start_any_more_is_a_row(self, store, tmp_path, monkeypatch):
        journal = put_on_path(tmp_path / "bin", monkeypatch)
        places = parse_environments([f"docker:{IMAGE}", "local"])

        def break_it(progress):
            if "load" in progress.step:
                put_on_path(tmp_path / "bin", monkeypatch, "busy GPU")

        plan = replace(ON_CPU, timing=replace(TIMING, on_progress=break_it))
        result = compare_environments(
            export_specs(["fp32"], TINY), plan, places, store, lambda name, step: None
        )
        container, here = result.rows
        assert container.status == "failed"
        assert "the GPU is busy: another process has it for itself" in container.reason
        assert here.status == "ok"
        assert "measure.worker" in journal.read_text()

    def test_slower_is_an_exit_code(self, store, capsys, monkeypatch):
        monkeypatch.setattr("trtbench.cli.measure_requests.slower_among", lambda verdicts: bool(verdicts))
        request = asked(
            [NEW_ORT, "local"], words=["fp32"], runtimes=("onnxruntime-cpu",), fail_on_slower=True
        )
        with pytest.raises(typer.Exit) as caught:
            compare_in_environments(request, OutputOptions(store=store.root))
        assert caught.value.exit_code == 3
        assert "protocol in every row: sha256" in capsys.readouterr().out

    @pytest.mark.skipif(bool(target_of_gpu()), reason="the reasons are those of a machine without a GPU")
    def test_engines_are_timed_in_the_namesake_of_their_compiler(self, tmp_path, monkeypatch):
        put_on_path(tmp_path / "bin", monkeypatch)
        monkeypatch.setattr("trtbench.compare.versions_timed.why_not_timed", lambda targets: None)
        result = compare_environments(
            export_specs(["fp16"], TINY),
            PLAN,
            parse_environments(["local", f"docker:{IMAGE}"]),
            Store(tmp_path / "store"),
            lambda name, step: None,
        )
        assert {row.runtime for row in result.rows} == {"tensorrt_rtx"}
        assert all(row.compiled and row.measured for row in result.rows)
        for row in result.rows:
            assert row.status == "failed"
            assert row.reason.startswith("there is no NVIDIA driver")
        assert [verdict.verdict for verdict in result.verdicts] == ["INCOMPARABLE"]

    def test_only_a_named_runtime_runs_where_nothing_compiles(self, store):
        result = compare_environments(
            export_specs(["fp32"], TINY),
            PLAN,
            parse_environments([NEW_ORT, "local"]),
            store,
            lambda a, b: None,
        )
        assert result.rows[0].reason == (
            f"{NEW_ORT} has no TensorRT-RTX: there is onnxruntime 1.31.1, for --runtime onnxruntime-cpu"
        )


def test_the_difference_is_explained(comparison):
    (difference,) = comparison.differences
    diff = difference.diff
    assert (diff.before.backend_version, difference.after) == ("1.5.0.114", "local")
    assert diff.before.onnx_sha256 == diff.after.onnx_sha256
    assert sum(change.kernels for change in diff.changes) == diff.after.kernels - diff.before.kernels
    assert sum(change.bytes for change in diff.changes) == diff.after.bytes - diff.before.bytes
    # 1.5 spends two kernels more a block between the GEMM of Q, K and V and attention.
    changed = [change for change in diff.changes if change.kind != "same"]
    assert [(change.place, change.kernels) for change in changed] == [("qkv", -2)]


@pytest.fixture
def container(tmp_path, monkeypatch, store):
    put_on_path(tmp_path / "bin", monkeypatch)
    return prepare(parse_environment(f"docker:{IMAGE}"), store)


def test_a_build_in_a_container_is_an_engine_of_its_image(container, store, tmp_path):
    onnx, _ = export(export_specs(["fp16"], TINY)[0], store)
    engine, made = build(onnx, BuildSpec(), store, environment=container)
    assert made
    assert engine.manifest.tool_versions["image"] == container.image_digest
    runs = [
        line for line in (tmp_path / "bin" / "journal.txt").read_text().splitlines() if "child.py" in line
    ]
    assert len(runs) == 1
    assert f"--mount type=bind,source={store.root.resolve()},target={store.root.resolve()} " in runs[0]
    here, _ = build(onnx, BuildSpec(), store)
    assert here.manifest.backend_version == engine.manifest.backend_version
    assert here.manifest.spec_id != engine.manifest.spec_id


def test_a_build_that_is_stopped_stops_its_container(container, store, tmp_path):
    onnx, _ = export(export_specs(["fp16"], dataclasses.replace(TINY, batch=2))[0], store)
    with pytest.raises(BuildError, match="stopped after"):
        build(onnx, BuildSpec(timeout_s=0.05), store, environment=container)
    journal = (tmp_path / "bin" / "journal.txt").read_text().splitlines()
    assert journal[-1] == f"kill {container.container.name}"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("busy GPU", "the GPU is busy: another process has it for itself; nvidia-smi lists who"),
        ("old driver", "too old for the image, which needs cuda>=13.0: update the driver"),
        ("no toolkit", "docker cannot hand out GPUs: install nvidia-container-toolkit and restart docker"),
        ("unheard of", "the moon is in the wrong phase"),
    ],
)
def test_a_build_in_a_container_that_does_not_start_is_explained(
    container, store, tmp_path, monkeypatch, trouble, words
):
    onnx, _ = export(export_specs(["fp16"], dataclasses.replace(TINY, batch=2))[0], store)
    put_on_path(tmp_path / "bin", monkeypatch, trouble)
    with pytest.raises(BuildError) as caught:
        build(onnx, BuildSpec(), store, environment=container)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (f"docker:{IMAGE}: " in str(caught.value)) == (trouble != "unheard of")


def test_a_limit_on_memory_that_cannot_be_kept_is_refused(container):
    with pytest.raises(SpecError, match="--memory-limit-gb cannot be kept in docker:"):
        compiler_of(container, BuildSpec(memory_limit_bytes=10**9))


def test_a_damaged_venv_is_made_again(store):
    spec = parse_environment(OLD)
    first = prepare(spec, store)
    Path(first.python[0]).unlink()
    steps = []
    again = prepare(spec, store, steps.append)
    assert again == first
    assert any(step.startswith("make it again") for step in steps)


def test_one_environment_is_nothing_to_compare(store):
    with pytest.raises(SpecError, match="two environments"):
        compare_environments(
            export_specs(["fp16"], TINY), PLAN, parse_environments(["local"]), store, lambda a, b: None
        )
