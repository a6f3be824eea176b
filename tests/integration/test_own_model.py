"""The commands of docs/how_to/own_checkpoint.md, as they stand there."""

import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

from support.own_model import draw_images, train

TEXT = (Path(__file__).parents[2] / "docs" / "how_to" / "own_checkpoint.md").read_text()
COMMANDS = re.findall(r"^\$ trtbench (.*)$", TEXT.replace("\\\n", " "), re.M)


def test_the_commands_of_the_page_lead_to_a_recommendation(
    trtbench: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    draw_images(tmp_path / "train", seed=0)
    draw_images(tmp_path / "val", seed=1)
    train(tmp_path / "train", tmp_path / "own.pt")
    compared, judged, _ = (trtbench(*shlex.split(command)) for command in COMMANDS)
    assert [compared[0], judged[0]] == [0, 0], compared
    for _, text, _ in (compared, judged):
        assert re.search(r"^recommended: take \w+: predicted .* top-1 .* \(FP32: ", text, re.M), text
    assert "note:" not in compared[1]
    rows = json.loads((tmp_path / "own.json").read_text())["rows"]
    assert [row["fidelity"]["weights"] for row in rows] == ["checkpoint"] * 2
    assert all(row["fidelity"]["top1"] > 1 / 3 and row["fidelity"]["samples"] == 30 for row in rows)
    assert [row["fidelity"]["inputs"]["directory"] for row in rows] == ["val"] * 2
    (manifest,) = (tmp_path / "models").glob("*-nvfp4-*/manifest.json")
    made = json.loads(manifest.read_text())
    assert (made["calibration"]["directory"], made["spec"]["calibration"]["directory"]) == ("train", "train")
    assert zipfile.is_zipfile(tmp_path / "own.zip")
