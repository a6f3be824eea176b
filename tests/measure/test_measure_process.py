"""One arm in a real worker process, scripted: what comes back, and how every failure is reported."""

import json
import re
import signal
import subprocess
import sys
import time
from statistics import median

import pytest
from support.docker_stand_in import IMAGE, put_on_path, write_script
from support.waiting import is_alive, number_in, wait_for_the_end_of, wait_until

import trtbench
from trtbench.environments import parse_environment, prepare
from trtbench.errors import Code, MeasureError
from trtbench.host.installation import install_command
from trtbench.measure.process import ArmProcess
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.store.artifacts import Store

GPU_LIKE = {
    "gpu_compute_ms": {"median_ms": 1.5, "noise": 0.01},
    "enqueue_ms": 0.02,
    "host_wall_ms": [1.6, 1.7],
    "h2d_ms": 0.2,
    "d2h_ms": 0.1,
}
BENCH = BenchSpec(warmup_ms=20, warmup_iterations=2, block_ms=60)


def _arm(tmp_path, label="arm", **script):
    path = tmp_path / f"{label}.json"
    path.write_text(json.dumps({"series": GPU_LIKE, **script}), encoding="utf-8")
    return ArmSpec(
        label=label, runtime="fake", recipe=None, export=None, artifact=str(path), artifact_sha256=None
    )


def _process(tmp_path, arm, bench=BENCH, **options):
    return ArmProcess(arm, bench, tmp_path / f"{arm.label}.log", **options)


def _run_blocks(process, blocks):
    for _ in range(blocks):
        process.block()


def test_facts_and_samples_of_every_series(tmp_path):
    with _process(tmp_path, _arm(tmp_path, graph_kernels=143, notes=["as scripted"])) as process:
        facts = process.prepare()
        samples = process.block()
        assert facts.pid == process.pid
    assert facts.main_series == "gpu_compute_ms"
    assert (facts.cuda_graph, facts.graph_kernels) == ("captured", 143)
    assert [record.shape for record in (*facts.inputs, *facts.outputs)] == [(2, 3, 8, 8), (2, 10)]
    assert len(facts.output_sample) == 20
    assert facts.notes == ("as scripted",)
    assert set(samples) == set(GPU_LIKE)
    assert median(samples["gpu_compute_ms"]) == pytest.approx(1.5, rel=0.01)
    assert set(samples["host_wall_ms"]) == {1.6, 1.7}
    assert set(samples["h2d_ms"]) == {0.2}
    # 85 % of 60 ms less the lead-in of 10 ms, filled with chunks of 25 ms.
    assert 40 <= sum(samples["gpu_compute_ms"]) <= 70


def test_zeros_are_timed_apart_and_the_arm_goes_on_as_before(tmp_path):
    series = {**GPU_LIKE, "gpu_compute_ms": 1.5}
    arm = _arm(tmp_path, series=series, constant_inputs_factor=0.9)
    with _process(tmp_path, arm) as process:
        process.prepare()
        before = process.block()
        process.fill_constants()
        on_zeros = process.constant_block()
        process.restore_inputs()
        after = process.block()
    assert set(on_zeros) == {"gpu_compute_ms"}
    assert set(on_zeros["gpu_compute_ms"]) == {0.9 * 1.5}
    assert after["gpu_compute_ms"] == before["gpu_compute_ms"]


def test_every_arm_sees_the_same_images(tmp_path):
    samples = []
    for dtype in ("float32", "float16", "bfloat16"):
        image = {"name": "image", "dtype": dtype, "shape": [2, 3, 8, 8]}
        with _process(tmp_path, _arm(tmp_path, label=dtype, inputs=[image])) as process:
            samples.append(process.prepare().output_sample)
    assert samples[0] == samples[1] == samples[2]


def test_processes_and_arms_have_levels_of_their_own(tmp_path):
    series = {"gpu_compute_ms": {"median_ms": 1.0, "process_noise": 0.05}}
    levels = {}
    for label, number in (("a", 0), ("a", 1), ("b", 0), ("a", 0)):
        with _process(tmp_path, _arm(tmp_path, label=label, series=series), process=number) as process:
            process.prepare()
            (level,) = set(process.block()["gpu_compute_ms"])
        assert levels.setdefault((label, number), level) == level
    assert len(set(levels.values())) == 3


@pytest.mark.parametrize(
    ("failure", "reason", "code"),
    [
        (
            {"at": "load", "how": "out_of_memory"},
            "out of GPU memory (scripted): use a smaller batch",
            Code.GPU_OUT_OF_MEMORY,
        ),
        ({"at": "load", "how": "exit"}, "the worker ended with exit code 3: see ", Code.MEASURE_FAILED),
    ],
)
def test_a_failure_at_load_is_reported_in_one_line(tmp_path, failure, reason, code):
    with _process(tmp_path, _arm(tmp_path, failure=failure)) as process:
        with pytest.raises(MeasureError) as caught:
            process.prepare()
        with pytest.raises(MeasureError):
            process.block()
    assert caught.value.code == code
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_a_killed_worker_is_reported_with_its_signal(tmp_path):
    failure = {"at": "query", "query": 400, "how": "kill", "signal": int(signal.SIGKILL)}
    with _process(tmp_path, _arm(tmp_path, failure=failure)) as process:
        process.prepare()
        with pytest.raises(MeasureError, match=r"killed by signal 9, SIGKILL \(probably out of memory"):
            _run_blocks(process, 100)


