"""``edgecnn init`` as a function: a recipe chosen for images; and the recipe of ``demo``."""

from __future__ import annotations

import json
import math
import re
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.errors import UsageError, some_of
from edgecnn.files import wrap_os_errors
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn_runner.files import whole_file

if TYPE_CHECKING:
    from edgecnn.data import Survey

INIT_SCHEMA: Final = 1
"""Version of a result's layout in JSON."""

_COMMENTS_AT: Final = 31  # the column that the template's comments begin in
_WIDTH: Final = 100

_SIDE: Final = 96
_SIDE_OF_MANY: Final = 64
_LEAST_SIDE: Final = 8  # what both networks take
_LEAST_SIDE_OF_FINCH: Final = 64  # below it, its first step would lose too much
_FEW: Final = 2_000
_MANY: Final = 10_000
_VALIDATION: Final = 0.1  # of the training images
# Below it, the standard error of a validation accuracy is some five points, more than most epochs
# of a training differ by: to learn from them is worth more than to choose by them.
_LEAST_TO_CHOOSE_BY: Final = 100
_MEMORY: Final = 1_000_000_000  # bytes of all images, a byte a value
_SIGNS: Final = 32
# Images shown in a whole training, of 96x96 pixels: some fifteen minutes of two processor cores
# (32,400 took 490 to 520 s with validation; AMD EPYC with AVX2, TensorFlow 2.21).
_SHOWN: Final = 60_000
_WREN_COSTS: Final = 4  # times the multiply-accumulates of finch, at the same size
_LEAST_EPOCHS: Final = 10
_SHARE: Final = 0.2  # of the images, for the test, where a pretrained network is trained on
_SIDES: Final = (96, 128, 160, 192, 224)
_DEVICE_CLASSES: Final[Mapping[str, tuple[str, str, int]]] = {
    "pi-zero": ("Raspberry Pi Zero 2", "mobilenet_025", 128),
    "pi-4": ("Raspberry Pi 4", "efficientnet_lite0", 160),
    "pi-5": ("Raspberry Pi 5", "efficientnet_lite0", 224),
    "phone": ("phone", "efficientnet_lite0", 224),
}
"""What classifiers are for: what it is called, and the largest network that is chosen for it."""
_MANY_OF_A_CLASS: Final = 2_000  # enough to learn from scratch what these classes look like
_FINE_TUNED: Final = 100  # photos a class; see ``edgecnn.train.transfer``
_STARTING: Final = 12  # seconds until TensorFlow and the weights are there
# Photos of a class, and the accuracy on others: tests/benchmarks/own_photos.json.
_MEASURED: Final = ((60, 82), (150, 89))
_MOST_EPOCHS: Final = 150
# What good int8 files of own photos came to, shares of the images: answers changed, accuracy lost,
# clear answers changed (tests/benchmarks/own_photos.json; the last by hand, 1 to 2 of 90).
_GOOD_CHANGE: Final = 0.045
_GOOD_LOSS: Final = 0.008
_GOOD_CLEAR_CHANGE: Final = 0.015
_UNLUCKY: Final = 0.2  # share of test sets in which more may change than limits leave room for
_ENOUGH: Final = 1_000  # test images; the defaults are for so many and more
_DROPS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 90.0)
_AGREEMENTS: Final = (95.0, 92.0, 90.0, 85.0, 80.0, 75.0, 70.0, 60.0, 50.0, 30.0, 10.0)
_CLASS_DROPS: Final = (5.0, 8.0, 10.0, 15.0, 20.0, 25.0, 34.0, 50.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class InitResult:
    """What ``init`` made.

    Attributes:
        folder: The project's folder.
        made: The files and folders, the recipe first.
        images: Where the images are, or belong.
        survey: What the images look like; None where there are none yet.
        expected: How good a classifier of them may be, and how long its training takes; empty
            where nothing is known.
    """

    folder: Path
    made: list[Path]
    images: Path
    survey: Survey | None
    expected: str = ""

    @property
    def notes(self) -> list[str]:
        """What a user should know of the images."""
        from edgecnn.data import uneven_classes

        survey = self.survey
        return [] if survey is None else [*survey.notes, *uneven_classes(survey.counts)]

    @property
    def warnings(self) -> list[str]:
        """What a user should change about the images."""
        from edgecnn.data import few_images

        return [] if self.survey is None else few_images(self.survey.counts)

    def to_dict(self) -> dict[str, object]:
        """Return JSON-ready values."""
        survey = self.survey
        return {
            "schema": INIT_SCHEMA,
            "folder": str(self.folder),
            "files": [str(path) for path in self.made],
            "images": None
            if survey is None
            else {
                "folder": str(self.images),
                "counts": dict(survey.counts),
                "splits": dict(survey.splits),
                "short_side": survey.short_side,
                "grey": survey.grey,
            },
            "expected": self.expected,
            "notes": self.notes,
            "warnings": self.warnings,
        }


def _template(name: str) -> str:
    return (resources.files("edgecnn.commands") / "templates" / name).read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class InitRequest:
    """What ``edgecnn init`` was asked for.

    Attributes:
        folder: Made if it does not exist; its name becomes the model's name.
        data: Where the images are; None for the folder ``images`` in it, which is made, too.
        device_class: What the classifier is for, which decides how large a network may be:
            ``pi-zero``, ``pi-4``, ``pi-5`` or ``phone``.
        from_scratch: Whether no pretrained network is to be used.
    """

    folder: Path
    data: Path | None = None
    device_class: str = "pi-4"
    from_scratch: bool = False


def init(request: InitRequest) -> InitResult:
    """Write a commented recipe, chosen for the images where they are there already.

    Args:
        request: Where to, and where the images are.

    Raises:
        UsageError: If the class of device is not known, there is a recipe already, or a build there
            would be taken for images; everything is left as it is.
        DataError: If ``data`` is no folder of images, or the images that are there cannot be used.
        WorkspaceError: If the folder cannot be written.
    """
    folder, data = request.folder, request.data
    recipe = folder / "recipe.toml"
    if request.device_class not in _DEVICE_CLASSES:
        raise UsageError(
            f"--device-class {request.device_class} is not known",
            observed=request.device_class,
            expected=", ".join(_DEVICE_CLASSES),
            remedy="name the one that is nearest in speed, or leave the option out for pi-4",
        )
    if recipe.exists():
        raise UsageError(
            f"{recipe} exists already and was left as it is",
            observed="a recipe of your own",
            expected="a folder without one",
            remedy="name another folder, or delete the recipe first",
        )
    images = folder / "images" if data is None else data
    _check_place(folder, images)
    survey = _survey(images, named=data is not None)
    pretrained = None
    if survey is not None and not request.from_scratch:
        pretrained = pretrained_for(survey, request.device_class)
    text = recipe_text(folder, data, survey, pretrained)
    with wrap_os_errors(folder, elsewhere="name another folder"):
        (images if data is None else folder).mkdir(parents=True, exist_ok=True)
        with whole_file(recipe) as file:
            file.write(text.encode())
    made = [recipe, images] if data is None else [recipe]
    expected = "" if pretrained is None else pretrained.expected
    return InitResult(folder=folder, made=made, images=images, survey=survey, expected=expected)


def _check_place(folder: Path, images: Path) -> None:
    """Refuse to write a recipe among other things, or a build among the images."""
    inside = folder.resolve()
    if inside != images.resolve() and inside.is_relative_to(images.resolve()):
        raise UsageError(
            f"{folder} lies among the images, and would be taken for some of them",
            observed=f"a folder in {images}",
            expected="a folder elsewhere",
            remedy="name another folder",
        )
    if not folder.is_dir():
        return
    others = [
        entry.name
        for entry in folder.iterdir()
        if images.resolve() == inside or not images.resolve().is_relative_to(entry.resolve())
    ]
    if others and not (images.is_dir() and images == folder / "images"):
        raise UsageError(
            f"{folder} holds other things and was left as it is",
            observed=some_of(sorted(others)),
            expected="a new or empty folder, or one with your images in images/",
            remedy="name another folder; where these are your images, name them with --data",
        )


def _survey(images: Path, *, named: bool) -> Survey | None:
    """Look over the images; None where there are none yet, unless they were named."""
    from edgecnn.data import has_files, survey_folder

    return survey_folder(images) if named or (images.is_dir() and has_files(images)) else None


def recipe_text(
    folder: Path,
    data: Path | None,
    survey: Survey | None,
    pretrained: PretrainedChoice | None = None,
) -> str:
    """Return a commented recipe.

    Args:
        folder: Where it will stand; its name becomes the model's name.
        data: Where the images are; None for the folder ``images`` beside it.
        survey: What they look like; None for a recipe of defaults.
        pretrained: The network to train on; None to train from scratch.

    Returns:
        The text of a valid recipe.

    Raises:
        UsageError: If the path of the images cannot be written into a recipe.
    """
    name = re.sub(r"[^a-z0-9_.-]+", "_", folder.resolve().name.lower()).strip("_.-") or "model"
    choices = [_Choice("model", "name", name[:64], "")]
    if data is not None:
        place, here = data.resolve(), folder.resolve()
        path = place.relative_to(here) if place.is_relative_to(here) else place
        choices.append(_Choice("data", "path", path.as_posix(), ""))
    text = _template("recipe.toml")
    if survey is None:
        choices.append(_TOGETHER)
    elif pretrained is None:
        choices += _choices(survey)
    else:
        choices += _transfer_choices(survey, pretrained)
        text = _for_backbone(text)
    for choice in choices:
        text = _with(text, choice)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the path {str(data)!a} cannot be written into a recipe",
            observed="a name that is no valid UTF-8",
            expected="a path in UTF-8",
            remedy="rename the folder",
        ) from error
    parse_recipe(tomllib.loads(text), source="the recipe that init writes", for_training=True)
    return text


