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

from edgecnn.convert.library import called, functions_of, reached
from edgecnn.errors import SourceModelError

__all__ = ["FUNCTIONS", "VARIABLES", "check_saved_model", "refuse_side_effects"]

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
_WRITING: Final = frozenset({"MergeV2Checkpoints", "SaveV2"})
_SAVING: Final = _WRITING | {"RestoreV2", "ShardedFilename"}

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
            expected="a SavedModel as model.export(...) writes it",
            remedy="copy or export it again: model.export('folder')",
        ) from error
    for meta in saved.meta_graphs:
        # Every SavedModel carries the functions that save and restore it.
        refuse_side_effects(meta.graph_def, allowed=VARIABLES | _SAVING)
        _refuse_saving_in_functions(meta)
        _refuse_saving_in_graph(meta)


def _refuse_saving_in_functions(meta: Any) -> None:
    """Refuse files in what loading or calling may run: the functions of the object graph."""
    functions = functions_of(meta.graph_def)
    seen = reached(meta.object_graph_def.concrete_functions, functions)
    graph = type(meta.graph_def)()
    graph.library.function.extend(functions[name] for name in sorted(seen))
    refuse_side_effects(graph, allowed=VARIABLES)


def _refuse_saving_in_graph(meta: Any) -> None:
    """Refuse files in what loading a SavedModel of TensorFlow 1 may run: its graph.

    Such a file names what is run in many places: an initial operator, tables, the initial values
    of variables. So no operator that writes, and none behind one, may be named anywhere but as
    the one that saves.

    Raises:
        SourceModelError: If one is.
    """
    functions = functions_of(meta.graph_def)
    behind: dict[str, set[str]] = {}
    todo: list[str] = []
    for node in meta.graph_def.node:
        for tensor in node.input:
            behind.setdefault(_operator_of(tensor), set()).add(node.name)
        inside = reached(called(node), functions)
        ops = {inner.op for name in inside for inner in functions[name].node_def}
        if _WRITING & {node.op, *ops}:
            todo.append(node.name)
    writing: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in writing:
            writing.add(name)
            todo += behind.get(name, ())
    named, messages = _named(meta)
    found = sorted(
        name
        for name in writing
        if name in named or any(name.encode() in message for message in messages)
    )
    if found:
        raise SourceModelError(
            "the model does more than compute: loading it would run what writes files",
            observed=f"operators behind SaveV2 or MergeV2Checkpoints: {', '.join(found)}",
            expected="operators that save only where a model is saved",
            remedy="export the model without them",
        )


def _named(meta: Any) -> tuple[set[str], list[bytes]]:
    """Return all that a SavedModel may name to be run, but for the operator that saves it.

    Names of operators, and messages (such as VariableDef) that hold some.
    """
    tensors = [meta.saver_def.filename_tensor_name, meta.saver_def.restore_op_name]
    for signature in meta.signature_def.values():
        tensors += [end.name for end in (*signature.inputs.values(), *signature.outputs.values())]
    messages: list[bytes] = []
    for collection in meta.collection_def.values():
        tensors += collection.node_list.value
        messages += collection.bytes_list.value
        messages += [entry.value for entry in collection.any_list.value]
    return {_operator_of(tensor) for tensor in tensors}, messages


def _operator_of(tensor: str) -> str:
    """Return ``a`` for ``a``, ``a:1`` and ``^a``."""
    return tensor.removeprefix("^").partition(":")[0]


def _operators(graph_def: Any) -> Iterator[str]:
    for node in graph_def.node:
        yield node.op
    for function in graph_def.library.function:
        for node in function.node_def:
            yield node.op


def _reaches_out(op: str) -> bool:
    definition = op_def_registry.get(op)
    return op in _FORBIDDEN or (definition is not None and definition.is_stateful)
