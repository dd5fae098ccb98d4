"""JSON Schemas of what the commands print with ``--json``, made of the types of their results.

``python tests/json_schemas.py`` writes them into the manual; a test holds that they are current and
that what the commands print is as they say. Descriptions are those of the docstrings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from edgecnn.bench.judge.gate import Gate
from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.results import BENCH_SCHEMA, BenchReport
from edgecnn.build.usefulness import AgainstGuessing
from edgecnn.commands.adopt import ADOPT_SCHEMA
from edgecnn.commands.build import BUILD_SCHEMA
from edgecnn.commands.convert import CONVERT_SCHEMA
from edgecnn.commands.data import DATA_SCHEMA
from edgecnn.commands.doctor import DOCTOR_SCHEMA, Check
from edgecnn.commands.init import INIT_SCHEMA
from edgecnn.commands.inspect import INSPECT_SCHEMA, Inspection
from edgecnn.commands.run import RUN_SCHEMA
from edgecnn.commands.save_limits import SavedLimits
from edgecnn.commands.serve import SERVE_SCHEMA
from edgecnn.convert.result import VariantRow
from edgecnn.data.quality.inspection import DataQuality
from edgecnn.install import DeployResult
from edgecnn.install.stage import DEPLOY_SCHEMA
from edgecnn.package.pi.stage import PackageResult
from edgecnn.package.privacy.claims import SCHEMA as PRIVACY_SCHEMA
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.request import PACKAGE_SCHEMA
from edgecnn.package.web.stage import WebResult
from edgecnn.train.stage import METRICS_SCHEMA
from edgecnn.verify import ParityReport
from edgecnn.verify.evaluate import EVALUATE_SCHEMA, EvaluateReport
from edgecnn.verify.results import PARITY_SCHEMA
from edgecnn_runner.classifier import Result

FOLDER: Final = Path(__file__).parents[1] / "toolchain/docs/schemas"

Schema = dict[str, Any]


def _essence() -> Schema:
    return {
        "type": "object",
        "description": "What training.html comes to, in words: accuracy, weakest class and next "
        "step; empty for a model of an earlier edgecnn.",
        "additionalProperties": {"type": "string"},
    }


def schemas() -> dict[str, Schema]:
    """Return the schema of each command that prints JSON, by the command's name."""
    return {
        "train": _document(
            "train",
            METRICS_SCHEMA,
            _object(
                {
                    "build": _text("The build that holds the model."),
                    "state": {"enum": ["made", "up to date"], "description": "Whether it trained."},
                    "model": _text("Name of the model."),
                    "dataset": _text("Name of the data set."),
                    "test": {
                        "type": "object",
                        "description": "Figures of the saved model on the test images.",
                        "required": ["accuracy", "loss", "images"],
                        "properties": {
                            "accuracy": _number("Share that is classified right, 0..1."),
                            "loss": _number("Mean cross-entropy."),
                            "images": _integer("How many those are."),
                        },
                    },
                    "parameters": _integer("Of the network."),
                    "essence": _essence(),
                    "epochs": _integer("Epochs trained in all; of fine-tuning, with a backbone."),
                    "transfer": {
                        "type": "object",
                        "description": "Of a training on a pretrained network: which, and how.",
                        "required": ["backbone", "weights_sha256", "features", "model", "head"],
                    },
                },
                more=True,
                optional=("transfer",),
            ),
        ),
        "adopt": _document(
            "adopt",
            ADOPT_SCHEMA,
            _object(
                {
                    "build": _text("The build that holds the files."),
                    "adopted": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "The variants that the files given have become.",
                    },
                    "variants": _list(VariantRow, "A row for each file of the build."),
                    "float_model": _of(AgainstGuessing),
                    "golden": _integer("How many golden vectors were found."),
                    "notes": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "What is not known, and what a user should know.",
                    },
                    "hints": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "What looks as if a flag were wrong.",
                    },
                }
            ),
        ),
        "convert": _document(
            "convert",
            CONVERT_SCHEMA,
            _object(
                {
                    "build": _text("The build that holds the files."),
                    "variants": _list(VariantRow, "A row for each variant asked for."),
                    "float_model": _of(AgainstGuessing),
                    "examined": {
                        "type": "object",
                        "description": "What was found when the float model was tried in other "
                        "ways, or compared with the user's own scores; empty where it was not.",
                    },
                    "seconds": {
                        "type": "object",
                        "description": "How long each stage took: `load`, `graph`, `comparison`, "
                        "`trials`, `reference`, each variant by its name, and `golden`.",
                        "additionalProperties": {"type": "number", "minimum": 0},
                    },
                }
            ),
        ),
        "build": _document(
            "build",
            BUILD_SCHEMA,
            _object(
                {
                    "build": _text("The build folder."),
                    "stages": {
                        "type": "object",
                        "description": "A stage to whether it was made or was up to date.",
                        "additionalProperties": {"enum": ["made", "up to date"]},
                    },
                    "variants": {
                        "type": "array",
                        "items": {"type": "object"},
                        "description": "A row for each variant, as convert prints it and the "
                        "manifest holds it.",
                    },
                    "parity": _of(ParityReport),
                    "essence": _essence(),
                }
            ),
        ),
        "verify": _document("verify", PARITY_SCHEMA, _verify()),
        "evaluate": _document("evaluate", EVALUATE_SCHEMA, _evaluate()),
        "bench": _document("bench", BENCH_SCHEMA, _bench()),
        "bench-compare": _document("bench --compare", BENCH_SCHEMA, _of(Gate)),
        "run": _document("run", RUN_SCHEMA, _run()),
        "inspect": _document("inspect", INSPECT_SCHEMA, _of(Inspection)),
        "package": _document(
            "package",
            PACKAGE_SCHEMA,
            {
                "description": "A bundle for a Raspberry Pi, or for browsers.",
                "anyOf": [_with_schema(_of(PackageResult)), _with_schema(_of(WebResult))],
            },
        ),
        "privacy": _document("privacy", PRIVACY_SCHEMA, _of(Checked)),
        "deploy": _document("deploy", DEPLOY_SCHEMA, _of(DeployResult)),
        "init": _document(
            "init",
            INIT_SCHEMA,
            _object(
                {
                    "folder": _text("The project's folder."),
                    "files": {"type": "array", "items": {"type": "string"}},
                    "images": {
                        "type": ["object", "null"],
                        "description": "What was found out about the images; null where there are "
                        "none yet.",
                    },
                    "expected": _text("What accuracy and time to expect; empty where unknown."),
                    "notes": {"type": "array", "items": {"type": "string"}},
                    "warnings": {"type": "array", "items": {"type": "string"}},
                }
            ),
        ),
        "data": _document("data", DATA_SCHEMA, _data()),
        "doctor": _document(
            "doctor", DOCTOR_SCHEMA, _object({"checks": _list(Check, "In reading order.")})
        ),
        "serve": _document(
            "serve",
            SERVE_SCHEMA,
            _object(
                {
                    "url": _text("Where a browser finds it."),
                    "fingerprint": {
                        "type": ["string", "null"],
                        "description": "SHA-256 of the certificate; null without HTTPS.",
                    },
                }
            ),
        ),
        "error": {
            "$schema": _DIALECT,
            "title": "an error, printed by any command that was kept from its result",
            **_object(
                {
                    "error": _text("Name of the error's class."),
                    "exit_code": _integer("What the command exits with."),
                    "problem": _text("What went wrong."),
                    "observed": _text("What was found."),
                    "expected": _text("What should have been there."),
                    "remedy": _text("What to do."),
                },
                optional=("observed", "expected", "remedy"),
            ),
        },
    }


