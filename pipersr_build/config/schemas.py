"""The settings and their defaults, as typed schemas; `conf/` holds only what differs from the defaults."""

from dataclasses import dataclass, field
from typing import Any

from pipersr_build.config.bench import BenchConfig
from pipersr_build.config.publish import PublishConfig
from pipersr_build.config.serve import ServeConfig
from pipersr_build.config.upscale import UpscaleConfig


@dataclass
class DataConfig:
    """Which pictures to train on and which to hold out."""

    corpus: str = "photos"  # photos: shipped with scikit-image; folder: any tree of images; see conf/data
    folder: str | None = None  # where the images are; div2k, df2k: if they are already on the disk
    holdout: Any = 10  # how many, taken evenly; or a list of names; or a file of them; null: the corpus' own
    root: str = "data"  # downloads, unpacked images and packed corpora live here
    lr: str = "once"  # once: LR pictures are made when the corpus is prepared; fly: for each patch
    reductions: list[float] = field(default_factory=list)  # also train on copies reduced by these factors
    reductions_least: int = 256  # HR pixels that a copy's smaller edge has at least
    emphasis: Any = None  # {folder of the corpus: how much more often its pictures are sampled}
    skip_broken: bool = False  # go on without images that cannot be read, naming them
    skip_small: bool = False  # train without the pictures that are smaller than a patch
    verify: bool = False  # prepare: read the packed pictures back and make damaged ones again
    workers: int | None = None  # processes that prepare; None: one per core
    mirror: str | None = None  # http(s) folder to download the archives from instead of their own addresses
    archives: str | None = None  # another table of archives, in the form of data/archives.toml
    resident: bool = False  # keep the corpus in the training device's memory and cut patches there
    degradations: Any = field(default_factory=list)  # between HR and LR: [{kind: blur, …}, …]; none: bicubic


@dataclass
class TrainingConfig:
    """How to train. Defaults are the quickstart's."""

    steps: int = 700  # of the optimiser
    batch: int = 16  # patches in an optimiser step, over all processes
    patch: int = 32  # LR pixels
    stages: Any = None  # {from step: [patch, batch]}: other sizes later on (progressive patch size)
    accumulate: int = 1  # parts that a batch is computed in, to save memory
    form: str = "as_is"  # as_is; frozen: batch norms keep the statistics of `initial`; folded: train without
    # batch norms, put measured ones in at the end; quantized: in simulated 8 bits, from `initial`
    start: str = "nearest"  # how new weights begin: see models.start
    initial: str | None = None  # weights to begin with instead (fine-tuning)
    teacher: str | None = None  # weights of a larger network to learn from as well
    teacher_weight: float = 0.5  # of the L1 distance to the teacher's output
    loss: Any = "l1"  # l1, charbonnier, mse, fft, or a mapping from these to weights
    optimizer: str = "adam"  # adam, adamw, muon (hidden kernels by Muon, the rest by Adam)
    learning_rate: float = 2e-3  # the peak
    beta2: float = 0.99  # of Adam's second moment; 0.999 is the method's own
    weight_decay: float = 0.0  # adamw, and Muon's kernels
    schedule: str = "cosine"  # cosine, multistep, linear, constant
    warmup: int = 20  # steps of linear warm-up
    milestones: Any = field(default_factory=list)  # multistep: the steps at which gamma is applied
    gamma: float = 0.5  # multistep: what the rate is multiplied by at each milestone
    decay_from: float = 0.5  # linear: the share of the steps after which the rate falls
    clip_gradient: float = 1.0  # norm; 0 switches it off
    ema: float = 0.0  # decay of the averaged weights, which are then the ones judged and kept; 0: none
    precision: str = "auto"  # auto: bf16 where the processor has it, else fp32
    compile: str = "auto"  # torch.compile: auto (on a CUDA GPU), on, graphs (with CUDA graphs), off
    accelerator: str = "auto"  # auto, cpu, gpu
    devices: int = 1  # processes on each node
    nodes: int = 1  # machines
    threads: int | None = None  # None: torch's own choice
    validate_every: int = 100  # steps
    checkpoint_every: int = 100  # steps
    log_every: int = 10  # steps
    keep_best: int = 1  # best weights by held-out PSNR that are kept; 0 keeps and publishes the last
    samples: bool = False  # a sheet of held-out crops at every validation
    logs: Any = field(default_factory=lambda: ["csv"])  # csv, tensorboard, wandb


