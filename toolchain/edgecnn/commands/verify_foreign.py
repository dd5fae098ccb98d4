"""What ``edgecnn verify --artifact`` was asked for: files that edgecnn did not make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import data_section
from edgecnn.commands.verify import check_folder_of, earlier, readers_of, with_limits
from edgecnn.errors import EdgeError, LabelsError, SourceModelError, UsageError
from edgecnn.files import file_digest
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_runner.contract import INPUT_RANGES, is_range
from edgecnn_runner.input_options import RANGES_EXPECTED, Preprocessing
from edgecnn_runner.labels import read_labels

if TYPE_CHECKING:
    from edgecnn.devices import DeviceOptions
    from edgecnn.recipe.load import Data
    from edgecnn.verify import ForeignReference, ParityReport
    from edgecnn.verify.plan import Planned
    from edgecnn.verify.results import ArtifactRow

_REPORTS: Final = "parity"


@dataclass(frozen=True, kw_only=True)
class ForeignRequest:
    """What ``edgecnn verify --artifact`` was asked for.

    Attributes:
        artifacts: Files that edgecnn did not make; all are fed and read alike.
        reference: The float model: what ``convert`` takes, or a float ``.tflite`` or ``.onnx``.
        data: A folder of class folders, ``cifar10`` or ``digits``.
        labels: File with class names in the artifacts' output order.
        preprocessing: How the artifacts are fed; its range is needed. Images are brought to size
            by its rule for the reference, too.
        output_kind: What scores are that do not tell.
        layout: The order of an input's axes where its shape does not tell.
        reference_range: What the reference wants pixels turned into; None for what its own layers
            say, else the artifacts' range.
        reference_labels: File with class names in the reference's output order; None for the
            artifacts'.
        images: How many images; None for all.
        limits: Limits that replace the defaults; None leaves one as it is.
        groups: A table of groups of images to compare; None for none.
        threads: Threads of each runtime.
        out: Folder for the reports; None for ``parity/`` and the first artifact's name.
        junit: Where to write the verdicts as JUnit XML, too.
        markdown: Where to write a summary as Markdown, too.
        baseline: An earlier verification to compare with; None for none.
        device: Where to run the artifacts; None for here.
        scores: The user's own scores of the images, to compare the reference's with.
    """

    artifacts: tuple[Path, ...]
    reference: Path
    data: str
    labels: Path
    preprocessing: Preprocessing
    output_kind: str | None = None
    layout: str | None = None
    reference_range: str | None = None
    reference_labels: Path | None = None
    images: int | None = None
    limits: Mapping[str, float | str | None] = field(default_factory=dict)
    groups: Path | None = None
    threads: int = 1
    out: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    baseline: Path | None = None
    device: DeviceOptions | None = None
    scores: Path | None = None

    @property
    def input_range(self) -> str:
        """What the artifacts want pixels turned into."""
        found = self.preprocessing.input_range
        assert found is not None  # noqa: S101 - the command line needs it
        return found


def verify_foreign(
    request: ForeignRequest, *, progress: Progress = NO_PROGRESS
) -> tuple[ParityReport, Path]:
    """Verify files that edgecnn did not make.

    What is cheap to check is checked first: the files are tried before a float model is loaded,
    and the model before images are read.

    Args:
        request: What to verify, and how.
        progress: Shows images.

    Returns:
        The report, and where it can be read as a page; see ``edgecnn.commands.verify.verify``.

    Raises:
        EdgeError: See ``edgecnn_runner.foreign``, ``edgecnn.convert.ReferenceModel``,
            ``edgecnn.data.load_judged_images`` and ``edgecnn.verify.run_foreign``.
    """
    from edgecnn import verify as stage
    from edgecnn.data import load_judged_images
    from edgecnn.data.own_scores import read_scores
    from edgecnn.recipe.sections import Limits
    from edgecnn.verify.recording import refuse_build

    _check_range("--input-range", request.input_range)
    _check_range("--reference-range", request.reference_range)
    check_folder_of("--junit", request.junit)
    check_folder_of("--markdown", request.markdown)
    out = request.out or Path(_REPORTS) / request.artifacts[0].name
    refuse_build(out)
    limits = with_limits(Limits(), request.limits)
    groups = None if request.groups is None else stage.read_groups(request.groups)
    labels = read_labels(request.labels)
    # Before this verification writes its own, which may be the same file.
    before = None if request.baseline is None else earlier(request.baseline)
    artifacts, size = _artifacts(request, labels)
    reference = _reference(request, labels, size, progress)
    section = _section(request, size)
    data = load_judged_images(section, size, progress=progress).in_order_of(labels)
    again, decoded = readers_of(section, None, size)
    own = None if request.scores is None else read_scores(request.scores, labels, data.images.ids)
    progress.message(f"verify: {len(data.images):,} images of {data.name}, {data.rule}")
    report = stage.run_foreign(
        artifacts,
        reference,
        data,
        limits=limits,
        out=out,
        images=request.images,
        threads=request.threads,
        junit=request.junit,
        markdown=request.markdown,
        baseline=before,
        device=request.device,
        groups=groups,
        again=again,
        own_scores=own,
        decoded=decoded,
        progress=progress,
    )
    return report, Workspace(out).path(stage.report_names(partial=False, device=report.device)[1])


def _check_range(option: str, name: str | None) -> None:
    if name is not None and not is_range(name):
        raise UsageError(
            f"{option} is not a range that edgecnn knows",
            observed=name,
            expected=RANGES_EXPECTED if option == "--input-range" else ", ".join(INPUT_RANGES),
            remedy="name the range of the values that the model was trained on",
        )


def _artifacts(
    request: ForeignRequest, labels: tuple[str, ...]
) -> tuple[list[Planned | ArtifactRow], tuple[int, int, int]]:
    """Try each file in another process; return what to run, and the size of its images.

    Raises:
        EdgeError: If there is only one file, or none that can be run, or something has to be said
            by a flag.
        UsageError: If two files take images of different sizes.
    """
    from edgecnn.verify.foreign.files import Told, contract_of
    from edgecnn.verify.plan import Planned
    from edgecnn.verify.rows import failed_row

    told = Told(
        labels=labels,
        input_range=request.input_range,
        output_kind=request.output_kind,
        layout=request.layout,
        resize=request.preprocessing.resize,
    )
    found: list[Planned | ArtifactRow] = []
    sizes: dict[tuple[int, int, int], Path] = {}
    problems: list[EdgeError] = []
    for path in request.artifacts:
        try:
            contract = contract_of(path, told)
        except UsageError:
            raise
        except EdgeError as error:
            problems.append(error)
            found.append(failed_row(path.stem, str(path), path, error))
            continue
        spec = contract.input
        sizes.setdefault((spec.height, spec.width, spec.channels), path)
        if any(one.variant == contract.variant for one in found):
            # So that two rows are told apart where only this is shown.
            contract = replace(contract, variant=f"{contract.variant} {path.name}")
        found.append(
            Planned(variant=contract.variant, file=str(path), path=path, contract=contract)
        )
    if not sizes:
        raise problems[0]
    if len(sizes) > 1:
        raise UsageError(
            "the artifacts take images of different sizes",
            observed="; ".join(f"{path}: {size}" for size, path in sizes.items()),
            expected="one height, width and number of channels",
            remedy="verify them one after another",
        )
    return found, next(iter(sizes))


def _reference(
    request: ForeignRequest,
    labels: tuple[str, ...],
    size: tuple[int, int, int],
    progress: Progress,
) -> ForeignReference:
    from edgecnn.verify import ForeignReference
    from edgecnn.verify.foreign.files import ReferenceFile, Told, is_model_file, reference_contract

    path = request.reference
    own = None if request.reference_labels is None else read_labels(request.reference_labels)
    if is_model_file(path):
        told = Told(
            labels=own or labels,
            input_range=request.reference_range or request.input_range,
            output_kind=request.output_kind,
            layout=request.layout,
            resize=request.preprocessing.resize,
        )
        contract = reference_contract(path, told, range_given=request.reference_range is not None)
        spec = contract.input
        _check_size(path, (spec.height, spec.width, spec.channels), size)
        return ForeignReference(
            model=ReferenceFile(path, contract, threads=request.threads),
            name=str(path),
            title=path.name,
            sha256=file_digest(path),
            labels=contract.labels,
            range_given=request.reference_range is not None,
        )
    from edgecnn import convert

    source = convert.find_source(path, labels=own, input_range=request.reference_range)
    progress.message(f"verify: loading {source.path}")
    try:
        model = convert.ReferenceModel(source, otherwise=request.input_range)
    except UsageError as error:
        raise _of_reference(path, error) from error
    _check_size(path, model.size, size)
    names = source.labels or labels
    if len(names) != model.classes:
        raise LabelsError(
            f"{path} does not have one output per label",
            observed=f"{model.classes} outputs, {len(names)} labels",
            expected="as many labels as outputs, in output order",
            remedy="give the labels that the model was trained with: --labels FILE, or "
            "--reference-labels FILE for the reference",
        )
    return ForeignReference(
        model=model,
        name=str(path),
        title=re.sub(r"/+$", "", str(path.name)) or str(path),
        sha256=source.sha256,
        labels=names,
        range_given=source.input_range is not None,
    )


def _of_reference(path: Path, error: UsageError) -> UsageError:
    """Return an error about a source's range as one about the reference's."""

    def renamed(text: object) -> str:
        return str(text).replace("--input-range", "--reference-range")

    return UsageError(
        f"the reference {path}: {renamed(error.problem)}",
        observed=renamed(error.observed),
        expected=renamed(error.expected),
        remedy=renamed(error.remedy),
    )


def _check_size(
    path: Path, found: tuple[int | None, int | None, int], size: tuple[int, int, int]
) -> None:
    if any(side not in (None, wanted) for side, wanted in zip(found, size, strict=True)):
        raise SourceModelError(
            f"the reference {path} takes images of another size than the artifact",
            observed=f"height, width, channels {found}",
            expected=f"{size}",
            remedy="name the float model that the artifact was made from: --reference FILE",
        )


def _section(request: ForeignRequest, size: tuple[int, int, int]) -> Data:
    from edgecnn.recipe.load import Data

    shape = (None, None, size[2])
    return Data.model_validate(data_section(request.data, shape, request.preprocessing.resize))
