"""Words of a command line that are wrong, before anything is made of them."""

from pathlib import Path

import pytest

from trtbench.errors import SpecError
from trtbench.specs_from_options import parse_overrides, read_model_entry


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: vit\nimg_size: 2024-13-45", "line 2, column 11: '2024-13-45' cannot be read as timestamp"),
        (
            "name: vit\nset: {depth: 2024-02-31}",
            "line 2, column 14: '2024-02-31' cannot be read as timestamp",
        ),
        (f"name: {'1' * 5000}", f"line 1, column 7: '{'1' * 39} cannot be read as int"),
        ("[" * 5000, "no YAML: lists and mappings are nested too deeply"),
        ("name: [", "line 1, column 8: expected the node content, but found '<stream end>'"),
        ("name: vit\noverrides: {1: 2, depth: 3}", "overrides: expected names with values"),
    ],
    ids=["month", "day", "digits", "brackets", "bracket", "number"],
)
def test_a_model_file_that_cannot_be_read_is_one_line_with_the_place(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "vit.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_model_entry(tmp_path / "vit.yaml")
    told = str(caught.value)
    assert told.startswith(f"--model {tmp_path}/vit.yaml: ")
    assert words in told
    assert "\n" not in told


@pytest.mark.parametrize("value", ["2024-13-45", "9" * 5000, "[" * 5000], ids=["month", "digits", "brackets"])
def test_a_value_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SpecError, match=r"^--set depth=.*: expected NAME=VALUE"):
        parse_overrides([f"depth={value}"])
