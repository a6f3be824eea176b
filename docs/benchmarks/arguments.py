"""Arguments of the scripts beside this one: ``--help`` shows what a script says of itself."""

import argparse


def parse(description: str | None, *names: str) -> argparse.Namespace:
    """Read the arguments ``names``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in names:
        parser.add_argument(name)
    return parser.parse_args()
