"""Where the error comes from: SQNR behind each transformer block."""

from collections.abc import Mapping

from trtbench.report.figures.figure import Figure, field, hover, series, short
from trtbench.results import Fidelity
from trtbench.results.rows import Row

_MOST_LINES = 12


def block_errors(found: Mapping[str, Fidelity]) -> Figure | None:
    """None where no row has errors by block; rows by name."""
    rows: list[Row] = [
        {"recipe": short(name, 40), "block": block.block, "sqnr_db": block.sqnr_db}
        for name, fidelity in list(found.items())[:_MOST_LINES]
        for block in fidelity.per_block
        if block.sqnr_db is not None
    ]
    if len({row["block"] for row in rows}) < 2:
        return None
    told_apart = series("recipe", [str(row["recipe"]) for row in rows])
    worst = min(rows, key=lambda row: float(row["sqnr_db"] or 0))
    return Figure(
        name="block-errors",
        title="Error behind each block",
        evidence=("emulated",),
        reading=f"Lowest: {worst['sqnr_db']:.1f} dB, {worst['recipe']}, behind block {worst['block']}.",
        alt="Lines: SQNR of the residual stream in dB behind each block, one line a recipe.",
        rows=rows,
        spec={
            "height": 280,
            "encoding": {
                "x": {"field": "block", "type": "ordinal", "axis": {"labelAngle": 0}},
                "y": field("sqnr_db", "SQNR, dB", scale={"zero": False}),
                "color": told_apart["color"],
            },
            "layer": [
                {"mark": {"type": "line", "strokeWidth": 2}},
                {
                    "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                    "encoding": {"shape": told_apart["shape"], "tooltip": hover(rows, sqnr_db=".1f")},
                },
            ],
        },
    )
