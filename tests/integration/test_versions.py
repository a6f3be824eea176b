"""Environments with the real compiler: another version in a venv of uv's, and a stand-in for docker.

Installing TensorRT-RTX 1.5.0.114 and onnxruntime takes the network, and uv.
"""

import json
from pathlib import Path

import pytest
from support.docker_stand_in import DIGEST, IMAGE, put_on_path
from support.grids import grid_of
from support.scripted import BENCH, FAST

from trtbench import audit
from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.build.choice import target_of_gpu
from trtbench.build.compiler import compiler_of
from trtbench.compare import compare
from trtbench.compare.stored import compare_stored
from trtbench.compare.timing import verdicts_on
from trtbench.diff import AuditedEngine, diff, diff_engines
from trtbench.environments import prepare
from trtbench.errors import BuildError, IncompatibleResults, SpecError
from trtbench.export import export
from trtbench.progress import silent
from trtbench.results import Comparison, TimedBlock
from trtbench.specs import BuildSpec, ExportSpec, ModelSpec
from trtbench.specs.environment import parse_environment, parse_environments
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Artifact, Store, load_artifact
from trtbench.store.journal import read_journal

OLD = "venv:tensorrt-rtx==1.5.0.114"
BROKEN = "venv:tensorrt-rtx==0.0.0.1"
TINY = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),))
BATCH = 8
ON_CPU = {"runtimes": ("onnxruntime-cpu",)}
NEW_ORT, OLD_ORT = "venv:onnxruntime==1.31.1", "venv:onnxruntime==1.22.1"


def tiny(word, batch=BATCH, **model):
    return ExportSpec(model=TINY.model_copy(update=model), recipe=parse_recipe(word), batch=batch)


def in_environments(words, environments, store, on_step=silent, **fields):
    exports = tuple(tiny(word) for word in words)
    grid = grid_of(environments=parse_environments(environments), **fields)
    return compare(grid.model_copy(update={"exports": exports}), store, on_step)


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
        return in_environments(["fp16"], [OLD, "local", BROKEN], store)


def test_each_environment_has_its_version(comparison):
    old, here, broken = comparison.environments
    assert old.contents is not None, old.reason
    assert old.contents.tensorrt_rtx == "1.5.0.114"
    assert here.contents.tensorrt_rtx != "1.5.0.114"
    assert old.findings == here.findings == ()
    assert broken.contents is None
    assert "tensorrt-rtx==0.0.0.1" in broken.reason
    assert broken.code == "RUNTIME_UNAVAILABLE"


def test_one_file_through_both_versions(comparison):
    old, here, broken = comparison.rows
    assert [row.status for row in comparison.rows] == ["ok", "ok", "failed"], [
        r.reason for r in comparison.rows
    ]
    assert (old.onnx.sha256, broken.onnx) == (here.onnx.sha256, None)
    assert old.fidelity == here.fidelity is not None
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
    onnx, _ = export(tiny("fp16", **change), store)
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
    in_environments(["fp16"], [OLD, "local"], store)
    assert len(audited) == 2


MODEL = ("--model", TINY.name, "--set", "depth=1", "--batch", BATCH)


def test_the_command_reuses_what_is_there(trtbench, comparison, store):
    asked = ("--env", OLD, "--env", "local", "--store", store.root, "--json")
    printed = Comparison.model_validate_json(trtbench("compare", "fp16", *MODEL, *asked)[1])
    assert printed.rows == comparison.rows[:2]
    assert printed.differences == comparison.differences


def test_the_command_fails_with_a_row(trtbench, comparison, store):
    asked = ("--env", "local", "--env", BROKEN, "--store", store.root)
    code, out, _ = trtbench("compare", "fp16", *MODEL, *asked)
    assert code == 1
    assert "tensorrt-rtx==0.0.0.1" in out


@pytest.mark.skipif(bool(target_of_gpu()), reason="on a machine with a GPU engines may be timed")
def test_without_a_gpu_the_reason_is_given(comparison):
    assert comparison.not_timed
    assert all(row.measured is None for row in comparison.rows)
    assert comparison.verdicts == ()


