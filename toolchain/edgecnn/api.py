"""The public Python API: what the commands do, as functions that take one request each.

    from edgecnn.api import ConvertRequest, convert

    result = convert(ConvertRequest(source=Path("my.keras"), data="photos"))
    print(result.build, result.error)

Nothing here prints. What cannot be done raises an error of ``edgecnn.errors``. What was done and
is not good, such as a file that lost accuracy, is part of the result, whose ``error`` is what the
command would exit with. A result's ``to_dict`` is what the command prints with ``--json``.

A name is imported when it is used, so that importing this module costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from edgecnn.bench import Settings
    from edgecnn.bench.judge.recommend import DeviceLimits
    from edgecnn.commands.bench import BenchRequest, BenchResult, bench
    from edgecnn.commands.build import BuildRequest, BuildResult, build
    from edgecnn.commands.convert import ConvertRequest, ConvertResult, convert
    from edgecnn.commands.inspect import Inspection, inspect
    from edgecnn.commands.package import PackageRequest, PackageResult, package
    from edgecnn.commands.run import RunRequest, RunResult, run
    from edgecnn.commands.train import TrainRequest, TrainResult, train
    from edgecnn.commands.verify import VerifyResult, verify
    from edgecnn.devices import DeviceOptions
    from edgecnn.errors import EdgeError
    from edgecnn.progress import Progress
    from edgecnn.recipe.load import Recipe, load_recipe
    from edgecnn.verify import ForeignFiles, VerifyRequest
    from edgecnn_runner.classifier import Classifier
    from edgecnn_runner.input_options import Preprocessing

__all__ = [
    "BenchRequest",
    "BenchResult",
    "BuildRequest",
    "BuildResult",
    "Classifier",
    "ConvertRequest",
    "ConvertResult",
    "DeviceLimits",
    "DeviceOptions",
    "EdgeError",
    "ForeignFiles",
    "Inspection",
    "PackageRequest",
    "PackageResult",
    "Preprocessing",
    "Progress",
    "Recipe",
    "RunRequest",
    "RunResult",
    "Settings",
    "TrainRequest",
    "TrainResult",
    "VerifyRequest",
    "VerifyResult",
    "bench",
    "build",
    "convert",
    "inspect",
    "load_recipe",
    "package",
    "run",
    "train",
    "verify",
]

_COMMANDS: Final = ("bench", "build", "convert", "inspect", "package", "run", "train", "verify")
_HOMES: Final = {
    "BenchRequest": "edgecnn.commands.bench",
    "BenchResult": "edgecnn.commands.bench",
    "BuildRequest": "edgecnn.commands.build",
    "BuildResult": "edgecnn.commands.build",
    "Classifier": "edgecnn_runner.classifier",
    "ConvertRequest": "edgecnn.commands.convert",
    "ConvertResult": "edgecnn.commands.convert",
    "DeviceLimits": "edgecnn.bench.judge.recommend",
    "DeviceOptions": "edgecnn.devices",
    "EdgeError": "edgecnn.errors",
    "ForeignFiles": "edgecnn.verify",
    "Inspection": "edgecnn.commands.inspect",
    "PackageRequest": "edgecnn.commands.package",
    "PackageResult": "edgecnn.commands.package",
    "Preprocessing": "edgecnn_runner.input_options",
    "Progress": "edgecnn.progress",
    "Recipe": "edgecnn.recipe.load",
    "RunRequest": "edgecnn.commands.run",
    "RunResult": "edgecnn.commands.run",
    "Settings": "edgecnn.bench",
    "TrainRequest": "edgecnn.commands.train",
    "TrainResult": "edgecnn.commands.train",
    "VerifyRequest": "edgecnn.verify",
    "VerifyResult": "edgecnn.commands.verify",
    "load_recipe": "edgecnn.recipe.load",
}
"""A name to the module that defines it."""


def __getattr__(name: str) -> Any:
    if name in _COMMANDS:
        return getattr(import_module(f"edgecnn.commands.{name}"), name)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
