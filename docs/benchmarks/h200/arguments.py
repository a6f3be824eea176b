"""Arguments of the scripts beside this one, which all need a GPU."""

import argparse
import sys


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows what a script says of itself."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def check_gpu() -> None:
    """End with one line where torch finds no GPU."""
    import torch

    if not torch.cuda.is_available():
        sys.exit(f"{sys.argv[0]}: needs an NVIDIA GPU, and torch {torch.__version__} finds none")