def test_a_worker_that_dies_without_a_word_has_no_last_words(tmp_path):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    process = _process(tmp_path, _arm(tmp_path), python=(sys.executable, "-c", code))
    with process, pytest.raises(MeasureError, match=r"fewer --processes\): see \S+/arm\.log$"):
        process.prepare()


def test_a_failure_in_a_block_is_reported(tmp_path):
    arm = _arm(tmp_path, failure={"at": "query", "query": 400})
    with _process(tmp_path, arm) as process:
        process.prepare()
        with pytest.raises(MeasureError, match=r"failed at query \(scripted\)"):
            _run_blocks(process, 100)


def test_a_worker_that_hangs_is_killed(tmp_path):
    arm = _arm(tmp_path, failure={"at": "load", "how": "hang"})
    with _process(tmp_path, arm, prepare_timeout_s=0.1) as process:
        pid = process.pid
        with pytest.raises(MeasureError, match=r"no answer in 100 ms, so the worker was killed") as caught:
            process.prepare()
    assert caught.value.code == Code.MEASURE_TIME_LIMIT
    assert not is_alive(pid)


def test_an_unknown_interpreter_is_reported(tmp_path):
    process = _process(tmp_path, _arm(tmp_path), python=("/no/such/python",))
    with pytest.raises(MeasureError, match="cannot start /no/such/python: No such file"):
        process.__enter__()


def test_a_missing_package_is_reported_with_the_remedy(tmp_path):
    arm = ArmSpec(label="gpu", runtime="torch", recipe=None, export=None, artifact=None, artifact_sha256=None)
    code = (
        "import sys; sys.modules['cuda'] = None; from trtbench.measure.worker import main; sys.exit(main())"
    )
    process = _process(tmp_path, arm, python=(sys.executable, "-c", code))
    text = f"cuda-bindings, which times a GPU, cannot be used here .*{re.escape(install_command('gpu'))}"
    with process, pytest.raises(MeasureError, match=text) as caught:
        process.prepare()
    assert caught.value.code == Code.RUNTIME_UNAVAILABLE


def _worker(code):
    """A worker with something done to it before it starts."""
    return (sys.executable, "-c", f"{code}\nfrom trtbench.measure import worker; sys.exit(worker.main())")


def test_what_is_printed_is_no_reply(tmp_path):
    code = (
        "import os, sys; from trtbench.runtimes import fake\n"
        "print('== a greeting =='); print('and no end of line', end='', flush=True)\n"
        "inner = fake.open_runtime\n"
        "def open_runtime(*arguments):\n"
        "    print('from Python', flush=True); os.write(1, b'from a library\\n')\n"
        "    assert not sys.stdin.read()\n"
        "    return inner(*arguments)\n"
        "fake.open_runtime = open_runtime"
    )
    with _process(tmp_path, _arm(tmp_path), python=_worker(code)) as process:
        assert process.prepare().pid == process.pid
        assert process.block()
    log = (tmp_path / "arm.log").read_text(encoding="utf-8").splitlines()
    assert {"== a greeting ==", "and no end of line", "from Python", "from a library"} <= set(log)


def test_a_reply_that_cannot_be_read_is_one_line(tmp_path):
    code = 'print(REPLY_MARK + \'{"samples": "many"}\', flush=True); input()'
    python = (sys.executable, "-c", f"from trtbench.measure.messages import REPLY_MARK; {code}")
    with (
        _process(tmp_path, _arm(tmp_path), python=python) as process,
        pytest.raises(
            MeasureError, match=r"^the worker said '.*many.*', which is not a reply: is its trtbench"
        ),
    ):
        process.prepare()


def test_a_worker_of_another_trtbench_says_so_in_one_line(tmp_path):
    process = _process(
        tmp_path, _arm(tmp_path), python=_worker("import sys, trtbench; trtbench.__version__ = '0.0.9'")
    )
    with process, pytest.raises(MeasureError) as caught:
        process.prepare()
    here = trtbench.__version__
    assert str(caught.value) == (
        f"the worker has trtbench 0.0.9, and what measures is {here}: install the same version in both"
    )


