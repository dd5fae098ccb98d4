"""``edgecnn verify``: a parity verdict per artifact; the exit code is the gate."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from edgecnn.cli.options import (
    CropFractionOption,
    DataOption,
    DeviceOption,
    FitOption,
    IdentityOption,
    InputMeanOption,
    InputRangeOption,
    InputStdOption,
    JsonOption,
    KnownHostsOption,
    LabelsOption,
    LayoutOption,
    MinAccuracyOption,
    OutputKindOption,
    PrefixOption,
    QuietOption,
    ReferenceLabelsOption,
    ReferenceOption,
    ReferenceRangeOption,
    ResampleOption,
    ScoresOption,
    ThreadsOption,
)
from edgecnn.errors import UsageError
from edgecnn_runner.input_options import Preprocessing

ArtifactOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--artifact",
        metavar="FILE",
        help="In place of BUILD_OR_FILE: a .tflite or .onnx file that edgecnn did not make. "
        "Repeatable. Needs --reference, --data, --labels and --input-range.",
    ),
]


def verify(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="BUILD_OR_FILE", help="A build, a recipe that was built, or one artifact."
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            "--images", metavar="N", min=1, help="Use N test images, balanced. Default: all."
        ),
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            help="Largest loss of accuracy allowed, e.g. 1 or 1%. Default: the recipe's.",
        ),
    ] = None,
    min_agreement: Annotated[
        str | None,
        typer.Option(
            "--min-agreement",
            metavar="PERCENT",
            help="Least agreement in class. Default: the recipe's.",
        ),
    ] = None,
    agreement_on: Annotated[
        str | None,
        typer.Option(
            "--agreement-on",
            metavar="ANSWERS",
            help="Judge agreement on all answers, or on those that the float model holds clearly: "
            "all or clear. Default: all with --min-agreement, else the recipe's.",
        ),
    ] = None,
    max_class_drop: Annotated[
        str | None,
        typer.Option(
            "--max-class-drop",
            metavar="POINTS",
            help="Largest loss of any class. Default: the recipe's.",
        ),
    ] = None,
    min_accuracy: MinAccuracyOption = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            "--groups",
            metavar="FILE",
            help="Compare groups of images, too. A CSV file: image, then columns such as "
            "lighting. Default: the recipe's.",
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled",
            metavar="FOLDER",
            help="Judge agreement on pictures without labels, too, which also bound the loss of "
            "accuracy. Default: the recipe's.",
        ),
    ] = None,
    max_gap_increase: Annotated[
        str | None,
        typer.Option(
            "--max-gap-increase",
            metavar="POINTS",
            help="Where there are groups: how much wider a gap between two of them may be. "
            "Default: the recipe's.",
        ),
    ] = None,
    corruptions: Annotated[
        bool,
        typer.Option(
            "--corruptions",
            help="Also under noise, blur, brightness, contrast, JPEG and low light. Default: if "
            "the recipe has a limit for it.",
        ),
    ] = False,
    corruption_images: Annotated[
        int | None,
        typer.Option(
            "--corruption-images",
            metavar="N",
            min=1,
            help="Corrupt N of the images, balanced. Default: the recipe's, 1,000.",
        ),
    ] = None,
    max_corruption_drop: Annotated[
        str | None,
        typer.Option(
            "--max-corruption-drop",
            metavar="POINTS",
            help="Largest loss of accuracy under each corruption. Default: the recipe's, if any.",
        ),
    ] = None,
    save_limits: Annotated[
        bool,
        typer.Option(
            "--save-limits",
            help="Keep the limits given here in the build and its recipe; its verdicts are by them "
            "from now on.",
        ),
    ] = False,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Add images in batches and stop when the verdict is sure. For slow devices.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also compare each file with its float file layer by layer, on this machine.",
        ),
    ] = False,
    threads: ThreadsOption = 1,
    data: DataOption = None,
    scores: ScoresOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write the reports there, and leave the build as it is. Default with --artifact: "
            "parity/ and its name.",
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Also write the verdicts as JUnit XML."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Also write a summary for a pull request."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="An earlier parity.json: show what changed, and fail on what got worse.",
        ),
    ] = None,
    artifact: ArtifactOption = None,
    reference: ReferenceOption = None,
    labels: LabelsOption = None,
    input_range: InputRangeOption = None,
    input_mean: InputMeanOption = None,
    input_std: InputStdOption = None,
    fit: FitOption = None,
    crop_fraction: CropFractionOption = None,
    resample: ResampleOption = None,
    output_kind: OutputKindOption = None,
    layout: LayoutOption = None,
    reference_range: ReferenceRangeOption = None,
    reference_labels: ReferenceLabelsOption = None,
    device: DeviceOption = None,
    prefix: PrefixOption = None,
    identity: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Prove that converted files still classify like their float model.

    Exits 0 when every artifact passes, 3 when one fails, 4 when there are too few images to
    tell, 38 when one got worse than in --baseline, and 41, before all of these, when the float
    model is no better than guessing. With one file, --images, --groups, --unlabelled,
    --corruptions, --until-decided or other limits than the recipe's, the result is written beside
    the build's own verdicts, as report-partial.html; with --save-limits such limits become the
    recipe's, whatever the verdict. Where it cannot be written, the verdicts are
    shown all the same, and a PASS exits 29.

    With --device the files run there, by this machine's own runner, which is sent with them and
    removed with them; the result is written beside the build's own, with the device's name.

    With --artifact it proves files that edgecnn did not make, against a float model that you name.
    What they do not say is asked for by flags; a result that looks as if a flag were wrong is
    said to be so.

    Example: edgecnn verify models/seed_cnn --images 2000 --junit parity.xml
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.cli.tables import explain_unwritten, print_report
    from edgecnn.commands import verify as command
    from edgecnn.devices import choose_device
    from edgecnn.recipe.section import number_or_text
    from edgecnn.verify import ForeignFiles, VerifyRequest

    preprocessing = Preprocessing.of_options(
        input_range=input_range,
        input_mean=input_mean,
        input_std=input_std,
        fit=fit,
        crop_fraction=crop_fraction,
        resample=resample,
    )
    limits = {
        "max_drop": max_drop,
        "min_agreement": min_agreement,
        "agreement_on": agreement_on,
        "max_class_drop": max_class_drop,
        "max_gap_increase": max_gap_increase,
        "max_corruption_drop": max_corruption_drop,
        "min_accuracy": min_accuracy,
    }
    of_foreign = {
        "--reference": reference,
        "--labels": labels,
        "--output-kind": output_kind,
        "--layout": layout,
        "--reference-range": reference_range,
        "--reference-labels": reference_labels,
        "--data": data,
        **dict.fromkeys(preprocessing.given, True),
    }
    of_builds = {
        "--until-decided": until_decided,
        "--unlabelled": unlabelled,
        "--corruptions": corruptions,
        "--corruption-images": corruption_images,
        "--explain": explain,
        "--max-corruption-drop": max_corruption_drop,
    }
    foreign = None
    if is_foreign(target, artifact or [], of_foreign, of_builds):
        assert reference is not None  # noqa: S101 - asked for where it is missing
        assert labels is not None  # noqa: S101
        foreign = ForeignFiles(
            artifacts=tuple(artifact or ()),
            reference=reference,
            labels=labels,
            preprocessing=preprocessing,
            output_kind=output_kind,
            layout=layout,
            reference_range=reference_range,
            reference_labels=reference_labels,
        )
    request = VerifyRequest(
        target=target,
        foreign=foreign,
        data=data,
        images=images,
        limits={
            name: None if text is None else number_or_text(text) for name, text in limits.items()
        },
        save_limits=save_limits,
        groups=groups,
        unlabelled=unlabelled,
        until_decided=until_decided,
        corruptions=corruptions,
        corruption_images=corruption_images,
        explain=explain,
        threads=threads,
        out=out,
        junit=junit,
        markdown=markdown,
        baseline=baseline,
        device=choose_device(device, identity=identity, known_hosts=known_hosts, prefix=prefix),
        scores=scores,
    )
    result = command.verify(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
    else:
        print_report(out_console(), result.report, result.page)
        if result.saved_limits is not None:
            out_console().print(result.saved_limits.sentence, markup=False, soft_wrap=True)
    ending = result.error
    explain_unwritten(result.report, ending)
    exit_for(ending)


_NEEDED: Final = ("--reference", "--data", "--labels", "--input-range")
_SHAPES: Final = {
    "--reference": "FILE",
    "--data": "PATH",
    "--labels": "FILE",
    "--input-range": "0..1, for example",
}


def is_foreign(
    target: Path | None,
    artifacts: list[Path],
    options: Mapping[str, Any],
    of_builds: Mapping[str, Any],
) -> bool:
    """Tell whether files made elsewhere are meant.

    Args:
        target: A build or a file in one, as it was given.
        artifacts: Files made elsewhere, as they were given.
        options: Flag to value, of all flags that say something of files made elsewhere, and
            ``--data``; None or empty where it was not given.
        of_builds: The same of the flags that ask for what a build alone has: a calibration, a
            float file, an order of its images.

    Raises:
        UsageError: If both are given, or neither, or a flag is missing or too many.
    """
    given = {flag for flag, value in options.items() if value}
    if target is not None and artifacts:
        raise UsageError(
            "two things to verify are given",
            observed=f"{target}, and --artifact {artifacts[0]}",
            expected="a build or a file in it, or --artifact FILE",
            remedy="leave one of them out",
        )
    if target is None and not artifacts:
        raise UsageError(
            "nothing to verify is given",
            observed=" ".join(["edgecnn verify", *sorted(given)]),
            expected="a build or a file in it, or --artifact FILE for a file made elsewhere",
            remedy="name one: edgecnn verify BUILD_OR_FILE",
        )
    if artifacts:
        # A mean and a deviation are a range as well.
        there = given | ({"--input-range"} if "--input-mean" in given else set())
        missing = [flag for flag in _NEEDED if flag not in there]
        if missing:
            raise UsageError(
                f"{shlex.quote(str(artifacts[0]))} was made elsewhere: more has to be said of it",
                observed=f"no {', no '.join(missing)}",
                expected=", ".join(_NEEDED),
                remedy="give "
                + ", ".join(f"{flag} {_SHAPES[flag]}" for flag in missing)
                + "; what edgecnn converted is verified without --artifact",
            )
        builds_alone = sorted(flag for flag, value in of_builds.items() if value)
        if builds_alone:
            raise UsageError(
                f"{', '.join(builds_alone)} {'is' if len(builds_alone) == 1 else 'are'} for what "
                "edgecnn converted",
                observed=f"{shlex.quote(str(artifacts[0]))}, made elsewhere",
                expected="these only with a build or a file in it",
                remedy="leave them out, or convert the float model with edgecnn convert",
            )
        return True
    too_many = sorted(given - {"--data"})
    if too_many:
        raise UsageError(
            f"{', '.join(too_many)} {'is' if len(too_many) == 1 else 'are'} for files made "
            "elsewhere",
            observed=f"{target}, which says itself what it needs",
            expected="these only with --artifact FILE",
            remedy=f"leave them out, or write --artifact {shlex.quote(str(target))} if edgecnn did "
            "not make it",
        )
    return False
