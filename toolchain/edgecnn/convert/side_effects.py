"""Refuse graphs that reach outside themselves, before anything in them is executed.

TensorFlow marks every operator that has an effect beyond its outputs as stateful: files, logs,
networks, Python. Only names that are known to stay inside are let through, so that an operator
nobody here has heard of is refused and not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from edgecnn.errors import SourceModelError

__all__ = ["VARIABLES", "check_saved_model", "refuse_side_effects"]

# They touch files or run Python, and TensorFlow does not (or not in every version) say stateful.
_FORBIDDEN: Final = frozenset({
    "CacheDataset", "DebugIdentity", "DebugNanCount", "DebugNumericSummary", "DecodeProtoV2",
    "EagerPyFunc", "EncodeProto", "GenerateVocabRemapping", "ImmutableConst",
    "InitializeTableFromTextFile", "LoadDataset", "MatchingFiles", "MergeV2Checkpoints", "PyFunc",
    "PyFuncStateless", "ReadFile", "RegisterDataset", "RegisterDatasetV2", "Restore", "RestoreV2",
    "Save", "SaveDataset", "SaveV2", "ShardedFilename", "SnapshotChunkDataset", "SnapshotDataset",
    "SnapshotDatasetReader", "SnapshotDatasetV2", "WriteFile",
})  # fmt: skip
# Stateful only so that no optimizer drops it; it compares and stops.
_HARMLESS: Final = frozenset({"Assert"})
_SAVING: Final = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})

VARIABLES: Final = _HARMLESS | {
    # Reading and setting variables, and calling functions, which are looked into themselves.
    "AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "Case",
    "DestroyResourceOp", "DisableCopyOnRead", "If", "ReadVariableOp", "ResourceGather",
    "ResourceGatherNd", "StatefulPartitionedCall", "VarHandleOp", "VarIsInitializedOp",
    "VariableShape", "VariableV2", "While",
    # Random numbers, of a branch for training.
    "Multinomial", "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt",
    "RngReadAndSkip", "RngSkip", "StatefulStandardNormalV2", "StatefulUniform",
    "StatefulUniformInt", "TruncatedNormal",
    # Tables in memory, of a signature beside the one that classifies.
    "HashTableV2", "LookupTableExportV2", "LookupTableFindV2", "LookupTableImportV2",
    "LookupTableInsertV2", "LookupTableSizeV2", "MutableHashTableV2",
}  # fmt: skip
"""Stateful operators of a sound model whose variables have not been made constants yet."""


def refuse_side_effects(graph_def: Any, *, allowed: frozenset[str] = _HARMLESS) -> None:
    """Refuse a graph with operators that do more than compute.

    Args:
        graph_def: GraphDef; the functions in its library are looked into.
        allowed: Names let through whatever they do.

    Raises:
        SourceModelError: If it holds a stateful operator, or one that touches files, that is not
            among ``allowed``.
    """
    found = sorted({op for op in _operators(graph_def) if op not in allowed and _reaches_out(op)})
    if found:
        raise SourceModelError(
            "the model does more than compute: it touches files, runs Python code or keeps a state",
            observed=f"operators {', '.join(found)}",
            expected="operators that only compute",
            remedy="export the model without them",
        )


def check_saved_model(folder: Path) -> None:
    """Look into a SavedModel before TensorFlow loads it, since loading runs its initializers.

    Args:
        folder: Holds ``saved_model.pb``.

    Raises:
        SourceModelError: If that is damaged, or a graph or function in it does more than compute
            and save.
    """
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise SourceModelError(
            f"TensorFlow cannot load the SavedModel {folder}",
            observed=f"saved_model.pb is damaged or unreadable ({error})",
            remedy="copy or export it again: model.export('folder')",
        ) from error
    for meta in saved.meta_graphs:
        # Every SavedModel carries the functions that save and restore it.
        refuse_side_effects(meta.graph_def, allowed=VARIABLES | _SAVING)
        _refuse_saving_in_functions(meta)


def _refuse_saving_in_functions(meta: Any) -> None:
    """Refuse files in what loading or calling may run: the functions of the object graph."""
    functions = {entry.signature.name: entry for entry in meta.graph_def.library.function}
    todo = list(meta.object_graph_def.concrete_functions)
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            for value in node.attr.values():
                todo += [value.func.name, *(func.name for func in value.list.func)]
    reached = type(meta.graph_def)()
    reached.library.function.extend(functions[name] for name in sorted(seen))
    refuse_side_effects(reached, allowed=VARIABLES)


def _operators(graph_def: Any) -> Iterator[str]:
    for node in graph_def.node:
        yield node.op
    for function in graph_def.library.function:
        for node in function.node_def:
            yield node.op


def _reaches_out(op: str) -> bool:
    definition = op_def_registry.get(op)
    return op in _FORBIDDEN or (definition is not None and definition.is_stateful)
