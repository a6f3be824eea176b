"""FIFOs, devices, sockets and links in place of files that others made: refused at once, in one line."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.manifests import onnx_manifest
from support.spec_examples import EXPORT

from trtbench.errors import TrtbenchError
from trtbench.export.checkpoint_files import configuration, weight_files, weights_sha256
from trtbench.measure.inputs import make_inputs
from trtbench.request.grids import parse_input
from trtbench.request.models import read_model_entry
from trtbench.results import TensorRecord, TimedBlock
from trtbench.runtimes.fake import read_script
from trtbench.specs import ArmSpec, InputValues
from trtbench.store.arm_file import read_artifact
from trtbench.store.artifacts import load_artifact
from trtbench.store.files import file_record, write_json
from trtbench.store.journal import open_journal, read_journal
from trtbench.store.results import load_any, load_result
from trtbench.trace.read import read_trace
from trtbench.verify.images import InputsSpec, choose_images

pytestmark = pytest.mark.timeout(20)
"""Reading a FIFO never ends, and /dev/zero fills the memory first."""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def arm(path: Path) -> ArmSpec:
    return ArmSpec(
        label="x", runtime="fake", recipe=None, export=None, artifact=str(path), artifact_sha256="0" * 64
    )


def manifest(path: Path) -> None:
    path.rename(path.with_name("manifest.json"))
    load_artifact(path.parent)


def file_of_an_artifact(path: Path) -> None:
    model = path.with_name("model.onnx")
    model.write_bytes(b"")
    write_json(path.with_name("manifest.json"), onnx_manifest(EXPORT, [model]))
    path.replace(model)
    load_artifact(path.parent)


def new_journal(path: Path) -> None:
    with open_journal(path, TimedBlock):
        pass


def values_of_an_input(path: Path) -> None:
    values = InputValues(input="x", path=str(path), sha256="0" * 64)
    make_inputs([TensorRecord(name="x", dtype="int64", shape=(1,))], 0, 1, [values])


def index_of_a_checkpoint(path: Path) -> None:
    index = path.with_name("model.safetensors.index.json")
    path.rename(index)
    weight_files(index)


def image(path: Path) -> None:
    folder = path.with_name("cats")
    folder.mkdir()
    path.rename(folder / "1.png")
    choose_images(InputsSpec(directory=str(path.parent)), 1)


REASONS = (
    *("not a regular file", "no such file", "no image in it"),
    *("Too many levels of symbolic links", "No such device or address"),  # of a journal, to be written
)

READERS: tuple[Callable[[Path], object], ...] = (
    load_result,
    load_any,
    manifest,
    file_of_an_artifact,
    file_record,
    lambda path: read_artifact(arm(path)),
    lambda path: read_journal(path, TimedBlock),
    new_journal,
    read_trace,
    lambda path: parse_input(f"x={path.rename(path.with_suffix('.npy'))}"),
    values_of_an_input,
    read_model_entry,
    lambda path: read_script(arm(path)),
    weights_sha256,
    index_of_a_checkpoint,
    image,
)


@pytest.mark.parametrize("read", READERS, ids=range(len(READERS)))
@pytest.mark.parametrize("make", [fifo, device, unix_socket], ids=lambda make: make.__name__)
def test_a_name_that_leads_to_no_file_is_refused(
    read: Callable[[Path], object], make: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "name"
    make(path)
    with pytest.raises(TrtbenchError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert any(words in text for words in REASONS)


@pytest.mark.parametrize("make", [fifo, device, unix_socket], ids=lambda make: make.__name__)
def test_a_configuration_that_is_no_file_counts_as_missing(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "config.json")
    assert configuration(tmp_path) == {}


def test_a_sparse_file_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TrtbenchError, match=r"huge.json: cannot be read: 1\.10 TB is larger than"):
        load_result(path)
    with pytest.raises(TrtbenchError, match=r"larger than the 16\.8 MB that such a file may have"):
        read_model_entry(path)


def test_an_artifact_keeps_its_files_inside(tmp_path: Path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    model = folder / "model.onnx"
    model.write_bytes(b"secret")
    write_json(folder / "manifest.json", onnx_manifest(EXPORT, [model]))
    model.rename(tmp_path / "secret")
    model.symlink_to("../secret")
    with pytest.raises(TrtbenchError, match=r"model.onnx: .* leads to .*secret, out of its folder"):
        load_artifact(folder)


def test_a_journal_is_not_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("the last line has no end")
    (tmp_path / "blocks.jsonl").symlink_to(target)
    with pytest.raises(TrtbenchError, match=r"blocks.jsonl: cannot be written: Too many levels of symbolic"):
        new_journal(tmp_path / "blocks.jsonl")
    assert target.read_text() == "the last line has no end"


def test_shards_lie_beside_their_index(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for name in ("../secret.safetensors", "/etc/passwd", "deep/x.safetensors"):
        index.write_text(f'{{"weight_map": {{"w": "{name}"}}}}')
        with pytest.raises(TrtbenchError, match="is not beside it, as a shard must be"):
            weight_files(index)
