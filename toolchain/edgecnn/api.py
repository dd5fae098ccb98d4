"""The public Python API: what the commands do, as functions that take one request each.

    from edgecnn.api import ConvertRequest, convert

    result = convert(ConvertRequest(source=Path("my.keras"), data="photos"))
    print(result.build, result.error)

Nothing here prints. What cannot be done raises an error of ``edgecnn.errors``. What was done and
is not good, such as a file that lost accuracy, is part of the result, whose ``error`` is what the
command would exit with. A result's ``to_dict`` is what the command prints with ``--json``.

TensorFlow and the runtimes are imported when a function needs them, not before.
"""

from __future__ import annotations

from edgecnn.bench import Settings
from edgecnn.bench.judge.recommend import DeviceLimits
from edgecnn.commands.adopt import AdoptRequest, AdoptResult, adopt
from edgecnn.commands.bench import BenchRequest, BenchResult, bench
from edgecnn.commands.build import BuildRequest, BuildResult, build
from edgecnn.commands.convert import ConvertRequest, ConvertResult, convert
from edgecnn.commands.data import DataRequest, DataResult, data
from edgecnn.commands.evaluate import EvaluateRequest, EvaluateResult, evaluate
from edgecnn.commands.init import InitRequest, InitResult, init
from edgecnn.commands.inspect import Inspection, inspect
from edgecnn.commands.package import package
from edgecnn.commands.run import RunRequest, RunResult, run
from edgecnn.commands.train import TrainRequest, TrainResult, train
from edgecnn.commands.verify import VerifyResult, verify
from edgecnn.devices import DeviceOptions
from edgecnn.errors import EdgeError
from edgecnn.package.request import PackageRequest
from edgecnn.progress import Progress
from edgecnn.recipe.load import Recipe, load_recipe
from edgecnn.verify import ForeignFiles, VerifyRequest
from edgecnn_runner.classifier import Classifier
from edgecnn_runner.input_options import Preprocessing

__all__ = [
    "AdoptRequest",
    "AdoptResult",
    "BenchRequest",
    "BenchResult",
    "BuildRequest",
    "BuildResult",
    "Classifier",
    "ConvertRequest",
    "ConvertResult",
    "DataRequest",
    "DataResult",
    "DeviceLimits",
    "DeviceOptions",
    "EdgeError",
    "EvaluateRequest",
    "EvaluateResult",
    "ForeignFiles",
    "InitRequest",
    "InitResult",
    "Inspection",
    "PackageRequest",
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
    "adopt",
    "bench",
    "build",
    "convert",
    "data",
    "evaluate",
    "init",
    "inspect",
    "load_recipe",
    "package",
    "run",
    "train",
    "verify",
]
