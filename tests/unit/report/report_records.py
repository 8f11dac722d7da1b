"""A full record with its sample pictures, and the smallest one, for the tests of the report."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipersr_build.evidence import (
    CensusComparison,
    Estimates,
    Evidence,
    Fusion,
    Gate,
    ImageQuality,
    Latency,
    LossPoint,
    Machine,
    OperationPlacement,
    PackageRecord,
    Parity,
    Placement,
    Provenance,
    Quality,
    Sample,
    Totals,
    Training,
    ValidationPoint,
    judge,
)
from pipersr_build.evidence.figures import Activations, Histogram, Node, Peer, Roof, Traffic

HELD_OUT = ["photos/harbour.webp", "photos/leaves.webp", "photos/market.webp"]
IMAGE, VIDEO = "image_128.mlpackage", "video_360p.mlpackage"
BEFORE = {"conv": 14, "batch_norm": 12, "add": 7, "silu": 6, "cast": 2, "pixel_shuffle": 1}
AFTER = {name: n for name, n in BEFORE.items() if name != "batch_norm"}


def minimal() -> Evidence:
    """A record of nothing but who wrote it."""
    return Evidence(name="bare", provenance=provenance(), model={}, config={})


def full() -> Evidence:
    """A record with every field, one gate failed, one unknown, some predicted, some not measured."""
    return Evidence(
        name="quickstart",
        provenance=provenance(),
        model={"family": "pipersr", "scale": 2, "channels": 64, "blocks": 6, "publish": None},
        weights_sha256="5e" * 32,
        config={"training": {"steps": 20_000, "seed": 1}, "export": {"sizes": ["360p"]}},
        training=training(),
        fusion=Fusion(
            parameters_before=453_388,
            parameters_after=451_852,
            batch_norms_folded=12,
            max_abs_error=3.1e-14,
        ),
        censuses=censuses(),
        packages=[package(IMAGE, "image"), package(VIDEO, "video")],
        quality=quality(),
        samples=[sample("harbour"), sample("leaves")],
        gates=gates(),
        roofs=[
            Roof(chip="M1", tflops=10.83, bandwidth=24.0, evidence="convolutions measured, memory measured"),
            Roof(chip="M3", tflops=16.77, bandwidth=24.0, evidence="convolutions measured, memory inferred"),
            Roof(chip="M4", tflops=18.5, bandwidth=24.0, evidence="convolutions measured, memory inferred"),
        ],
        activations=activations(),
        peers=peers(),
    )


def activations() -> Activations:
    counts = [0] * 40
    counts[8:28] = [10, 40, 90, 300, 900, 2_000, 6_000, 9_000, 14_000, 21_000,
                    30_000, 42_000, 50_000, 39_000, 22_000, 8_000, 2_000, 500, 60, 4]  # fmt: skip
    operations = [
        Histogram(name="conv_0", operator="conv", counts=counts, zeros=3, largest=29.73, sums=241.4),
        Histogram(name="silu_1", operator="silu", counts=counts[::-1], zeros=0, largest=9.5),
    ]
    return Activations(subject=IMAGE, runner="MIL interpreter, fp16", pictures=["harbour", "leaves"],
                       size="128x128", first=-24, operations=operations)  # fmt: skip


def peers() -> list[Peer]:
    """Two test sets: on one of them another network was measured alike."""
    alike: Any = {"parameters": 451_852, "scale": 2, "protocol": "y_float"}
    ours = {**alike, "kind": "ours", "source": "measured for this export"}
    known: Any = {"kind": "published", "scale": 2, "protocol": "PSNR-Y as published", "source": "Dong et al."}
    plain = {**ours, "kind": "bicubic", "parameters": None, "source": "MATLAB"}
    theirs = {**ours, "kind": "measured", "source": "its weights, measured"}
    return [
        Peer(network="bicubic", dataset="Set5", psnr=33.673, **plain),
        Peer(network=IMAGE, dataset="Set5", psnr=37.674, ssim=0.9594, **ours),
        Peer(network="FSRCNN", dataset="Set5", psnr=37.0, parameters=12_800, **known),
        Peer(network="PiperSR", dataset="Set5", psnr=37.604, **theirs),
        Peer(network="bicubic", dataset="BSD100", psnr=31.6, **plain),
        Peer(network=IMAGE, dataset="BSD100", psnr=32.023, **ours),
        Peer(network="FSRCNN", dataset="BSD100", psnr=31.53, parameters=12_800, **known),
    ]


def graph() -> list[Node]:
    """Head, six blocks with what they add, the long skip, tail: the network of `AFTER`, in program order."""
    kinds = ["cast", "conv", *["conv", "silu", "conv", "add"] * 6, "add", "conv", "pixel_shuffle", "cast"]
    names: dict[str, list[str]] = {kind: [] for kind in AFTER}
    for index, kind in enumerate(name for name, n in AFTER.items() for _ in range(n)):
        names[kind].append(f"{kind}_{index}")  # as in `placement`
    nodes: list[Node] = []
    for index, kind in enumerate(kinds):
        reads = [nodes[-1].name] if nodes else ["lr"]
        if kind == "add":
            reads.append(nodes[1 if index == 26 else index - 4].name)
        nodes.append(Node(name=names[kind].pop(0), operator=kind, reads=reads, shape=[1, 64, 128, 128]))
    return nodes


def latencies(factor: float) -> list[Latency]:
    return [
        Latency(chip=chip, low=ms * factor / 1.4, expected=ms * factor, high=ms * factor * 1.5, whole=True,
                bound="compute", inferred=["call"])
        for chip, ms in (("M1", 26.8), ("M4", 15.9))
    ]  # fmt: skip


def provenance() -> Provenance:
    machine = Machine(system="Linux 6.1", architecture="x86_64", processor="Xeon", cores=2, memory_gib=7.75)
    return Provenance(
        toolkit="0.1.0",
        python="3.11.7",
        torch="2.13.0",
        coremltools="9.0",
        numpy="2.4.6",
        git_commit="2a66876c0ffee2a66876c0ffee2a66876c0ffee0",
        git_dirty=True,
        created="2026-11-21T15:04:05Z",
        command="pipersr-build run experiment=quickstart training.steps=20000",
        machine=machine,
    )


def training() -> Training:
    steps = range(500, 20_001, 500)
    return Training(
        steps=20_000,
        seconds=5_025.0,
        precision="bf16",
        device="cpu",
        threads=2,
        seed=20_261_121,
        loss="L1",
        patch=48,
        batch=16,
        corpus="photos (embedded)",
        corpus_sha256="c0" * 32,
        train_images=["photos/bridge.webp", "photos/temple.webp"],
        holdout_images=HELD_OUT,
        protocol="y_float",
        curve=[LossPoint(step=s, loss=0.02 + 40 / s, learning_rate=2e-4) for s in steps],
        validation=[
            ValidationPoint(step=0, psnr=8.41),
            *(ValidationPoint(step=s, psnr=31.9 - 1_500 / s) for s in range(1_000, 20_001, 1_000)),
        ],
        weights_sha256="5e" * 32,
    )


def censuses() -> list[CensusComparison]:
    half = {name: n for name, n in BEFORE.items() if name != "cast"}
    fused = {name: n for name, n in AFTER.items() if name != "cast"}
    return [
        CensusComparison(io="float32 tensors", before=BEFORE, after=AFTER),
        CensusComparison(io="float16 tensors", before=half, after=fused),
    ]


def package(file: str, contract: Any) -> PackageRecord:
    image = contract == "image"
    runner = "MIL interpreter, fp16"
    reference = "PyTorch float32, before folding"
    return PackageRecord(
        file=file,
        contract=contract,
        input="RGB image 128x128, 8 bits" if image else "fp16 tensor 1 x 3 x 360 x 640",
        output="RGB image 256x256, 8 bits" if image else "fp16 tensor 1 x 3 x 720 x 1280",
        target="macos13",
        bytes=918_204 if image else 1_204_511,
        sha256=("a1" if image else "b2") * 32,
        census=AFTER,
        parity=[
            Parity(input="random", runner=runner, reference=reference, psnr_db=61.234, max_abs=1.0)
            if image
            else Parity(input="random", runner=runner, reference=reference, psnr_db=71.9, max_abs=9.8e-4),
            Parity(input="flat grey", runner=runner, reference=reference, psnr_db=None, max_abs=0.0),
        ],
        placement=placement().model_copy(update={"latency": latencies(0.1 if image else 1.0)[1]}),
        compute_plan=None if image else compute_plan(),
        graph=graph(),
        latencies=latencies(0.1 if image else 1.0),
        traffic=Traffic(flop=1.48e10, weights=9e5, edges=5e5 if image else 3.5e6, streamed=1.3e8),
    )


def placement() -> Placement:
    kinds = [name for name, n in AFTER.items() for _ in range(n)]
    return Placement(
        source="predicted",
        basis="rules for H16 (M4), CPU and Neural Engine",
        operations=[operation(index, kind) for index, kind in enumerate(kinds)],
        totals=Totals(expected=0.4321, engine=0.40, cpu=3.1),
        warnings=["2 casts between float32 and float16 leave the engine"],
    )


def compute_plan() -> Placement:
    kinds = [name for name, n in AFTER.items() for _ in range(n) if name != "cast"]
    changes = {"verdict": "ane", "supported": ["ane", "cpu"], "preferred": "ane", "reasons": [], "advice": []}
    planned = [operation(index, kind).model_copy(update=changes) for index, kind in enumerate(kinds)]
    planned[-1] = planned[-1].model_copy(update={"inserted": True})
    return Placement(
        source="measured", basis="the plan's preferred devices, macOS 27.0.1", operations=planned
    )


def operation(index: int, kind: str) -> OperationPlacement:
    verdict: Any = {"cast": "hard", "pixel_shuffle": "unknown", "silu": "tie"}.get(kind, "ane")
    flop = 75_497_472.0 if kind == "conv" else 1e5
    return OperationPlacement(
        output_name=f"{kind}_{index}",
        operator=f"ios16.{kind}",
        supported=["ane", "cpu"] if verdict in ("ane", "tie") else ["cpu"],
        preferred={"ane": "ane", "tie": "ane", "hard": "cpu"}.get(verdict),
        verdict=verdict,
        reasons=[] if verdict == "ane" else [f"{kind} is outside the documented table"],
        sources=["Apple, Core ML Tools guide", "https://example.org/study"],
        advice=["use float16 inputs"] if kind == "cast" else [],
        estimates=Estimates(
            flop=flop, bytes=2.1e6, intensity=flop / 2.1e6, ane_ms=0.004674, cpu_ms=0.10006, share=0.03
        ),
    )


def quality() -> list[Quality]:
    levels = {"bicubic": (29.10, 0.8731), IMAGE: (31.84, 0.9102)}
    return [
        row
        for dataset, pictures in (("held out", HELD_OUT), ("Set5", ["baby", "bird"]))
        for subject, (psnr, ssim) in levels.items()
        for row in [scores(subject, dataset, pictures, psnr, ssim)]
    ]


def scores(subject: str, dataset: str, pictures: list[str], psnr: float, ssim: float) -> Quality:
    images = [
        ImageQuality(image=name, psnr=psnr + index - (len(pictures) - 1) / 2, ssim=ssim)
        for index, name in enumerate(pictures)
    ]
    return Quality(
        subject=subject,
        dataset=dataset,
        protocol="y_float",
        scale=2,
        images=images,
        mean_psnr=psnr,
        mean_ssim=ssim,
    )


def sample(name: str) -> Sample:
    files = {kind: f"samples/{name}_{kind}.png" for kind in ("bicubic", "ours", "truth")}
    return Sample(image=name, **files, bicubic_psnr=27.31, ours_psnr=29.92)


def gates() -> list[Gate]:
    validate = f"pipersr-build validate {IMAGE}"
    return [
        judge("folded network equal, float64", "network", 3.1e-15, "at most", 1e-9, "of the largest output",
              command="pipersr-build export weights=…"),
        judge("batch norms left in the graph", IMAGE, 0, "at most", 0, "operations",
              command=f"pipersr-build verify {IMAGE}"),
        judge("parity, MIL interpreter, fp16", IMAGE, 1, "at most", 2, "levels of 255", command=validate),
        judge("parity, Core ML", IMAGE, None, "at most", 2, "levels of 255", source="not measured",
              command=validate),
        judge("parity, MIL interpreter, fp16", VIDEO, 49.997, "at least", 50, "dB",
              command=f"pipersr-build validate {VIDEO}", note="Worst of three inputs."),
        judge("ANE can run every operation", IMAGE, 1.0, "at least", 1.0, "share of operations",
              source="predicted", command=f"pipersr-build verify {IMAGE}"),
        judge("ANE can run every operation", VIDEO, None, "at least", 1.0, "share of operations",
              source="predicted", command=f"pipersr-build verify {VIDEO}", note="One operation has no rule."),
        judge("ANE residency (compute plan)", IMAGE, None, "at least", 0.99, "share of operations",
              source="not measured", command=f"pipersr-build verify {IMAGE}", note="Needs a Mac."),
    ]  # fmt: skip


def write_samples(folder: Path, size: int = 24) -> None:
    """Three small pictures for each sample of `full`: a pattern, and it with two amounts of blur."""
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:size, :size]
    truth = np.stack([rows * 9, columns * 9, (rows // 4 + columns // 4) % 2 * 200], axis=2).astype(np.uint8)
    for record in full().samples:
        for file, levels in ((record.bicubic, 16), (record.ours, 4), (record.truth, 1)):
            Image.fromarray(truth // levels * levels).save(folder / file)
