from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from report_records import full, graph

from pipersr_build.evidence.figures import Node
from pipersr_build.report.graph_layout import folded, layout
from pipersr_build.report.graph_svg import _PATTERNS, MOST_ROWS, graph_svg, swatch
from pipersr_build.report.graph_view import graph_views
from pipersr_build.report.placement_facts import ORDER

EVIL = "<script>alert(1)</script>"


def verdicts():
    return {op.output_name: op.verdict for op in full().packages[0].placement.operations}


def chain(*kinds, **reads):
    """Operations that each read the one before, but for those named."""
    nodes = []
    for index, kind in enumerate(kinds):
        before = [nodes[-1].name] if nodes else ["x"]
        nodes.append(
            Node(name=f"n{index}", operator=kind, reads=reads.get(f"n{index}", before), shape=[1, 8])
        )
    return nodes


def test_six_blocks_are_drawn_once_with_their_additions_as_arcs():
    found = layout(graph(), verdicts())
    kinds = [row.node.operator for row in found.rows]
    assert kinds == ["cast", "conv", "conv", "silu", "conv", "add", "add", "conv", "pixel_shuffle", "cast"]
    [block] = found.blocks
    assert (block.first, block.last, block.times) == (2, 5, 6)
    assert found.arcs == ((1, 5), (1, 6))
    assert found.lanes == (0, 1)
    assert found.joined == frozenset(range(10))
    assert [row.number for row in found.rows] == [1, 2, 3, 4, 5, 6, 27, 28, 29, 30]


@given(st.lists(st.integers(0, 2), max_size=40))
def test_folding_loses_nothing(signs):
    again = []
    for start, period, times in folded(signs):
        again += signs[start : start + period] * times
        assert times == 1 or period * (times - 1) >= 2
    assert again == signs


def test_what_differs_in_verdict_shape_or_connection_is_not_folded():
    plain = chain("conv", "relu", "conv", "relu", "conv", "relu")
    assert [block.times for block in layout(plain, {}).blocks] == [2]  # the first reads the input
    assert layout(plain, {"n3": "hard"}).blocks == ()
    wide = [node.model_copy(update={"shape": [1, 9]}) if node.name == "n3" else node for node in plain]
    assert layout(wide, {}).blocks == ()
    far = chain("conv", "relu", "conv", "relu", "conv", "relu", n3=["n0"])
    assert layout(far, {}).blocks == ()


def test_branches_are_arcs_that_never_lie_upon_one_another():
    found = layout(chain("a", "b", "c", "d", "e", n2=["x"], n3=["n1", "n2"], n4=["n0", "n3"]), {})
    assert found.arcs == ((-1, 2), (0, 4), (1, 3))
    assert 2 not in found.joined
    for (one, lane), (other, of) in combinations(zip(found.arcs, found.lanes, strict=True), 2):
        assert lane != of or one[1] <= other[0] or other[1] <= one[0]


def test_a_verdict_shows_in_words_and_pattern_not_in_colour_alone():
    assert len({_PATTERNS[verdict] for verdict in ORDER}) == len(ORDER)
    nodes = chain(*"abcdef")
    svg = graph_svg(layout(nodes, dict(zip(["n0", "n1", "n2", "n3", "n4", "n5"], ORDER, strict=True))),
                    key="k", title="t", description="d")  # fmt: skip
    for verdict in ORDER:
        assert f'class="op-{verdict}"' in svg
        assert f">{'ANE' if verdict == 'ane' else verdict}</text>" in svg
        assert f'class="op-{verdict}"' in swatch(verdict)


def test_packages_that_differ_in_size_only_share_a_drawing():
    record = full()
    video = record.packages[1].model_copy(update={"compute_plan": None})
    other = [node.model_copy(update={"shape": [1, 64, 360, 640]}) for node in video.graph]
    views = graph_views([record.packages[0], video.model_copy(update={"graph": other})])
    assert [view.labels for view in views] == [("image_128.mlpackage", "video_360p.mlpackage")]
    measured = graph_views(record.packages)
    assert [view.placement.source for view in measured] == ["predicted", "measured"]


def test_what_is_not_recorded_or_too_long_is_not_drawn():
    package = full().packages[0]
    assert graph_views([package.model_copy(update={"graph": []})]) == []
    assert graph_views([package.model_copy(update={"placement": None})]) == []
    long = chain(*(f"op{n}" for n in range(MOST_ROWS + 1)))
    [view] = graph_views([package.model_copy(update={"graph": long})])
    assert view.svg is None
    assert len(view.layout.rows) == MOST_ROWS + 1


def test_names_are_escaped():
    node = Node(name=EVIL, operator=EVIL, reads=[EVIL + "in"], shape=[1])
    assert "<script>" not in graph_svg(layout([node], {}), key="k", title=EVIL, description=EVIL)
