"""The whole schema: every table of the store, wherever it is defined."""

from __future__ import annotations

from heedful.feedback import account_tables, steering_tables, tables

metadata = tables.metadata
"""What the migrations make."""

APPEND_ONLY = (*tables.APPEND_ONLY, *steering_tables.APPEND_ONLY, *account_tables.APPEND_ONLY)
"""Tables whose rows are never changed or removed: triggers made by the migrations refuse it."""