@dataclass(frozen=True)
class _Choice:
    """A key of the recipe whose value was chosen for the images.

    Attributes:
        table: The key's table.
        key: The key; its line in the template may be a comment.
        value: What it is set to.
        why: The reason, which becomes a comment above it; empty for none.
    """

    table: str
    key: str
    value: str | int | float | bool
    why: str


_TOGETHER: Final = _Choice(
    "data",
    "split_by",
    "auto",
    "a test by photos of things that the training has seen from another side flatters: photos that "
    "look alike, were taken within seconds, or follow on each other by name stay together",
)


def _with(text: str, choice: _Choice) -> str:
    """Return the template's text with a value of its own for one key, and the reason above it."""
    lines = text.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith(f"[{choice.table}]"))
    written = re.compile(rf"(?:# )?{re.escape(choice.key)} = .*?(\s+# .*)?$")
    at, found = next(
        (at, found)
        for at, line in enumerate(lines[first:], first)
        if (found := written.fullmatch(line))
    )
    assignment = f"{choice.key} = {_toml(choice.value)}"
    comment = (found[1] or "").strip()
    line = f"{assignment:<{_COMMENTS_AT - 1}} {comment}".rstrip()
    # A long path leaves no room for the comment.
    lines[at : at + 1] = [line] if len(line) <= _WIDTH else [comment, assignment]
    lines[at:at] = textwrap.wrap(
        choice.why, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    return "\n".join(lines)


def _toml(value: str | int | float | bool) -> str:
    # A JSON text is a TOML text, but for one character that TOML wants escaped, too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _choices(survey: Survey) -> list[_Choice]:
    """Return what is chosen for images, each with its reason."""
    images = f"{survey.total:,} images of {len(survey.counts)} classes"
    share = 0.2 if survey.total < _MANY else 0.1
    left, trained = _learnt_from(survey, share)
    side = _side(survey, trained)
    network = "finch" if side >= _LEAST_SIDE_OF_FINCH else "wren"
    return [
        _Choice(
            "model",
            "architecture",
            network,
            f"{images}: {network} has 0.2 million weights, whatever the size of the images; "
            "seed_cnn has 7.4 million at 64x64 pixels, enough to learn thousands of photos by "
            "heart",
        ),
        _Choice("data", "image_size", side, _why_side(survey, side, trained)),
        _Choice(
            "data",
            "channels",
            1 if survey.grey else 3,
            "the images that were looked at are all grey" if survey.grey else "",
        ),
        *_split_choices(survey, share, left),
        *_augment_choices(survey, trained),
        *_training_choices(side, network, trained, left),
        *_limit_choices(survey, share),
    ]


@dataclass(frozen=True, kw_only=True)
class PretrainedChoice:
    """The pretrained network that suits images and a device.

    Attributes:
        backbone: Its name in a recipe.
        side: Height and width that images are brought to.
        why: The reason for both.
        expected: How good the classifier may be, and how long its training takes.
    """

    backbone: str
    side: int
    why: str
    expected: str


def pretrained_for(survey: Survey, device_class: str) -> PretrainedChoice | None:
    """Return the network to train on; None where training from scratch is the better way.

    That is for small or grey pictures, which such a network has not learnt to see, and where there
    are thousands of each class to learn from.

    Args:
        survey: What the images look like.
        device_class: What the classifier is for.
    """
    from edgecnn.report.text import about_time_text
    from edgecnn.train.backbones.catalog import BACKBONES, seconds_of

    images = round(survey.splits.get("train", survey.total * (1 - _SHARE)))
    each = images / max(1, len(survey.counts))
    if survey.grey or survey.short_side < _SIDES[0] or each >= _MANY_OF_A_CLASS:
        return None
    called, backbone, most = _DEVICE_CLASSES[device_class]
    memory = math.isqrt(_MEMORY // (3 * survey.total))
    # Enlarged by a tenth, photos of 216 pixels gave more at 224 than at 192.
    fits = [one for one in _SIDES if one <= min(most, 1.1 * survey.short_side, memory)]
    side = fits[-1] if fits else _SIDES[0]
    seconds = _STARTING + seconds_of(backbone, side, 2 * images)
    if each >= _FINE_TUNED:
        # Six copies through the network, then 12 epochs twice.
        seconds += seconds_of(backbone, side, 30 * images)
    known = BACKBONES[backbone]
    return PretrainedChoice(
        backbone=backbone,
        side=side,
        why=f"{survey.total:,} photos of {len(survey.counts)} classes: {known.title} has learnt "
        f"from a million photos, and needs few of yours; at {side} pixels a {called} carries it "
        "(edgecnn init --from-scratch for a network that knows nothing yet)",
        expected=f"{_accuracy(backbone, each)}training takes about {about_time_text(seconds)} "
        "here, converting and checking a minute or two more",
    )


def _accuracy(backbone: str, each: float) -> str:
    """Say what is known of a network with so many photos a class."""
    if backbone != "efficientnet_lite0" or each < _MEASURED[0][0] / 2:
        return ""
    count, percent = min(_MEASURED, key=lambda one: abs(math.log(one[0] / each)))
    return (
        f"with {count} photos each of cardboard, glass, metal, paper and plastic, such a "
        f"classifier was right on {percent} % of others; yours may be easier or harder; "
    )


def _transfer_choices(survey: Survey, pretrained: PretrainedChoice) -> list[_Choice]:
    """Return what is chosen for images that a pretrained network is trained on."""
    trained = round(survey.splits.get("train", survey.total * (1 - _SHARE)))
    return [
        _Choice("model", "backbone", pretrained.backbone, pretrained.why),
        _Choice("data", "image_size", pretrained.side, ""),
        *_split_choices(survey, _SHARE, trained),
        _Choice(
            "augment", "preset", "light", "mirrored and slightly changed, they are still theirs"
        ),
        *_limit_choices(survey, _SHARE),
    ]


def _for_backbone(text: str) -> str:
    """Return the template with the tables of training from scratch put away."""
    own = dict(_tables(_template("backbone.toml")))
    tables = []
    for name, block in _tables(text):
        if name == "train":
            tables.append(own["transfer"])
        if not name.startswith("train."):
            tables.append(own.get(name, block))
    return "\n\n".join(tables) + "\n"


def _tables(text: str) -> list[tuple[str, str]]:
    """Return the parts of a template, a blank line between them, each with its table's name."""
    blocks = text.strip().split("\n\n")
    headers = [re.match(r"(?:# )?\[([a-z.]+)\]", block) for block in blocks]
    return [(head[1] if head else "", block) for head, block in zip(headers, blocks, strict=True)]


def _learnt_from(survey: Survey, share: float) -> tuple[int, int]:
    """Return about how many validation images are learnt from, too, and how many images in all."""
    images = round(survey.splits.get("train", survey.total * (1 - share)))
    if "validation" in survey.splits:
        return 0, images
    validation = max(1, round(images * _VALIDATION))
    return (validation, images) if validation < _LEAST_TO_CHOOSE_BY else (0, images - validation)


def _side(survey: Survey, trained: int) -> int:
    """Return height and width that images are brought to."""
    side = _SIDE if trained <= _MANY else _SIDE_OF_MANY
    channels = 1 if survey.grey else 3
    side = min(side, math.isqrt(_MEMORY // (survey.total * channels)), survey.short_side)
    # Small pictures have a size of their own; of others a multiple is taken that halves well.
    return max(_LEAST_SIDE, side if side <= 32 else side // 16 * 16)


def _why_side(survey: Survey, side: int, trained: int) -> str:
    if side >= survey.short_side - 15:
        return f"the images' shorter sides are {survey.short_side} pixels, by the median"
    if trained > _MANY:
        return (
            f"{trained:,} images to train on: at {side} pixels an epoch takes less than half the "
            f"time of {_SIDE}; more shows more detail"
        )
    return (
        f"the images' shorter sides are {survey.short_side} pixels, by the median: {side} show "
        "enough of most things; more takes time with its square"
    )


def _split_choices(survey: Survey, share: float, left: int) -> list[_Choice]:
    why = "enough to choose an epoch; the rest is to learn from"
    validation = _Choice("data", "validation", _VALIDATION, "" if left else why)
    if survey.splits:
        parts = ", ".join(f"{count:,} for {split}" for split, count in survey.splits.items())
        return [
            _Choice("data", "test", share, f"the folder comes split, {parts}: test is not used"),
            *([] if "validation" in survey.splits else [validation]),
        ]
    test = round(survey.total * share)
    return [
        _Choice("data", "test", share, f"{test:,} of {survey.total:,} images for the verdict"),
        validation,
        _TOGETHER,
    ]


def _limit_choices(survey: Survey, share: float) -> list[_Choice]:
    """Return limits that the test images can decide; none where there are many.

    A good int8 file changes some answers, to right and to wrong nearly alike, and which test images
    it is shown is chance. So limits leave room for what such a file changes in four test sets of
    five; by the tightest limits that the images can decide, any change would leave the verdict
    open, and by room for the mean alone, half of the good files would be undecided.
    """
    from edgecnn.recipe.sections import Limits
    from edgecnn.report.text import number_text, plural_text
    from edgecnn.verify.gate.judgement import Changed, Paired
    from edgecnn.verify.gate.tightest import keeps_agreement, keeps_drop

    images = survey.splits.get("test", max(1, round(survey.total * share)))
    if images >= _ENOUGH:
        return []
    default = Limits()
    changed = max(1, _unlucky(_GOOD_CLEAR_CHANGE, 0.0, images))
    # Of the answers that change, those lost and gained differ by the net loss.
    net, all_changed = _unlucky(_GOOD_LOSS, _GOOD_CHANGE, images), math.ceil(_GOOD_CHANGE * images)
    lost = max(1, round((all_changed + net) / 2))
    gained = max(0, all_changed - lost)
    pair = Paired(images=images, lost=lost, gained=gained)
    drop = next((one for one in _DROPS if keeps_drop(pair, one)), _DROPS[-1])
    counts = Changed.alone(images, min(changed, images))
    agreement = next((one for one in _AGREEMENTS if keeps_agreement(counts, one)), _AGREEMENTS[-1])
    smallest = max(1, min(survey.counts.values()) * images // survey.total)
    room = max(1, _unlucky(_GOOD_LOSS, _GOOD_CHANGE, smallest, _UNLUCKY / len(survey.counts)))
    in_class = next((one for one in _CLASS_DROPS if one >= 100 * room / smallest), _CLASS_DROPS[-1])
    shown = f"{images:,} test images"
    found = []
    if drop > default.max_drop:
        found.append(
            _Choice(
                "limits",
                "max_drop",
                drop,
                f"{shown} can decide this where a file loses {plural_text(lost, 'answer')} and "
                f"gains {gained}; more images can decide less",
            )
        )
    if agreement < default.min_agreement:
        found.append(
            _Choice(
                "limits",
                "min_agreement",
                agreement,
                f"{shown} can decide this where {changed} clear "
                f"answer{' changes' if changed == 1 else 's change'}",
            )
        )
        found.append(_Choice("limits", "agreement_on", "clear", ""))
    if in_class > default.max_class_drop:
        found.append(
            _Choice(
                "limits",
                "max_class_drop",
                in_class,
                f"{plural_text(room, 'answer')} of the {smallest} test images of the smallest "
                f"class {'is' if room == 1 else 'are'} {number_text(100 * room / smallest, 1)} "
                "points",
            )
        )
    return found


def _unlucky(mean: float, variance: float, images: int, tail: float = _UNLUCKY) -> int:
    """Return how many of some images change, in a test set with bad luck.

    Args:
        mean: Share of the images that are expected to.
        variance: Of one image's change; 0 for that of a share.
        images: How many.
        tail: Share of the test sets in which it may be more.
    """
    from statistics import NormalDist  # takes 20 ms to load

    spread = math.sqrt((variance or mean) * images)
    return round(mean * images + NormalDist().inv_cdf(1 - tail) * spread)


def _augment_choices(survey: Survey, trained: int) -> list[_Choice]:
    # Of 240 photos, in 50 epochs, networks learnt the less the stronger the changes were.
    why = f"{trained:,} images to train on; strong changes take more epochs than these to pay off"
    chosen = [_Choice("augment", "preset", "light", why)]
    if survey.grey and survey.short_side <= _SIGNS:
        # Mirrored, a digit is none, or another one.
        chosen.append(
            _Choice("augment", "flip", False, "small grey pictures: signs, perhaps, or digits")
        )
    return chosen


def _training_choices(side: int, network: str, trained: int, left: int) -> list[_Choice]:
    from edgecnn.recipe.sections import Train
    from edgecnn.train.pace import Pace

    epochs = _epochs(side, network, trained)
    batch = Pace.of(Train(), trained).batch_size
    few = trained < _FEW
    images = f"{trained:,} images to train on"
    shown = f"{images}, shown {epochs * trained:,} times in all"
    return [
        _Choice(
            "train",
            "epochs",
            epochs,
            shown if left else f"{shown}; it stops earlier where it gets no better",
        ),
        _Choice("train", "batch_size", batch, f"{images}: {-(-trained // batch):,} steps an epoch"),
        *(
            [
                _Choice(
                    "train",
                    "include_validation",
                    True,
                    f"{left:,} validation images are too few to choose an epoch by, and worth "
                    "learning from: the last epoch ships, where the rate has fallen to zero",
                )
            ]
            if left
            else []
        ),
        *(
            [
                _Choice("train", "label_smoothing", 0.1, f"{images} would be learnt by heart"),
                _Choice("train", "ema", 0.99, "an average is steadier than the steps of so few"),
            ]
            if few
            else []
        ),
        _Choice(
            "train.optimizer",
            "name",
            "sgd",
            "plain steps with momentum, a falling rate and weight decay, as Wren was trained",
        ),
        _Choice("train.optimizer", "learning_rate", 0.1, ""),
        _Choice("train.optimizer", "momentum", 0.9, ""),
        _Choice("train.optimizer", "weight_decay", 0.005, ""),
        # Less than one, so that `--set train.epochs=1`, a quick try, is no mistake.
        _Choice("train.optimizer", "warmup_epochs", 0.9, ""),
    ]


def _epochs(side: int, network: str, trained: int) -> int:
    """Return the epochs that a training has time for, but neither too few nor too many."""
    shown = _SHOWN * (_SIDE / side) ** 2 / (_WREN_COSTS if network == "wren" else 1)
    return max(_LEAST_EPOCHS, min(_MOST_EPOCHS, round(shown / max(1, trained))))


def demo_recipe() -> Recipe:
    """Return the recipe of ``edgecnn demo``: a small CNN on scikit-learn's embedded digits."""
    return parse_recipe(tomllib.loads(_template("demo.toml")), source="the demo's recipe")
