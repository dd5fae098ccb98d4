"""Opens a SavedModel from elsewhere for TensorFlow to load, since loading runs parts of it.

What loading runs is many things: the functions that make, fill and drop resources, those that save
and restore objects that are no variables, and whatever function the file gives the name of a method
that TensorFlow calls on an object. So a function is refused where it is known to run, and elsewhere
it is disarmed: a training or adapting step that was saved along, which nobody asks for here, loses
its body if that touches files, runs Python or reads an iterator. Nothing that does so is left in
what TensorFlow loads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from edgecnn.convert.source.library import called, functions_of, reached
from edgecnn.convert.source.side_effects import (
    SAVING,
    VARIABLES,
    WRITING,
    effects_of,
    refuse_effects,
)
from edgecnn.errors import SourceModelError, some_of
from edgecnn.files import wrap_os_errors

_GRAPH: Final = "saved_model.pb"
# Children of an object of which TensorFlow calls the functions while it loads or drops the object.
_RUN_BY_LOADING: Final = {"_create_resource", "_destroy_resource", "_initialize"}


@contextmanager
def harmless_saved_model(folder: Path) -> Iterator[Path]:
    """Look into a SavedModel and give a folder that may be loaded.

    Args:
        folder: Holds ``saved_model.pb``.

    Yields:
        The folder itself, or a temporary one with the same variables and a graph without the
        bodies of functions that nothing here runs.

    Raises:
        SourceModelError: If the graph is damaged, or what loading it or a signature runs does
            more than compute.
        WorkspaceError: If the temporary folder cannot be written.
    """
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / _GRAPH).read_bytes())
    except (OSError, DecodeError) as error:
        raise SourceModelError(
            f"TensorFlow cannot load the SavedModel {folder}",
            observed=f"{_GRAPH} is damaged or unreadable ({error})",
            expected="a SavedModel as model.export(...) writes it",
            remedy="copy or export it again: model.export('folder')",
        ) from error
    disarmed = [_disarmed(meta) for meta in saved.meta_graphs]
    for meta in saved.meta_graphs:
        _refuse_saving_in_graph(meta)
    if not any(disarmed):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as name:
        copy = Path(name)
        with wrap_os_errors(copy, elsewhere="name another folder for temporary files: TMPDIR=..."):
            (copy / _GRAPH).write_bytes(saved.SerializeToString())
            for part in ("variables", "assets"):
                if (folder / part).exists():
                    (copy / part).symlink_to((folder / part).resolve())
        yield copy


def _disarmed(meta: Any) -> bool:
    """Refuse or disarm the functions that do more than compute; tell whether any was disarmed."""
    functions = functions_of(meta.graph_def)
    # What a graph of TensorFlow 1 runs, and the functions that save and restore the variables.
    graph = meta.graph_def.node
    in_graph = reached((name for node in graph for name in called(node)), functions)
    bodies = (functions[name].node_def for name in in_graph)
    refuse_effects(effects_of((graph, *bodies), VARIABLES | SAVING))
    run = reached(_run_by_loading(meta.object_graph_def), functions)
    # An object may call them: saving is for the graph alone.
    run |= in_graph & reached(meta.object_graph_def.concrete_functions, functions)
    refuse_effects(effects_of((functions[name].node_def for name in run), VARIABLES))
    found = False
    for name, function in functions.items():
        if name not in in_graph and effects_of((function.node_def,), VARIABLES):
            _disarm(function)
            found = True
    return found


def _run_by_loading(objects: Any) -> Iterator[str]:
    """Yield the names of functions that loading an object graph is known to run."""
    wanted: set[int] = set()
    for node in objects.nodes:
        wanted.update(
            child.node_id for child in node.children if child.local_name in _RUN_BY_LOADING
        )
        for saveable in node.saveable_objects.values():
            wanted |= {saveable.save_function, saveable.restore_function}
    for index in sorted(wanted):
        if index < len(objects.nodes):
            node = objects.nodes[index]
            yield from node.function.concrete_functions
            yield node.bare_concrete_function.concrete_function_name


def _disarm(function: Any) -> None:
    """Take a function's body: its outputs become numbers that nobody gives, an error if it runs."""
    del function.node_def[:]
    function.ret.clear()
    function.control_ret.clear()
    del function.signature.control_output[:]
    for output in function.signature.output_arg:
        node = function.node_def.add(name=f"disarmed_{output.name}", op="Placeholder")
        node.attr["dtype"].type = output.type
        function.ret[output.name] = f"{node.name}:output:0"


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
        if WRITING & {node.op, *ops}:
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
            observed=f"operators behind SaveV2 or MergeV2Checkpoints: {some_of(found)}",
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
