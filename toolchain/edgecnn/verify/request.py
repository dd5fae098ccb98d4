"""The request for a verification, of a build or of foreign files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.devices import DeviceOptions
from edgecnn_runner.input_options import Preprocessing


@dataclass(frozen=True, kw_only=True)
class ForeignFiles:
    """Files that edgecnn did not make, and what has to be said of them.

    Attributes:
        artifacts: The files; all are fed and read alike.
        reference: The float model: what ``convert`` takes, or a float ``.tflite`` or ``.onnx``.
            None, for ``adopt`` alone, where there is none.
        labels: File with class names in the artifacts' output order.
        preprocessing: How the artifacts are fed; its range is needed. Images are brought to size
            by its rule for the reference, too.
        output_kind: What scores are that do not tell: ``logits`` or ``probabilities``.
        layout: The order of an input's axes where its shape does not tell: ``NHWC`` or ``NCHW``.
        reference_range: What the reference wants pixels turned into; None for what its own layers
            say, else the artifacts' range.
        reference_labels: File with class names in the reference's output order, or these names;
            None for the artifacts'.
    """

    artifacts: tuple[Path, ...]
    reference: Path | None
    labels: Path
    preprocessing: Preprocessing
    output_kind: str | None = None
    layout: str | None = None
    reference_range: str | None = None
    reference_labels: Path | tuple[str, ...] | None = None

    @property
    def input_range(self) -> str:
        """What the artifacts want pixels turned into."""
        found = self.preprocessing.input_range
        assert found is not None  # noqa: S101 - the command line needs it
        return found


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """What ``edgecnn verify`` was asked for; None means the recipe's own, or all.

    Attributes:
        target: A build, a recipe that was built, or an artifact; None for foreign files.
        foreign: Files that edgecnn did not make; None for a build.
        data: Folder of the images, where the build's recipe no longer finds them; of foreign files
            also ``cifar10`` or ``digits``.
        images: How many evaluation images, a class-balanced subset; None for all.
        limits: Limits that replace the recipe's or the defaults, numbers or texts such as ``1%``;
            None leaves one as it is.
        unlabelled: A folder of pictures without labels that agreement is judged on, too, in place
            of the recipe's.
        save_limits: Whether these limits become the build's own, and its recipe's.
        until_decided: Use only as many images as each verdict needs.
        groups: A table of groups of images to compare in place of the recipe's.
        corruptions: Whether to corrupt images where the recipe does not ask for it, too.
        corruption_images: How many of them, in place of the recipe's number.
        explain: Whether to compare files with their float file layer by layer, too. It changes no
            verdict, so it is no part of a stage's key.
        threads: Threads of each runtime.
        out: Folder for the reports in place of the build, which is then left as it is; of foreign
            files None for ``parity/`` and the first one's name.
        junit: Where to write the verdicts as JUnit XML, too.
        markdown: Where to write a summary as Markdown, too.
        baseline: ``parity.json`` of an earlier verification to compare with; None for none.
        device: Where to run the files; None for here.
        scores: The user's own scores of the images, to compare the float model's with.
    """

    target: Path | None = None
    foreign: ForeignFiles | None = None
    data: str | None = None
    images: int | None = None
    limits: Mapping[str, float | str | None] = field(default_factory=dict)
    save_limits: bool = False
    until_decided: bool = False
    groups: Path | None = None
    unlabelled: Path | None = None
    corruptions: bool = False
    corruption_images: int | None = None
    explain: bool = False
    threads: int = 1
    out: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    baseline: Path | None = None
    device: DeviceOptions | None = None
    scores: Path | None = None