class TestTimed:
    """The same ONNX file in two versions of onnxruntime, in a container (a stand-in), and here."""

    @pytest.fixture(scope="class")
    def timed(self, store, cache):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
            return in_environments(["fp32", "fp16"], [OLD_ORT, NEW_ORT, OLD, BROKEN], store, **ON_CPU)

    def test_each_version_has_a_time_and_a_verdict(self, timed):
        of_recipe = {str(row.recipe): [] for row in timed.rows}
        for row in timed.rows:
            of_recipe[str(row.recipe)].append(row)
        for recipe, (old, new, rtx, broken) in of_recipe.items():
            assert [row.status for row in (old, new, rtx, broken)] == ["ok", "ok", "failed", "failed"]
            versions = [row.measured.facts.runtime_version for row in (old, new)]
            assert versions == ["onnxruntime 1.22.1", "onnxruntime 1.31.1"]
            assert old.measured.processes == new.measured.processes == BENCH.processes
            needs = "which runtime onnxruntime-cpu needs: use --env venv:onnxruntime==VERSION"
            assert rtx.reason == f"{OLD} has no onnxruntime, {needs}"
            verdict = next(each for each in timed.verdicts if each.arm == f"{recipe} in {NEW_ORT}")
            assert verdict.baseline == f"{recipe} in {OLD_ORT}"
            assert verdict.verdict != "INCOMPARABLE"
        assert [(each.arm, each.baseline) for each in timed.verdicts if OLD_ORT in each.arm] == [
            (f"fp16 in {OLD_ORT}", f"fp32 in {OLD_ORT}")
        ]
        assert len(timed.verdicts) == 3
        assert timed.gpu is None
        assert timed.not_timed is None

    def test_every_row_has_one_file_and_one_protocol(self, timed):
        measured = [row for row in timed.rows if row.measured]
        assert {row.measured.protocol for row in measured} == {BENCH}
        for row in measured:
            assert row.measured.arm.artifact_sha256 == row.onnx.sha256
        assert len({(row.subject, row.onnx.sha256) for row in measured}) == 2

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
        assert Comparison.model_validate_json(path.read_bytes()) == timed
        again = compare_stored([path])
        assert [each.arm.label for each in again.measurements()] == [
            row.measured.arm.label for row in timed.rows if row.measured
        ]
        assert again.verdicts[0] == timed.verdicts[0]

    def test_a_baseline_that_failed_leaves_nothing_to_compare_with(self, store):
        result = in_environments(["fp32"], [BROKEN, "local"], store, **ON_CPU)
        (verdict,) = result.verdicts
        assert (verdict.verdict, verdict.arm) == ("INCOMPARABLE", "fp32 in local")
        assert verdict.reason == f"the baseline fp32 in {BROKEN} failed"

    def test_a_container_and_this_python(self, store, tmp_path, monkeypatch):
        export(tiny("fp32"), store)
        put_on_path(tmp_path / "bin", monkeypatch)
        printed = in_environments(["fp32"], [f"docker:{IMAGE}", "local"], store, **ON_CPU)
        assert [row.status for row in printed.rows] == ["ok", "ok"]
        assert printed.rows[0].measured.arm.environment.image_digest == DIGEST

    def test_a_container_that_does_not_start_any_more_is_a_row(self, store, tmp_path, monkeypatch):
        journal = put_on_path(tmp_path / "bin", monkeypatch)

        def break_it(step):
            if step.text.startswith("load "):
                put_on_path(tmp_path / "bin", monkeypatch, "busy GPU")

        result = in_environments(["fp32"], [f"docker:{IMAGE}", "local"], store, break_it, **ON_CPU)
        container, here = result.rows
        assert container.status == "failed"
        assert "the GPU is busy: another process has exclusive use of it" in container.reason
        assert here.status == "ok"
        assert "measure.worker" in journal.read_text()

    def test_slower_is_an_exit_code(self, trtbench, store, monkeypatch):
        def slower(*arguments):
            return tuple(each.model_copy(update={"verdict": "SLOWER"}) for each in verdicts_on(*arguments))

        monkeypatch.setattr("trtbench.compare.grid.verdicts_on", slower)
        asked = ("--env", NEW_ORT, "--env", "local", "--runtime", "onnxruntime-cpu", "--store", store.root)
        code, out, err = trtbench("compare", "fp32", *MODEL, *asked, *FAST, "--fail-on", "slower")
        assert code == 3, err
        assert f"fp32 in local against fp32 in {NEW_ORT}" in out

    @pytest.mark.skipif(bool(target_of_gpu()), reason="the reasons are those of a machine without a GPU")
    def test_engines_are_timed_in_the_namesake_of_their_compiler(self, tmp_path, monkeypatch):
        put_on_path(tmp_path / "bin", monkeypatch)
        monkeypatch.setattr("trtbench.compare.timing.why_not_timed", lambda targets: None)
        result = in_environments(["fp16"], ["local", f"docker:{IMAGE}"], Store(tmp_path / "store"))
        assert {row.runtime for row in result.rows} == {"tensorrt_rtx"}
        assert all(row.compiled and row.measured for row in result.rows)
        for row in result.rows:
            assert row.status == "failed"
            assert row.reason.startswith("there is no NVIDIA driver")
        assert [verdict.verdict for verdict in result.verdicts] == ["INCOMPARABLE"]

    def test_only_a_named_runtime_runs_where_nothing_compiles(self, store):
        result = in_environments(["fp32"], [NEW_ORT, "local"], store)
        assert result.rows[0].reason == (
            f"{NEW_ORT} has no TensorRT-RTX: there is onnxruntime 1.31.1, for --runtime onnxruntime-cpu"
        )


