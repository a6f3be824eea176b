"""A packed engine as text for people."""

from pathlib import Path

from rich.console import Console

from trtbench.results import Pack
from trtbench.units import format_bytes


def render_pack(pack: Pack, path: Path, console: Console) -> None:
    """Print where the file lies, what is in it, and what loads it."""
    console.print(f"{path}: {format_bytes(path.stat().st_size)}", soft_wrap=True)
    for record in (pack.onnx, pack.engine, *pack.files):
        console.print(f"  {record.name}: {format_bytes(record.size_bytes)}", soft_wrap=True)
    targets = ", ".join(pack.targets)
    console.print(f"  the engine runs on {targets}, in {pack.backend} {pack.backend_version}", soft_wrap=True)
    if pack.preprocessing is None:
        console.print("  how images are prepared is not known: trtbench did not export the model")
    elif pack.preprocessing.assumed:
        console.print(
            "  how images are prepared is an assumption: put a preprocessor_config.json beside the model",
            soft_wrap=True,
        )