@dataclass
class ImageExport:
    """The tile package: 8-bit RGB in and out, for any picture by tiling."""

    enabled: bool = True  # make it
    tile: int = 128  # LR pixels, square


@dataclass
class VideoExport:
    """The frame packages: Float16 tensors of one locked size each."""

    enabled: bool = True  # make them
    size: Any = "360p,480p,540p"  # names or WxH, as a list or separated by commas
    state: bool = False  # packages that remember the frame before: its state goes in and out (paragonsr2)
    bundle: bool = False  # one package with a function for each size, in place of one package for each


@dataclass
class ExportConfig:
    """Which packages to make."""

    image: ImageExport = field(default_factory=ImageExport)
    video: VideoExport = field(default_factory=VideoExport)
    formats: Any = field(default_factory=lambda: ["coreml"])  # also onnx, coreai; see docs/how_to/formats.md
    rewrite: bool = True  # replace operations that the ANE refuses by exact equivalents
    compress: Any = field(default_factory=list)  # smaller versions too: int8, palette8, palette6, palette4,
    # w8a8
    calibration: str | None = None  # for w8a8: folder of pictures as the package will get them
    keep_fp16: str = "ends"  # for w8a8: convolutions that stay in fp16 (none, first, ends: first and last)
    author: str = "pipersr-build"  # written into the packages
    licence: str | None = None  # written into them; None: what is known of the weights' licence
    version: str = "1.0"  # written into them


@dataclass
class TargetConfig:
    """The oldest system that the packages must run on."""

    deployment: str = "macOS13"  # or an iOS; each with the other of the same year


@dataclass
class PlacementConfig:
    """The engine whose rules are applied, and what `export` asks of a package."""

    chip: str = "h16"  # ANE family: h13 (A14, M1) … h16 (A17 Pro, M4) … h18 (A19, M6); or a chip's name: M4
    gate: str = "will"  # will: Core ML is expected to run all of it on the ANE; can: the ANE can run it
    compute_units: str = "cpu_and_ne"  # what Core ML may use when it is asked on a Mac; or all (with the GPU)
    timeout_s: float = 600.0  # that compiling one function for its compute plan may take
    memory_gib: float | None = None  # that it may take; three quarters of the machine's


@dataclass
class EstimateConfig:
    """What `estimate` holds variants against, and where it writes."""

    fps: float | None = None  # frames per second that video packages are to reach
    out: str | None = None  # folder for estimate.json, estimate.csv and estimate.svg; none: only the terminal


@dataclass
class CompareConfig:
    """At which size `compare` compares networks, and where it writes."""

    size: str = "360p"  # of the LR frame: a name or WxH
    out: str | None = None  # folder for compare.json, compare.svg and compare.html; none: only the terminal


@dataclass
class ValidationConfig:
    """With what `validate` runs packages on a Mac, and where it writes."""

    compute_units: str = "cpuAndNeuralEngine"  # that Core ML may use; cpuAndGPU, cpuOnly, all
    out: str | None = None  # file for what was found, as JSON; none: only the terminal


@dataclass
class EvaluationConfig:
    """What to measure quality on, and how. Without pictures: the corpus' held-out ones."""

    protocol: str = "y_float"  # y_float, y_uint8, rgb_uint8; where packages are judged also: all
    folder: Any = None  # HR pictures, a folder with HR/ and LRx2/, one with several such, or a list of these
    hr: str | None = None  # instead of folder: the true pictures …
    lr: str | None = None  # … and the small ones; without these they are made
    out: str | None = None  # where evaluate writes quality.json and quality.svg; runs/evaluation/…


@dataclass
class Config:
    """The whole configuration."""

    name: str = "quickstart"  # of the run and of the export
    seed: int = 0  # of everything random
    weights: str | None = None  # the weights to export or to validate with; None: the reference weights
    exports: str = "exports"  # folder for exports, each in a folder of its name
    runs: str = "runs"  # folder for runs, each in a folder of its name
    model: Any = None
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    estimate: EstimateConfig = field(default_factory=EstimateConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    upscale: UpscaleConfig = field(default_factory=UpscaleConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    bench: BenchConfig = field(default_factory=BenchConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)
