"""Refuse graphs that reach outside themselves, before anything in them is executed.

TensorFlow marks every operator that has an effect beyond its outputs as stateful: files, logs,
networks, Python. Only names that are known to stay inside are let through, so that an operator
nobody here has heard of is refused and not run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tensorflow.python.framework import op_def_registry

from edgecnn.errors import SourceModelError, some_of

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
WRITING: Final = frozenset({"MergeV2Checkpoints", "SaveV2"})
"""Operators that write the files of a SavedModel's variables."""
SAVING: Final = WRITING | {"RestoreV2", "ShardedFilename"}
"""Operators that every SavedModel holds, to save and restore its variables."""

FUNCTIONS: Final = _HARMLESS | {"Case", "If", "StatefulPartitionedCall", "While"}
"""Stateful only because what they call may be; the functions are looked into themselves."""

VARIABLES: Final = FUNCTIONS | {
    # Reading and setting variables.
    "AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "DestroyResourceOp",
    "DisableCopyOnRead", "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VarHandleOp",
    "VarIsInitializedOp", "VariableShape", "VariableV2",
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
    functions = (function.node_def for function in graph_def.library.function)
    refuse_effects(effects_of((graph_def.node, *functions), allowed))


def effects_of(bodies: Iterable[Iterable[Any]], allowed: frozenset[str]) -> list[str]:
    """Return the names of operators that do more than compute.

    Args:
        bodies: Nodes of graphs and of functions.
        allowed: Names left out whatever they do.

    Returns:
        Each name once, sorted.
    """
    ops = {node.op for nodes in bodies for node in nodes} - allowed
    return sorted(op for op in ops if _reaches_out(op))


def refuse_effects(found: list[str]) -> None:
    """Refuse a model for operators that ``effects_of`` found, if there are any.

    Raises:
        SourceModelError: If there are.
    """
    if found:
        raise SourceModelError(
            "the model does more than compute: it touches files, runs Python code or keeps a state",
            observed=f"operators {some_of(found, 10)}",
            expected="operators that only compute",
            remedy="export the model without them",
        )


def _reaches_out(op: str) -> bool:
    definition = op_def_registry.get(op)
    return op in _FORBIDDEN or (definition is not None and definition.is_stateful)
