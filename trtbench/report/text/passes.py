"""The passes as text for people."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from trtbench.results import PassList


def render_passes(listing: PassList, console: Console) -> None:
    """Print each pass: name, where it runs and for which recipes, what it does, why."""
    for description in listing.passes:
        console.print(
            Text.assemble(
                (description.name, "bold"), f"  on the {description.stage}; recipes: {description.recipes}"
            ),
            soft_wrap=True,
        )
        console.print(Padding(Text(f"{description.what} {description.why}"), (0, 0, 0, 2)))