def test_the_difference_is_explained(comparison):
    (difference,) = comparison.differences
    diff = difference.diff
    assert (diff.before.backend_version, difference.after) == ("1.5.0.114", "fp16 in local")
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
    onnx, _ = export(tiny("fp16"), store)
    engine, made = build(onnx, BuildSpec(), store, compiler=compiler_of(container, BuildSpec()))
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
    onnx, _ = export(tiny("fp16", batch=2), store)
    with pytest.raises(BuildError, match="stopped after"):
        build(onnx, BuildSpec(timeout_s=0.05), store, compiler=compiler_of(container, BuildSpec()))
    journal = (tmp_path / "bin" / "journal.txt").read_text().splitlines()
    assert journal[-1] == f"kill {container.container.name}"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("busy GPU", "the GPU is busy: another process has exclusive use of it; nvidia-smi shows which"),
        ("old driver", "too old for the image, which needs cuda>=13.0: update the driver"),
        ("no toolkit", "docker cannot hand out GPUs: install nvidia-container-toolkit and restart docker"),
        ("unheard of", "the moon is in the wrong phase"),
    ],
)
def test_a_build_in_a_container_that_does_not_start_is_explained(
    container, store, tmp_path, monkeypatch, trouble, words
):
    onnx, _ = export(tiny("fp16", batch=2), store)
    put_on_path(tmp_path / "bin", monkeypatch, trouble)
    with pytest.raises(BuildError) as caught:
        build(onnx, BuildSpec(), store, compiler=compiler_of(container, BuildSpec()))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (f"docker:{IMAGE}: " in str(caught.value)) == (trouble != "unheard of")


def test_a_limit_on_memory_that_cannot_be_kept_is_refused(container):
    with pytest.raises(SpecError, match="--memory-limit-gb cannot be enforced in docker:"):
        compiler_of(container, BuildSpec(memory_limit_bytes=10**9))


def test_a_damaged_venv_is_made_again(store):
    spec = parse_environment(OLD)
    first = prepare(spec, store)
    Path(first.python[0]).unlink()
    steps = []
    again = prepare(spec, store, steps.append)
    assert again == first
    assert any(step.stage == "setup" and step.text.startswith("make it again") for step in steps)


def test_one_environment_alone_will_do(store):
    (row,) = in_environments(["fp16"], ["local"], store).rows
    assert (row.key, row.status, row.environment) == ("fp16", "ok", "local")
