"""The figures of an export made ready for the page: drawings, and the tables that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipersr_build.evidence import Evidence, Latency, PackageRecord
from pipersr_build.evidence.figures import Histogram, Roof
from pipersr_build.report import histogram_chart, latency_chart, roofline_chart
from pipersr_build.report.graph_view import GraphView, graph_views
from pipersr_build.report.peers_chart import PeerGroup, peer_groups, peers_chart
from pipersr_build.report.roofline_chart import Case


@dataclass(frozen=True)
class PeersView:
    """One test set: the figures and their chart."""

    group: PeerGroup
    svg: Markup


@dataclass(frozen=True)
class LatencyView:
    """The latency on every chip of a package, and of all others whose bands are the same."""

    labels: tuple[str, ...]
    bands: tuple[Latency, ...]
    svg: Markup

    def on(self, chip: str) -> Latency | None:
        """The band on one chip."""
        return next((band for band in self.bands if band.chip == chip), None)


@dataclass(frozen=True)
class RooflineView:
    """The chart, its packages, and the roofs of all chips."""

    chip: str
    cases: tuple[Case, ...]
    roofs: tuple[Roof, ...]
    svg: Markup


@dataclass(frozen=True)
class ActivationsView:
    """Two charts, all operations' values together, and each one's with its zeros and subnormal numbers."""

    total: Histogram
    subnormal: float
    rows: tuple[tuple[Histogram, float, float], ...]
    svg: Markup
    each: Markup


@dataclass(frozen=True)
class Figures:
    """All of them; what the record does not hold is empty or None."""

    peers: tuple[PeersView, ...]
    graphs: tuple[GraphView, ...]
    latencies: tuple[LatencyView, ...]
    chips: tuple[str, ...]
    roofline: RooflineView | None
    activations: ActivationsView | None

    @property
    def silent(self) -> list[str]:
        """Chips whose rates are known, and that have no band: what Core ML chooses there is not."""
        roofs = self.roofline.roofs if self.roofline else ()
        return [roof.chip for roof in roofs if roof.chip not in self.chips]


def figures_of(evidence: Evidence) -> Figures:
    """The figures of one record."""
    latencies = _latencies(evidence.packages)
    chips = dict.fromkeys(band.chip for view in latencies for band in view.bands)
    return Figures(
        peers=tuple(_peers(group, number) for number, group in enumerate(peer_groups(evidence.peers), 1)),
        graphs=tuple(graph_views(evidence.packages)),
        latencies=latencies,
        chips=tuple(chips),
        roofline=_roofline(evidence),
        activations=_activations(evidence),
    )


def _peers(group: PeerGroup, number: int) -> PeersView:
    return PeersView(group, Markup(peers_chart(group, key=f"peers-{number}")))  # safe: charts escape


def _latencies(packages: Sequence[PackageRecord]) -> tuple[LatencyView, ...]:
    known = [package for package in packages if package.latencies]
    if not known:
        return ()
    within = latency_chart.common_range([band for package in known for band in package.latencies])
    alike: dict[object, list[PackageRecord]] = {}
    for package in known:
        bands = tuple(band.model_dump_json() for band in package.latencies)
        alike.setdefault((bands, package.contract, _chip(package)), []).append(package)
    return tuple(
        LatencyView(
            tuple(package.label for package in group),
            tuple(group[0].latencies),
            _latency(group[0], within, f"latency-{number}"),
        )
        for number, group in enumerate(alike.values(), 1)
    )


def _chip(package: PackageRecord) -> str:
    """The chip that a package was placed for; empty where no latency is known on it."""
    placed = package.placement.latency if package.placement is not None else None
    return placed.chip if placed is not None else ""


def _latency(package: PackageRecord, within: tuple[float, float], key: str) -> Markup:
    svg = latency_chart.latency_chart(
        package.latencies,
        within,
        key=key,
        title=package.label,
        chosen=_chip(package),
        video=package.contract == "video",
    )
    return Markup(svg)  # safe: charts escape


def _roofline(evidence: Evidence) -> RooflineView | None:
    chip, cases = roofline_chart.cases(evidence.packages)
    roofs = roofline_chart.shown_roofs(evidence.roofs, chip)
    if not cases or not roofs or roofs[0].chip != chip:
        return None
    svg = Markup(roofline_chart.roofline_chart(cases, roofs, key="roofline"))  # safe: charts escape
    return RooflineView(chip, tuple(cases), tuple(evidence.roofs), svg)


def _activations(evidence: Evidence) -> ActivationsView | None:
    found = evidence.activations
    if found is None or not found.operations:
        return None
    whole = histogram_chart.total(found)
    return ActivationsView(
        total=whole,
        subnormal=histogram_chart.subnormal_share(whole, found.first),
        rows=tuple(histogram_chart.rows(found)),
        svg=Markup(histogram_chart.histogram_chart(found, key="activations")),  # safe: charts escape
        each=Markup(histogram_chart.ridge_chart(found, key="activations-each")),
    )
