"""The key-value cache of the local engine: a buffer of fixed size for each layer, written in place."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer


class Slots(DynamicLayer):  # type: ignore[misc] # transformers' cache classes are untyped
    """One layer's keys and values in buffers of fixed size; `origin` and `filled` bound the columns in use.

    Keys lie with their columns last, as the products that read them want them.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity, self.origin, self.filled = capacity, 0, 0
        self.is_initialized = False

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate the buffers, of the shape and type of the first keys and values."""
        rows, heads, _, width = key_states.shape
        self.keys = key_states.new_zeros(rows, heads, width, self.capacity)
        self.values = value_states.new_zeros(rows, heads, self.capacity, value_states.shape[-1])
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write keys and values (B, K, new columns, W) after the last column; all that are in use, in that shape."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.filled + key_states.shape[-2]
        self.keys[:, :, :, self.filled : end] = key_states.transpose(2, 3)
        self.values[:, :, self.filled : end] = value_states
        self.filled = end
        return self.keys[:, :, :, self.origin : end].transpose(2, 3), self.values[:, :, self.origin : end]

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.filled - self.origin

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(columns in use after `query_length` more, 0: the first of them)."""
        return self.filled - self.origin + query_length, 0

    def move_left(self) -> None:
        """Forget the columns before `origin`, and so make room on the right."""
        for store_BKC in (self.keys.transpose(2, 3), self.values):
            store_BKC[:, :, : self.filled - self.origin] = store_BKC[:, :, self.origin : self.filled].clone()
        self.filled -= self.origin
        self.origin = 0

    def keep(self, rows: Tensor) -> None:
        """Keep only some rows."""
        self.keys, self.values = self.keys[rows], self.values[rows]

    def lay(self, rows: Tensor, source: Slots, source_rows: Tensor) -> None:
        """Copy whole rows of another cache so that they end at this cache's last column."""
        width = source.filled
        at = slice(self.filled - width, self.filled)
        self.keys[rows, :, :, at] = source.keys[source_rows, :, :, :width]
        self.values[rows, :, at] = source.values[source_rows, :, :width]
