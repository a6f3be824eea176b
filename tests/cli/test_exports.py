"""Results as files: every command writes them; one that cannot be written is refused before any work."""

import csv
import json
from pathlib import Path

import pytest
from support.scripted import FAST, write_script

import trtbench as tb
from trtbench.cli.app import COMMANDS, load_command
from trtbench.predict.listing import list_gpus

OPTIONS = {"--export-markdown", "--export-csv", "--export-json"}


def rows_of(name):
    return list(csv.DictReader(Path(name).read_text().splitlines()))


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb != "report"])  # whose result is a file
def test_every_command_has_them(verb):
    assert {option for parameter in load_command(verb).params for option in parameter.opts} >= OPTIONS


def test_files_hold_what_is_printed(trtbench):
    files = ("--export-markdown", "g.md", "--export-csv", "g.csv", "--export-json", "g.json")
    code, out, err = trtbench("gpus", "--json", *files)
    assert (code, err) == (0, "")
    assert Path("g.json").read_text() == out
    names = [gpu["name"] for gpu in json.loads(out)["gpus"]]
    assert [row["name"] for row in rows_of("g.csv")] == names
    assert [line.split(" | ")[0] for line in Path("g.md").read_text().splitlines()[4:]] == [
        f"| {name}" for name in names
    ]
    assert sorted(map(str, Path().iterdir())) == ["g.csv", "g.json", "g.md"]


def test_an_older_file_is_replaced(trtbench):
    Path("g.md").write_text("old")
    assert trtbench("gpus", "--export-markdown", "g.md")[0] == 0
    assert Path("g.md").read_text().startswith("gpu list\n")


def test_a_failed_row_is_written_too(trtbench, tmp_path):
    bad = write_script(tmp_path, "bad", failure={"at": "load", "how": "out_of_memory"})
    code, _, _ = trtbench("bench", bad, "--runtime", "fake", *FAST, "--export-csv", "bad.csv")
    (row,) = rows_of("bad.csv")
    assert (code, row["status"], row["code"]) == (1, "failed", "GPU_OUT_OF_MEMORY")


def test_what_was_timed_can_be_compared_from_anywhere(trtbench, tmp_path):
    scripts = write_script(tmp_path, "slow", 1.5), write_script(tmp_path, "fast", 1.2)
    (tmp_path / "far").mkdir()
    timing = ("--runtime", "fake", "--store", "st", *FAST)
    assert trtbench("compare", *scripts, *timing, "--export-json", "far/one.json")[0] == 0
    assert trtbench("bench", scripts[0], *timing, "--export-json", "far/two.json")[0] == 0
    files = ("far/one.json", "far/two.json")
    code, _, err = trtbench("compare", "--from", *files, "--export-json", "both.json")
    assert code == 0, err
    both = tb.load("both.json")
    assert [row.key for row in both.rows] == ["slow in one", "fast", "slow in two"]
    assert all(Path(row.measured.raw).is_file() for row in both.rows)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nowhere/g.csv", "nowhere/g.csv: cannot be written: No such file or directory; name another file"),
        ("folder", "folder: a folder; name a file to write"),
        ("/dev/null", "/dev/null: not a regular file; name a file to write"),
        ("plain/g.csv", "plain/g.csv: cannot be written: Not a directory"),
        ("x" * 252, "cannot be written: File name too long"),
        ("/proc/g.csv", "/proc/g.csv: cannot be written: "),
    ],
)
@pytest.mark.parametrize("option", ["--export-csv", "--export-json"])
def test_a_file_that_cannot_be_written_is_refused_before_any_work(trtbench, file, words, option):
    Path("folder").mkdir()
    Path("plain").write_text("")
    code, out, err = trtbench("compare", "fp16", "--model", "no-such-model", option, file)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert words in line
    assert sorted(map(str, Path().iterdir())) == ["folder", "plain"]


def test_one_file_for_two_kinds_is_refused(trtbench):
    code, out, err = trtbench("gpus", "--export-csv", "g", "--export-json", "./g")
    assert (code, out) == (2, "")
    assert err == "trtbench: error: g: named by two of the --export options; name a file for each\n"


def test_a_folder_that_is_lost_meanwhile_loses_no_result(trtbench, monkeypatch):
    Path("there").mkdir()
    listed = list_gpus()

    def lose():
        Path("there").rmdir()
        return listed

    monkeypatch.setattr("trtbench.predict.listing.list_gpus", lose)
    code, out, err = trtbench("gpus", "--json", "--export-csv", "there/g.csv")
    assert (code, out) == (1, listed.model_dump_json(indent=2) + "\n")
    assert err == "trtbench: error: there/g.csv: cannot be written: No such file or directory\n"