_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_VERDICTS: Final = ["PASS", "FAIL", "INCONCLUSIVE", "ERROR"]
_SHARE: Final = {"type": "number", "description": "A share, 0..1."}
_INTERVAL: Final = {
    "type": ["object", "null"],
    "description": "A share, 0..1, with its 95 % interval; null for a share of nothing.",
    "properties": {name: {"type": "number"} for name in ("share", "low", "high")},
    "additionalProperties": False,
}
# What ``to_dict`` adds to a class's own fields, and leaves out of them.
_ADDED: Final[Mapping[str, Mapping[str, Schema]]] = {
    "ParityReport": {"verdict": {"enum": _VERDICTS, "description": "Of all files together."}},
    "ArtifactRow": {
        "verdict": {
            "enum": ["PASS", "FAIL", "INCONCLUSIVE", "ERROR"],
            "description": "Of the file.",
        }
    },
    "Metrics": {
        "accuracy_drop": {"type": "number", "description": "Of the float model's accuracy, 0..1."},
        "agreement": _SHARE,
        "calibration_error_change": {"type": ["number", "null"]},
    },
    "ClassMetrics": {
        "reference_recall": {"type": ["number", "null"]},
        "recall": {"type": ["number", "null"]},
    },
    "Judgement": {
        "by_equality": {
            "type": "boolean",
            "description": "Whether it is a PASS that rests on equal scores, and would be "
            "INCONCLUSIVE without them.",
        }
    },
    "Looked": {"saved": {"type": "number", "description": "Share of the images not needed."}},
    "AgainstGuessing": {
        "accuracy": _SHARE,
        "guessing": _SHARE,
        "p": {"type": "number", "description": "Of right answers as many or more by guessing."},
        "outcome": {"type": "string"},
    },
    "OwnAgreement": {"agrees": {"type": "boolean"}},
    "ArtifactBench": {"summary": {"type": "object"}},
    "ThreadBench": {"summary": {"type": ["object", "null"]}},
    "Candidate": {"why_not": {"type": ["string", "null"]}},
    "Recommendation": {
        "headline": {"type": "string", "description": "What to ship, in words."},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
    "GateRow": {"sentence": {"type": "string"}},
    "Gate": {"headline": {"type": "string"}, "passed": {"type": "boolean"}},
    "Group": {
        "reference_accuracy": _INTERVAL,
        "accuracy": _INTERVAL,
        "drop": {"type": ["number", "null"]},
        "reference_recall": {"type": "array", "items": _INTERVAL, "description": "By class."},
        "recall": {"type": "array", "items": _INTERVAL, "description": "By class."},
    },
    "Condition": dict.fromkeys(("reference_accuracy", "accuracy", "agreement"), _INTERVAL)
    | {"drop": {"type": ["number", "null"]}},
}
_LEFT_OUT: Final = {"ArtifactRow": ("seconds",)}
_OPTIONAL: Final = {"VariantRow": ("repair", "adopted")}


def _data() -> Schema:
    found = _of(DataQuality)
    written = {"type": ["string", "null"]}
    found["properties"] |= {
        "page": {**written, "description": "The page with the pictures; null without --out."},
        "record": {**written, "description": "This document as a file; null without --out."},
    }
    found["required"] = sorted(found["properties"])
    return found


def _bench() -> Schema:
    found = _of(BenchReport)
    more = {
        "recommendations": _list(Recommendation, "One for each device."),
        "gate": {"anyOf": [_of(Gate), {"type": "null"}], "description": "Beside a baseline."},
    }
    found["properties"] |= more
    found["required"] = sorted([*found["required"], *more])
    return found


def _run() -> Schema:
    answer = _of(Result)
    answer["properties"] = {"image": _text("The file."), **answer["properties"]}
    answer["required"] = sorted([*answer["required"], "image"])
    failed = _object(
        {
            "image": _text("The file."),
            "error": _text("Name of the error's class."),
            "exit_code": _integer("What the command exits with."),
            "problem": _text("What went wrong."),
        },
        more=True,
    )
    return _object(
        {
            "model": _text("The file that was run."),
            "sha256": _text("Its digest."),
            "runtime": _text("Name and version of what ran it."),
            "images": {
                "type": "array",
                "description": "One for each image.",
                "items": {"anyOf": [answer, failed]},
            },
        }
    )


def _document(command: str, version: int, schema: Schema) -> Schema:
    """Return a command's schema with its version, and one set of definitions at its top."""
    definitions: dict[str, Schema] = {}
    body = _hoisted(schema if "anyOf" in schema else _with_schema(schema), definitions)
    title = f"edgecnn {command} --json, version {version}"
    found = {"$schema": _DIALECT, "title": title, **body}
    for part in body.get("anyOf", [body]):
        part["properties"]["schema"] = {
            "const": version,
            "description": "Version of this layout.",
        }
    return found | ({"$defs": dict(sorted(definitions.items()))} if definitions else {})


def _verify() -> Schema:
    """A build holds a report, ``build`` prints one; only ``verify`` can save limits."""
    report = _of(ParityReport)
    saved = {
        **_of(SavedLimits),
        "description": "With --save-limits: what was saved, and where; missing where nothing was.",
    }
    return report | {"properties": report["properties"] | {"saved_limits": saved}}


def _evaluate() -> Schema:
    report = _of(EvaluateReport)
    notes = {
        "type": "array",
        "items": {"type": "string"},
        "description": "What has to be known before the accuracy is believed, a sentence each.",
    }
    return report | {
        "properties": report["properties"] | {"notes": notes},
        "required": sorted([*report["required"], "notes"]),
    }


def _with_schema(schema: Schema) -> Schema:
    properties = {"schema": {}, **schema["properties"]}
    return {**schema, "properties": properties, "required": sorted({*schema["required"], "schema"})}


def _hoisted(value: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(value, dict):
        for name, one in value.pop("$defs", {}).items():
            definitions[name] = _hoisted(one, definitions)
        return {name: _hoisted(one, definitions) for name, one in value.items()}
    return [_hoisted(one, definitions) for one in value] if isinstance(value, list) else value


def _of(kind: type) -> Schema:
    """Return the schema of a dataclass, with the descriptions of its docstring."""
    found = TypeAdapter(kind).json_schema(mode="serialization")
    for name, one in found.get("$defs", {}).items():
        _describe(name, one)
    return _describe(kind.__name__, found)


def _describe(name: str, schema: Schema) -> Schema:
    if schema.get("type") != "object" or "properties" not in schema:
        return schema
    text = str(schema.get("description", ""))
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    schema["description"] = _plain(summary)
    known = dict(re.findall(r"^    (\w+): (.+(?:\n        .+)*)", attributes, re.MULTILINE))
    for field in _LEFT_OUT.get(name, ()):
        del schema["properties"][field]
    for field, value in schema["properties"].items():
        value.pop("title", None)
        value.pop("default", None)
        if field in known:
            value["description"] = _plain(known[field])
    schema["properties"] |= _ADDED.get(name, {})
    # Everything is always there, but for these; what is not known is null.
    schema["required"] = sorted(schema["properties"].keys() - set(_OPTIONAL.get(name, ())))
    schema["additionalProperties"] = False
    schema.pop("title", None)
    return schema


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("None", "null")


def _object(properties: Schema, *, more: bool = False, optional: tuple[str, ...] = ()) -> Schema:
    required = sorted(properties.keys() - set(optional))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": more,
    }


def _list(kind: type, description: str) -> Schema:
    return {"type": "array", "items": _of(kind), "description": description}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _number(description: str) -> Schema:
    return {"type": "number", "description": description}


def _integer(description: str) -> Schema:
    return {"type": "integer", "description": description}


def text_of(schema: Schema) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for command, schema in schemas().items():
        (FOLDER / f"{command}.json").write_text(text_of(schema), encoding="utf-8")
