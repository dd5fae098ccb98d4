"""TFLite's schema, as far as its files are read: fields of tables, and types of tensors.

Names and numbers are those of ``tensorflow/compiler/mlir/lite/schema/schema.fbs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgecnn_runner.formats.flatbuffer import Schema, parse_schema

SCHEMA_VERSION: Final = 3

SCHEMA: Final[Schema] = parse_schema(
    {
        "Model": "version:I operator_codes:[OperatorCode] subgraphs:[SubGraph] description:text "
        "buffers:[Buffer] metadata_buffer:[i] metadata:[Metadata] signature_defs:[SignatureDef]",
        "OperatorCode": "deprecated_builtin_code:b custom_code:text version:i=1 builtin_code:i",
        "SubGraph": "tensors:[Tensor] inputs:[i] outputs:[i] operators:[Operator] name:text "
        "debug_metadata_index:i",
        "Tensor": "shape:[i] type:b buffer:I name:text quantization:Quantization is_variable:b "
        "sparsity:Sparsity shape_signature:[i] has_rank:b variant_tensors:[Variant] "
        "external_buffer:I",
        "Quantization": "min:[f] max:[f] scale:[f] zero_point:[q] details_type:B details:Scalars "
        "quantized_dimension:i",
        "Sparsity": "traversal_order:[i] block_map:[i] dim_metadata:[Dimension]",
        "Dimension": "format:b dense_size:i array_segments_type:B array_segments:Scalars "
        "array_indices_type:B array_indices:Scalars",
        "Variant": "shape:[i] type:b has_rank:b",
        "Operator": "opcode_index:I inputs:[i] outputs:[i] builtin_options_type:B "
        "builtin_options:Options* custom_options:[B] custom_options_format:b "
        "mutating_variable_inputs:[B] intermediates:[i] large_custom_options_offset:Q "
        "large_custom_options_size:Q builtin_options_2_type:B builtin_options_2:Scalars",
        "Buffer": "data:[B] offset:Q size:Q",
        "Metadata": "name:text buffer:I",
        "SignatureDef": "inputs:[TensorMap] outputs:[TensorMap] signature_key:text "
        "deprecated_tag:b subgraph_index:I",
        "TensorMap": "name:text tensor_index:I",
        "Scalars": "",
        # Options that hold more than scalars, by their number in BuiltinOptions.
        "Options3": "num_channels:i num_columns_per_channel:[i] embedding_dim_per_channel:[i]",
        "Options17": "new_shape:[i]",
        "Options30": "squeeze_dims:[i]",
        "Options111": "container:text shared_name:text",
        "Options115": "boundaries:[f]",
    }
)

TENSOR_TYPES: Final = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64"),
    *("int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16"),
    *("int4", "bfloat16", "int2", "uint4", "float8_e4m3fn", "float8_e5m2"),
)
"""``TensorType``: number to name."""

_SIZED: Final = "2 int2, 4 int4 uint4, 8 uint8 bool int8 float8_e4m3fn float8_e5m2, "
_LARGER: Final = (
    "16 float16 int16 uint16 bfloat16, 32 float32 int32 uint32, "
    "64 int64 complex64 float64 uint64, 128 complex128"
)
ELEMENT_BITS: Final[Mapping[str, int]] = {
    name: int(bits)
    for bits, *names in (part.split() for part in (_SIZED + _LARGER).split(","))
    for name in names
}
"""Bits of an element, by the type's name; types of no fixed size are not in it."""


def constant_bytes(dtype: str, elements: int) -> int | None:
    """Return how many bytes a constant's values take; None for a type of no fixed size.

    Args:
        dtype: A name of ``TENSOR_TYPES``.
        elements: How many values it holds; those of fewer than 8 bits are packed.
    """
    bits = ELEMENT_BITS.get(dtype)
    return None if bits is None else (elements * bits + 7) // 8
