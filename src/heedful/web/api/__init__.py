"""What programs call, under /api/v1, and its description; the pages have routes of their own."""

from __future__ import annotations

from fastapi import APIRouter

from heedful.web.api import docs, operations

router = APIRouter()
router.include_router(operations.router)
router.include_router(docs.router)
