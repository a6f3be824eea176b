"""``trtbench containers`` and ``trtbench diff`` as a user meets them."""

import json
import re

from support.docker_stand_in import IMAGE, put_on_path


def test_containers_as_text(trtbench, tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch, trouble="no daemon")
    code, out, _ = trtbench("containers")
    assert code == 0
    assert "the daemon of docker does not answer" in out
    assert "tensorrt:25.11-py3" in out


def test_containers_as_json(trtbench, tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    listed = json.loads(trtbench("containers", "--json")[1])
    assert listed["engine"] == "docker 28.2.2"
    assert IMAGE in {entry["image"]["image"] for entry in listed["containers"]}


def test_a_dry_run_prints_one_command_a_line(trtbench, tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    lines = trtbench("containers", "--dry-run")[1].splitlines()
    assert f"docker pull {IMAGE}" in lines
    probe = [line for line in lines if f"{IMAGE} python3" in line and line.endswith("probe.py")]
    assert len(probe) == 1
    assert probe[0].startswith("docker run --rm")


def test_diff_refuses_what_is_no_engine(trtbench, tmp_path):
    for word, words in (("gone/m", "gone/m: neither a path nor a recipe"), ("nothing", "recipe 'nothing'")):
        code, out, err = trtbench("diff", word, __file__)
        assert (code, out, words in err) == (2, "", True), err


def test_diff_says_what_to_name_instead_of_a_folder_without_an_engine(trtbench):
    code, out, err = trtbench("diff", ".", ".")
    assert (code, out) == (2, "")
    assert re.search(r"not a model or engine of a store.*name a folder under .*engines/", err), err