class TestContainers:
    """A stand-in for docker whose containers live on when what started them is killed."""

    @pytest.fixture
    def ready(self, tmp_path, monkeypatch):
        put_on_path(tmp_path / "bin", monkeypatch)
        return prepare(parse_environment(f"docker:{IMAGE}"), Store(tmp_path / "store")).for_another_process()

    def test_its_process_is_known_by_the_number_outside(self, tmp_path, ready):
        arm = _arm(tmp_path)
        with _process(tmp_path, arm, python=ready.python, container=ready.container) as process:
            started = process.pid
            facts = process.prepare()
            assert facts.pid == process.pid != started
            assert process.block()
        assert not is_alive(facts.pid)
        journal = (tmp_path / "bin" / "journal.txt").read_text().splitlines()
        assert f"inspect --format {{{{.State.Pid}}}} {ready.container.name}" in journal
        assert not any(line.startswith("kill") for line in journal)
        assert "a banner" in (tmp_path / "arm.log").read_text()

    def test_one_that_hangs_is_killed(self, tmp_path, ready):
        arm = _arm(tmp_path, failure={"at": "load", "how": "hang"})
        process = _process(
            tmp_path, arm, python=ready.python, container=ready.container, prepare_timeout_s=0.1
        )
        started = tmp_path / "bin" / f"{ready.container.name}.pid"
        with process:
            wait_until(lambda: started.exists() and started.read_text(), "the container has started")
            with pytest.raises(MeasureError, match="no answer in 100 ms"):
                process.prepare()
        journal = (tmp_path / "bin" / "journal.txt").read_text().splitlines()
        assert journal[-1] == f"kill {ready.container.name}"
        wait_for_the_end_of(int(started.read_text()))

    def test_one_that_is_interrupted_is_killed(self, tmp_path, ready):
        process = _process(tmp_path, _arm(tmp_path), python=ready.python, container=ready.container)
        with process:
            pid = process.prepare().pid
            process.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
            wait_for_the_end_of(pid)

    def test_an_engine_that_does_not_answer_does_not_hold_it_up(self, tmp_path, monkeypatch, ready):
        monkeypatch.setattr("trtbench.host.commands._STOP_TIMEOUT_S", 0.1)
        process = _process(tmp_path, _arm(tmp_path), python=ready.python, container=ready.container)
        with process:
            pid = process.prepare().pid
            write_script(tmp_path / "bin" / "docker", f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
            process.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        wait_for_the_end_of(pid)  # by itself, since its pipes are closed
        assert "docker kill: no answer within 100 ms" in (tmp_path / "arm.log").read_text()

    @pytest.mark.parametrize(
        ("trouble", "words"),
        [
            ("no daemon", "the daemon of docker does not answer: sudo systemctl start docker"),
            ("no image to run", f"the image is not on this machine: docker pull {IMAGE}"),
            ("no toolkit", "install nvidia-container-toolkit"),
            ("old driver", "which needs cuda>=13.0: update the driver"),
            ("no driver", "no NVIDIA driver works on this machine"),
            ("busy GPU", "the GPU is busy: another process has exclusive use of it"),
        ],
    )
    def test_each_trouble_is_one_clear_line(self, tmp_path, monkeypatch, ready, trouble, words):
        put_on_path(tmp_path / "bin", monkeypatch, trouble, command="run")
        process = _process(tmp_path, _arm(tmp_path), python=ready.python, container=ready.container)
        with process, pytest.raises(MeasureError) as caught:
            process.prepare()
        assert str(caught.value).startswith(f"docker:{IMAGE}: ")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_one_without_a_process_id_is_reported(self, tmp_path, monkeypatch, ready):
        put_on_path(tmp_path / "bin", monkeypatch, "no process")
        process = _process(tmp_path, _arm(tmp_path), python=ready.python, container=ready.container)
        with process, pytest.raises(MeasureError, match="docker does not report the process id of trtbench-"):
            process.prepare()


def test_a_worker_dies_with_its_parent(tmp_path):
    arm = _arm(tmp_path, failure={"at": "load", "how": "hang"})
    code = (
        "import sys, time; from pathlib import Path;"
        "from trtbench.measure.process import ArmProcess; from trtbench.specs import ArmSpec, BenchSpec\n"
        "arm = ArmSpec.model_validate_json(sys.argv[1])\n"
        "with ArmProcess(arm, BenchSpec(), Path(sys.argv[2])) as process:\n"
        "    print(process.pid, flush=True)\n"
        "    process.prepare()\n"
    )
    command = [sys.executable, "-c", code, arm.model_dump_json(), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(1.0)
        assert is_alive(pid)
        parent.kill()
    wait_for_the_end_of(pid)


def test_what_the_worker_started_dies_with_it(tmp_path):
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        f"open({str(tmp_path / 'child')!r}, 'w').write(f'{{child.pid}}\\n'); time.sleep(600)"
    )
    process = _process(tmp_path, _arm(tmp_path), python=(sys.executable, "-c", code), prepare_timeout_s=0.1)
    with process:
        child = number_in(tmp_path / "child")
        with pytest.raises(MeasureError, match="no answer"):
            process.prepare()
    wait_for_the_end_of(child)
