"""Plain English: wording that makes a reader stop is found in all text of the project."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".md", ".py", ".toml", ".yaml", ".yml"}

PHRASES = (
    r"\b(?:has|have|had) (?:no|a) say\b",
    r"\bnobody can tell\b",
    r"\b(?:could|can) ?not be had\b",
    r"\bwithout a word\b",
    r"\b(?:is|are) none that\b",
    r"\bno YAML: ",
    r"(?<!there\s)\b(?:is|are) no (?:ONNX|YAML|JSON|multiple|checkpoint|artifact|recipe|engine of)\b",
    r"\bat hand\b(?! (?:over|off))",
    r"\b(?:step|job|run|search|process|trtbench) (?:is )?at work\b",
    r"\bcannot be told to\b",
    r"\b(?:is|are|was|were) told of\b",
    r"\b(?:trtexec|TensorRT|compiler|builder|log|NVML|driver|graph|script|build)s? (?:tells?|told)\b",
    r"\b(?:does|did|do) not tell\b(?! [\w, ]{0,30}apart)",
    r"\btells? (?:its|the) (?:layers|batch|role|precision|progress|format)\b",
    r"\bunless (?:it is )?told\b",
    r"\bheld against\b",
    r"\berrors become ours\b",
    r"\bmultiply no\b",
    r"\bmakes? nothing of\b",
    r"\bmend(?:s|ed|ing)?\b",
    r"\bshall\b",
    r"\bso it is[;.]",
    r"Error: and which\b",
    r"\bwho (?:is told|builds engines|did it|built it|has the GPU)\b",
    r"\bif it is precise sooner\b",
    r"\bbecame of which\b",
    r"\bleave it out(?:$|[\"'`.])",
    r"\b(?:is|are)_told\b|_shall_|_nobody_|_at_hand\b|_at_work\b|_no_say\b",
)
PATTERN = re.compile("|".join(PHRASES).replace(" ", " +"))


def find(text: str) -> list[tuple[int, str]]:
    """Each line number with its phrase; a phrase may be broken over lines of prose."""
    unbroken = re.sub(r"\n", " ", re.sub(r"\n[ \t#]*", lambda gap: "\n" + " " * (len(gap[0]) - 1), text))
    return [(text.count("\n", 0, hit.start()) + 1, hit[0]) for hit in PATTERN.finditer(unbroken)]


def test_no_text_has_wording_that_makes_a_reader_stop() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    texts = {
        path: path.read_text()
        for path in paths
        if path.suffix in SUFFIXES and path != Path(__file__).resolve()
    }
    assert len(texts) > 100
    found = [
        f"{path.relative_to(ROOT)}:{line}: {phrase}"
        for path, text in texts.items()
        for line, phrase in find(text)
    ]
    assert not found, "\n".join(found)


def test_a_phrase_is_found_with_its_line() -> None:
    assert find("one\n# this has no\n# say\nfour") == [(2, "has no   say")]
    assert find("it cannot be told apart; there is no recipe") == []
