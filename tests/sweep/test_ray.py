"""Sweeps on a real Ray cluster of several nodes, whose workers and nodes are killed."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import manifests, sweeps
from support.sweeps import done_by, plan, slow_work

from trtbench.errors import RuntimeUnavailable
from trtbench.progress import Step
from trtbench.results import Sweep
from trtbench.store.artifacts import Store
from trtbench.sweep import sweep
from trtbench.sweep.ray_cluster import RayCluster

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
from ray.cluster_utils import Cluster  # noqa: E402

GPU_NODE = {"num_cpus": 0, "num_gpus": 1, "resources": {"rtx-5090": 1}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head without work, a node with cores, and one with a GPU as far as Ray is concerned.

    Each node has temporary files of its own, as on two machines.
    """
    for module in (sweeps, manifests):
        sys.modules["ray.cloudpickle"].register_pickle_by_value(module)
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")  # a busy machine starts nodes slowly
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for name, has in (("cores", {"num_cpus": 1}), ("gpu", GPU_NODE)):
        found.add_node(**has, env_vars={"TMPDIR": str(tmp_path_factory.mktemp(name))})
    found.wait_for_nodes()
    yield found
    ray.shutdown()
    found.shutdown()


def run(cluster: Any, asked, store: Store, on_step=lambda step: None) -> Sweep:
    def workers() -> RayCluster:
        return RayCluster(store, cluster.address, None, "store", True, slow_work)

    return sweep(asked, store, workers, on_step)


def kill_a_worker_and_a_node(folder: Path, cluster: Any, node: Any) -> None:
    """Kill the first process that says that it is working, and the node once a few cells are done."""
    while not (marks := list(folder.glob("pid-*"))):
        time.sleep(0.01)
    with suppress(OSError):
        os.kill(int(marks[0].name.removeprefix("pid-")), signal.SIGKILL)
    while len(done_by(Store(folder))) < 4:
        time.sleep(0.01)
    cluster.remove_node(node, allow_graceful=False)


def test_nothing_is_lost_or_done_twice_when_a_worker_and_a_node_die(cluster: Any, tmp_path: Path):
    store, asked = Store(tmp_path), plan(depth=(1, 2, 13), gpu=("rtx-5090",))
    extra = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    killer = threading.Thread(target=kill_a_worker_and_a_node, args=(tmp_path, cluster, extra))
    killer.start()
    steps: list[Step] = []
    found = run(cluster, asked, store, steps.append)
    killer.join()
    assert extra not in cluster.worker_nodes
    assert found.cost.retries >= 1
    assert [row.cell for row in found.rows] == list(asked.cells())
    assert [row.status for row in found.rows] == [*["ok"] * 8, *["failed"] * 4] * 2
    for row in found.rows:
        if row.status == "ok":
            expected = sweeps.milliseconds(row.cell)
            assert row.values["predicted_gpu_compute_ms"] == expected
            assert row.values["measured_gpu_compute_median_ms"] == expected
    (journal,) = (tmp_path / "results" / "sweep").iterdir()
    assert len(journal.read_text().splitlines()) == 16 * 2
    assert "of GPUs" in steps[-1].text


def test_a_time_waits_for_its_type_of_gpu_and_says_if_there_is_none(cluster: Any, tmp_path: Path):
    asked = plan(patch=(8,), depth=(1,), gpu=("rtx-5090", "h200"))
    found = run(cluster, asked, Store(tmp_path))
    timed = {row.cell.gpu for row in found.rows if "measured_gpu_compute_median_ms" in row.values}
    assert timed == {"rtx-5090"}
    assert {row.status for row in found.rows} == {"ok"}
    assert "no h200 in the cluster" in str(found.rows[1].values["not_timed"])


@pytest.mark.parametrize("is_url", [False, True], ids=["object store", "fsspec"])
def test_artifacts_travel_to_the_node_that_times(cluster: Any, tmp_path: Path, is_url: bool):
    # Another recipe is another artifact: the nodes keep theirs.
    asked = plan(
        patch=(8,), depth=(1,), width=(64,), gpu=("rtx-5090",), recipe=("fp8" if is_url else "fp16",)
    )
    url = f"file://{tmp_path}/shelf" if is_url else None

    def workers() -> RayCluster:
        return RayCluster(Store(tmp_path), cluster.address, None, url, True, sweeps.carrying_work)

    (row,) = sweep(asked, Store(tmp_path), workers).rows
    assert row.values["make_store"] != row.values["time_store"]
    assert row.values["time_has_model"] is True
    assert (tmp_path / "shelf").exists() == is_url
    assert not (tmp_path / "models").exists()


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path):
    with pytest.raises(RuntimeUnavailable, match=r"--address 127\.0\.0\.1:1: no Ray cluster answers"):
        RayCluster(Store(tmp_path), "127.0.0.1:1", None, None, False).__enter__()
