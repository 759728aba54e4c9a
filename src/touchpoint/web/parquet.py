"""Records as a Parquet file, a row group at a time. Needs pyarrow: the extra `parquet`."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from touchpoint.stitching.record import IdentityRecord, InteractionRecord


def schema() -> pa.Schema:
    """The columns of a record: those of the tables, nested as in the record."""
    fields = [pa.field(name, _arrow(kind)) for name, kind in _members(InteractionRecord)]
    return pa.schema(fields)


def _members(row: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    return [(name, kind) for name, kind in get_type_hints(row).items() if name in row.__struct_fields__]


def _arrow(kind: Any) -> pa.DataType:
    if get_origin(kind) in (Union, UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) in (list, tuple):
        return pa.list_(_arrow(get_args(kind)[0]))
    if kind is IdentityRecord:
        pair = pa.list_(pa.string())
        return pa.struct([("addresses", pa.list_(pair)), ("agents", pa.list_(pair))])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return pa.struct([pa.field(name, _arrow(inner)) for name, inner in _members(kind)])
    simple = {datetime: pa.timestamp("us", "UTC"), bool: pa.bool_(), int: pa.int64()}
    return simple.get(kind, pa.string())  # UUID and JSON as text


class ParquetFile:
    """What is written since the last call is what a call returns."""

    def __init__(self) -> None:
        self._schema = schema()
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")

    def add(self, records: Iterable[bytes]) -> bytes:
        """Write a row group."""
        rows = [{field.name: _value(record.get(field.name), field.type) for field in self._schema}
                for record in map(orjson.loads, records)]  # fmt: skip
        self._writer.write_table(pa.Table.from_pylist(rows, self._schema))
        return self._sink.taken()

    def end(self) -> bytes:
        """Write the end of the file."""
        self._writer.close()
        return self._sink.taken()


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value)
    if pa.types.is_list(kind):
        return [_value(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: _value(value.get(field.name), field.type) for field in kind}
    if pa.types.is_string(kind) and not isinstance(value, str):
        return orjson.dumps(value).decode()
    return value


class _Sink(io.RawIOBase):
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._parts.append(raw)
        self._place += len(raw)
        return len(raw)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
