"""Which kernel is matched with which, on kernels made by hand."""

from trtbench.diff.align import align
from trtbench.diff.places import PlacedLayer
from trtbench.results import AuditedLayer


def kernels(*nodes: str, place: str = "fc1", role: str = "fc1", work: bool = True) -> list[PlacedLayer]:
    """One kernel for each word, of the nodes that its letters name."""
    layer = AuditedLayer(name="k", role=role, op="gemm", block=0, precision_in="fp16", precision_out="fp16")
    return [
        PlacedLayer(layer, index, 0, place, frozenset(word), frozenset(word) if work else frozenset())
        for index, word in enumerate(nodes)
    ]


def matched(before: list[PlacedLayer], after: list[PlacedLayer]) -> set[tuple[str, str]]:
    """Indices on both sides of every group."""
    return {
        ("".join(str(each.index) for each in group.before), "".join(str(each.index) for each in group.after))
        for group in align(before, after)
    }


def test_the_larger_share_of_nodes_wins_over_the_order() -> None:
    assert matched(kernels("ab", "c"), kernels("cxy", "ab")) == {("0", "1"), ("1", "0")}


def test_a_share_counts_and_not_the_size_of_what_is_shared() -> None:
    assert matched(kernels("ab", "x"), kernels("abcdefghi", "ab")) == {("0", "1"), ("1", "0")}


def test_of_a_share_alike_the_same_rank_wins_over_the_lower_index() -> None:
    assert ("1", "1") in matched(kernels("x", "yz"), kernels("yw", "zw"))


def test_of_a_rank_as_near_the_lower_index_wins() -> None:
    pairs = matched(kernels("x", "yz"), kernels("yw", "v", "zw"))
    assert any(before == "1" and after.startswith("0") for before, after in pairs)


def test_the_same_place_wins_over_the_rank() -> None:
    before = kernels("yz", "-", place="fc2")[:1] + kernels("-", "ym")[1:]
    after = kernels("yw", "-")[:1] + kernels("-", "yu", place="fc2")[1:]
    assert matched(before, after) == {("0", "1"), ("1", "0")}


def test_kernels_without_a_common_node_or_place_are_not_matched() -> None:
    assert matched(kernels("a"), kernels("b", place="fc2")) == {("0", ""), ("", "0")}


def test_kernels_of_other_roles_are_not_matched() -> None:
    assert matched(kernels("a", work=False), kernels("b", role="proj")) == {("0", ""), ("", "0")}


def test_a_kernel_without_a_partner_joins_the_one_that_shares_most_of_its_nodes() -> None:
    before = kernels("ab", "cdefgh")
    other = PlacedLayer(kernels("x", role="act")[0].layer, 2, 0, "act", frozenset("abc"), frozenset("abc"))
    assert matched(before, [*kernels("ab", "cdefgh"), other]) == {("0", "02"), ("1", "1")}


def test_a_kernel_without_nodes_or_partner_joins_the_one_in_front_of_it() -> None:
    before = kernels("a", "b", "c")
    for index in (1, 2):
        nameless = PlacedLayer(kernels("", role="reformat")[0].layer, index, 0, "r", frozenset(), frozenset())
        after = [*kernels("a", "b", "c")[:index], nameless]
        expected = {(str(each), str(each)) for each in range(index - 1)} | {
            (str(index - 1), f"{index - 1}{index}")
        }
        assert expected <= matched(before, after)


def test_the_first_kernel_has_none_in_front_of_it() -> None:
    nameless = PlacedLayer(kernels("", role="reformat")[0].layer, 0, 0, "r", frozenset(), frozenset())
    assert matched([], [nameless]) == {("", "0")}
