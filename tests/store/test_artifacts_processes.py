"""The store with several processes, some of which are killed."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from select import select

import pytest
from support.waiting import wait_until
from test_artifacts import SLUG, SPEC_ID, flip_a_bit, get_model, visible_and_work, write_model

from trtbench.results import OnnxManifest
from trtbench.store.artifacts import Store, load_artifact


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def start_child(root: Path, while_making: str, kind: str = "model") -> "subprocess.Popen[str]":
    """Start a process that gets the artifact, does ``while_making`` in make, and prints if it made it."""
    script = f"""
        import os, sys, time
        from pathlib import Path
        sys.path[:0] = {[str(folder) for folder in Path(__file__).parents[:2]]}
        from test_artifacts import (
            SLUG, SPEC_ID, EngineManifest, OnnxManifest, Store, write_engine, write_model
        )

        manifest_type, write, content = {{
            "model": (OnnxManifest, write_model, b"onnx" * 100),
            "engine": (EngineManifest, write_engine, b"engine"),
        }}[{kind!r}]

        def make(directory):
            manifest = write(directory)
            {while_making}
            return manifest

        artifact, is_new = Store(Path({str(root)!r})).get_or_make(
            manifest_type, SLUG, SPEC_ID, make,
            lambda step: print(step.stage, step.text, sep=": ", flush=True),
        )
        print("made" if is_new else "reused", artifact.payload.read_bytes() == content, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def kill(child: "subprocess.Popen[str]") -> None:
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def test_ctrl_c_in_make_leaves_nothing(store: Store) -> None:
    child = start_child(store.root, "(directory / 'began').touch(); time.sleep(600)")
    wait_until(lambda: list(store.root.glob("models/.tmp-*/began")), "the child makes a model")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=10) != 0
    assert visible_and_work(store.root / "models") == set()


def test_killed_in_make_then_made_by_the_next(store: Store) -> None:
    models = store.root / "models"
    child = start_child(store.root, "(directory / 'began').touch(); time.sleep(600)")
    wait_until(lambda: list(models.glob(".tmp-*/began")), "the child makes a model")
    kill(child)
    assert len(visible_and_work(models)) == 1
    assert store.find(OnnxManifest, SLUG, SPEC_ID) is None
    assert get_model(store)[1]
    assert visible_and_work(models) == {f"{SLUG}-{SPEC_ID}"}


def get_model_but_die_before_operation(store: Store, count: int) -> bool:
    """Get the model in a child killed before its ``count``-th file operation; False: it got through."""
    pid = os.fork()
    if pid == 0:
        remaining = count

        def audit(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal remaining
            if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
                remaining -= 1
                if remaining == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)
        try:
            get_model(store)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("begin_damaged", [False, True])
def test_killed_before_any_file_operation_then_made_by_the_next(tmp_path: Path, begin_damaged: bool) -> None:
    is_killed, count = True, 0
    while is_killed:
        count += 1
        store = Store(tmp_path / str(count))
        if begin_damaged:
            flip_a_bit(get_model(store)[0].directory)
        is_killed = get_model_but_die_before_operation(store, count)
        found = store.find(OnnxManifest, SLUG, SPEC_ID)
        made, is_new = get_model(store)
        assert is_new == (found is None)
        assert load_artifact(made.directory) == made
        other, _ = store.get_or_make(OnnxManifest, "other", "cafe", lambda d: write_model(d, spec_id="cafe"))
        assert visible_and_work(store.root / "models") == {made.directory.name, other.directory.name}
    assert count > 15


@pytest.mark.parametrize(("kind", "stage"), [("model", "export"), ("engine", "build")])
def test_several_at_once_make_once(store: Store, kind: str, stage: str) -> None:
    log, go = store.root.parent / "made", store.root.parent / "go"
    wait = f"any(time.sleep(0.01) for _ in iter(lambda: os.path.exists({str(go)!r}), True))"
    note = f"open({str(log)!r}, 'a').write('x'); {wait}"
    children = [start_child(store.root, note, kind) for _ in range(4)]
    shown = [child.stdout for child in children]
    wait_until(lambda: len(select(shown, [], [], 0)[0]) == 3, "three wait for the one that makes it")
    go.touch()
    outputs = [child.communicate()[0].splitlines() for child in children]
    assert log.read_text() == "x"
    assert sorted(lines[-1] for lines in outputs) == ["made True"] + ["reused True"] * 3
    shown = f"{stage}: wait for another process that is making it"
    waited = [lines for lines in outputs if lines[0] == shown]
    assert [lines[-1] for lines in waited] == ["reused True"] * 3


def test_a_waiting_process_takes_over_from_a_killed_one(store: Store) -> None:
    child = start_child(store.root, "(directory / 'began').touch(); time.sleep(600)")
    wait_until(lambda: list(store.root.glob("models/.tmp-*/began")), "the child makes a model")
    waiter = start_child(store.root, "pass")
    assert waiter.stdout is not None
    assert waiter.stdout.readline() == "export: wait for another process that is making it\n"
    kill(child)
    assert waiter.communicate()[0] == "made True\n"
    assert visible_and_work(store.root / "models") == {f"{SLUG}-{SPEC_ID}"}


def test_leftovers_of_the_dead_go_and_work_of_the_living_stays(store: Store) -> None:
    models = store.root / "models"
    child = start_child(store.root, "(directory / 'began').touch(); time.sleep(600)")
    wait_until(lambda: list(models.glob(".tmp-*/began")), "the child makes a model")
    (living,) = models.glob(".tmp-*")
    dead = models / ".tmp-feedbeef-0a1b2c3d"
    dead.mkdir()
    (dead / "model.onnx").write_bytes(b"half")
    store.get_or_make(OnnxManifest, "other", "abad1dea", lambda d: write_model(d, spec_id="abad1dea"))
    assert not dead.exists()
    assert (living / "began").exists()
    kill(child)
    store.get_or_make(OnnxManifest, "third", "cafe", lambda d: write_model(d, spec_id="cafe"))
    assert not living.exists()


def test_lock_ends_with_the_run_though_a_forked_child_lives_on(store: Store) -> None:
    pids = []

    def make(directory: Path) -> OnnxManifest:
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
        os.close(read_end)
        pids.append((pid, write_end))
        return write_model(directory)

    made, _ = get_model(store, make)
    try:
        flip_a_bit(made.directory)
        waiter = start_child(store.root, "pass")
        assert waiter.communicate()[0].splitlines()[-1] == "made True"
    finally:
        for pid, write_end in pids:
            os.close(write_end)
            os.waitpid(pid, 0)
