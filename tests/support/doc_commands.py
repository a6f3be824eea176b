"""Commands that the documentation shows, and smaller ones in their place that a test can run in seconds."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in (ROOT / "docs").glob("**/*.md") if "benchmarks" not in page.parts),
]
MARK = re.compile(
    r"needs (?:a GPU|a container engine|a cluster|the network|Nsight Systems)|takes (?:minutes|25 GB)"
)
"""What a comment on a command says if no test runs it as it stands."""

LARGE = re.compile(r"(?:vit|deit3?)_(?:small|base|large)_\w+")
TINY = "vit_tiny_patch16_224"
FREE = ("roofline", "gpus", "passes")
"""Commands that compile nothing and take no time."""
STAND_INS = {
    "--batch": {"1:8:64": "1:2:4", "1": "1", "8": "8"},
    "--img-size": {"224,448": "64,96", "224,384": "64,96"},
    "--token-reduction": {"tome:r=8": "tome:r=8"},
}
"""Values of options that take long, and smaller ones; others become the value of ``SHORT``."""
SHORT = {
    "--batch": "2",
    "--img-size": "64",
    "--token-reduction": "evit:keep=0.5,at=0",
    "--data-samples": "6",
    "--duration-s": "0.1",
    "--processes": "1",
    "--aa": "2",
}
"""What options become that a command names and that take long."""
DEFAULTS = {
    "MODEL": TINY,
    "SET": "depth=1",
    "BATCH": "2",
    "DURATION_S": "0.1",
    "PROCESSES": "1",
    "WARMUP_MS": "10",
}
"""What options are that a command does not name: variables of the environment give them."""


@dataclass(frozen=True)
class Shown:
    """A command of a page.

    Attributes:
        page: path of the page from the root.
        line: where its block begins.
        text: the command on one line, without its prompt and its comment.
        mark: why no test runs it as it stands; empty if one does.
        code: the exit code that the page says it has.
        output: what the page shows of its output, one text between two ``...``.
    """

    page: str
    line: int
    text: str
    mark: str
    code: int
    output: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def shown(page: Path) -> Iterator[Shown]:
    """Commands in the blocks ``bash`` and ``console`` of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(r"^```(bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = re.sub(r"\\\n\s*", " ", block[2]).splitlines()
        place = (str(page.relative_to(ROOT)), text.count("\n", 0, block.start()) + 1)
        of_block = _mark(lines[0]) if lines[0].startswith("#") else ""
        prompt = "$ " if block[1] == "console" else ""
        for number, line in enumerate(lines):
            command, _, comment = line.partition("  #")
            if command.startswith(prompt) and command.strip() and not re.match(r"#|\$ echo", command):
                code = _code(lines[number + 1 :]) if prompt else _code_of(comment)
                output = _output(lines[number + 1 :]) if prompt else ()
                bare = command.removeprefix(prompt).strip()
                yield Shown(*place, bare, _mark(comment) or of_block, code, output)


def unlabelled(page: Path) -> list[str]:
    """Lines of other blocks that look like commands, which no test would see."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?!bash|console)(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    start = re.compile(r"^(?:\$ |uv |pip |python3? |trtbench \w+ )")
    return [line for _, body in blocks for line in body.splitlines() if start.match(line)]


def _mark(comment: str) -> str:
    found = MARK.search(comment)
    return found[0] if found else ""


def _code(following: Sequence[str]) -> int:
    """The number behind ``echo $?`` where that is the next command; else success."""
    asked = next((number for number, line in enumerate(following) if line.startswith("$ ")), None)
    if asked is None or "echo $?" not in following[asked]:
        return 0
    return int(following[asked + 1])


def _output(following: Sequence[str]) -> tuple[str, ...]:
    """Texts between ``...``, up to the next prompt."""
    end = next((number for number, line in enumerate(following) if line.startswith("$ ")), len(following))
    texts = re.split(r"^\.\.\.$", "\n".join(following[:end]), flags=re.MULTILINE)
    return tuple(text for text in texts if text.strip())


def _code_of(comment: str) -> int:
    found = re.search(r"exit code (\d+)", comment)
    return int(found[1]) if found else 0


def words(command: Shown) -> list[str]:
    """Arguments of ``trtbench``; empty for another program, and for what only a shell understands."""
    if " > " in command.text:
        return []
    text = command.text.removeprefix("pip install uv && ").removeprefix("uv run ")
    found = shlex.split(text)
    return found[1:] if found[:1] == ["trtbench"] else []


def in_small(arguments: Sequence[str]) -> list[str]:
    """A command of trtbench with a tiny model, small batches and short measurements where it names others."""
    if arguments[0] in FREE:
        return list(arguments)
    small: list[str] = []
    for word in arguments:
        option = small[-1] if small else ""
        if option in SHORT:
            word = STAND_INS.get(option, {}).get(word, SHORT[option])
        small.append(LARGE.sub(TINY, word) if "/" not in word else word)
    return small


def defaults(arguments: Sequence[str]) -> dict[str, str]:
    """Variables that make a command small where it leaves options out; ``--set`` is for models of timm."""
    if arguments[0] in FREE:
        return {}
    others = any(re.search(r"\.onnx$|/$|^\w+(?:\.\w+)+:", word) for word in arguments)
    given = {name: value for name, value in DEFAULTS.items() if name != "SET" or not others}
    return {f"TRTBENCH_{arguments[0].replace('-', '_').upper()}_{name}": given[name] for name in given}
