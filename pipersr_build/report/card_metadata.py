"""The card's front matter: the metadata that the Hugging Face Hub documents.

`datasets` is left out: it takes the Hub's identifiers, and a record names its corpus in words.
"""

import re
from typing import Any

import yaml

from pipersr_build.evidence import Evidence, Quality

_OURS = "apache-2.0"
_KNOWN = {  # identifiers of the Hub that people are likely to give
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
    "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unlicense",
}  # fmt: skip
_TAGS = ("super-resolution", "image-upscaling", "coreml", "apple-neural-engine")
_TASK = "image-to-image"


def front_matter(evidence: Evidence) -> str:
    """The YAML block at the top of the card."""
    family = evidence.model.get("family")
    fields: dict[str, Any] = {
        **_licence(evidence),
        "library_name": "coreml",
        "pipeline_tag": _TASK,
        "tags": [*_TAGS, *([_slug(str(family))] if family else [])],
    }
    results = _results(evidence)
    if results:
        fields["metrics"] = ["psnr", "ssim"]
        fields["model-index"] = [{"name": _line(evidence.name), "results": results}]
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)}---"


def _licence(evidence: Evidence) -> dict[str, str]:
    """What the export was told, else that of our own weights; of others' it is not known."""
    export = evidence.config.get("export")
    told = export.get("licence") if isinstance(export, dict) else None
    if told is None:
        return {"license": "unknown" if evidence.model.get("family") == "third_party" else _OURS}
    name = str(told).strip().lower()
    return {"license": name} if name in _KNOWN else {"license": "other", "license_name": _slug(name)}


def _results(evidence: Evidence) -> list[dict[str, Any]]:
    """An entry for each package on each test set: what was measured on this very package."""
    packages = {package.file for package in evidence.packages}
    return [_result(row) for row in evidence.quality if row.subject in packages]


def _result(row: Quality) -> dict[str, Any]:
    said = {"package": row.subject, "protocol": row.protocol, "scale": row.scale, "pictures": len(row.images)}
    values = {"psnr": ("PSNR", round(row.mean_psnr, 3)), "ssim": ("SSIM", round(row.mean_ssim, 4))}
    return {
        "task": {"type": _TASK, "name": f"Image super-resolution, {row.scale:g}x"},
        "dataset": {"type": _slug(row.dataset), "name": _line(row.dataset), "args": said},
        "metrics": [
            {"type": key, "value": value, "name": f"{name} ({row.protocol}), {_line(row.subject)}"}
            for key, (name, value) in values.items()
        ],
    }


def _slug(words: str) -> str:
    """Words as the Hub writes identifiers."""
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-") or "unnamed"


def _line(words: str) -> str:
    """Words on one line, which cannot end the block."""
    return " ".join(words.split())
