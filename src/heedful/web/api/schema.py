"""The description of the API for programs: OpenAPI 3.1, made from the operations themselves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fastapi.openapi.utils import get_openapi

from heedful import __version__
from heedful.feedback.questions import KINDS
from heedful.web.api import operations
from heedful.web.api.scopes import ROLES

ABOUT = """\
Everything that the pages do: what is asked, answers, campaigns, quality, lineage, exports, webhooks.

Send a key as `Authorization: Bearer heedful_...`; keys are made on the page Account. A key acts for the account that
made it, in its scopes, and never with more rights than the account has. Lists come in pages: send what a page says
in `after` (or `before`) to get the next. Whatever is sent with an id of your own (a UUID for answers) may be sent
again: it is stored once. Errors have one shape, `{"error": {"what", "where", "mend"}}`.
"""

TAGS: Mapping[str, str] = {
    "server": "Whether it works, and who asks.",
    "prompts": "What models are asked.",
    "completions": "What models and people wrote.",
    "questions": "What people are asked.",
    "campaigns": "Questions asked together, and their rules.",
    "gold": "Questions whose right answer is known.",
    "tasks": "Work for an annotator's program.",
    "drafts": "Unfinished answers.",
    "judgements": "Answers, as events.",
    "batches": "So many judgements within this time; nobody needs to wait for the end.",
    "annotators": "Who judges, and how well.",
    "quality": "Agreement and consensus.",
    "models": "What was trained, on which judgements.",
    "exchange": "Whole datasets out and in.",
    "webhooks": "Who is told of events.",
    "audit": "Who did what.",
}
"""What operations are filed under, in the order of the page."""

DONE: Mapping[str, str] = {"200": "Done.", "201": "Added.", "202": "On its way.", "204": "Done; nothing to say."}

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@lru_cache(maxsize=4)
def describe(address: str = "") -> Mapping[str, Any]:
    """The OpenAPI 3.1 description; `address` stands before the paths. Nobody may change what comes back."""
    described: dict[str, Any] = get_openapi(
        title="heedful",
        version=__version__,
        summary="People's judgements, and all that steers them.",
        description=ABOUT,
        routes=operations.router.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        servers=[{"url": address or "/"}],
    )
    described["jsonSchemaDialect"] = DIALECT
    described["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
        "session": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "The pages' own scripts: the session's cookie, and with changes its token.",
        },
    }
    schemas = described["components"]["schemas"]
    schemas |= {f"answer-{kind.name}": dict(kind.schema) for kind in KINDS.values()}
    for path, method, scope in operations.scopes():
        operation = described["paths"][path][method.lower()]
        operation["operationId"] = operation["operationId"].removesuffix(f"_{method.lower()}").split("_api_v1_")[0]
        operation["tags"] = operation["tags"][-1:]  # the operation's own, where it has one beside its part's
        for status, reply in operation["responses"].items():
            if reply["description"] == "Successful Response":
                reply["description"] = DONE[status]
        if scope:
            operation["security"] = [{"key": [scope]}, {"session": []}]
            operation["x-scope"] = scope
            told = f"Scope `{scope}`; role {ROLES[scope]}."
            operation["description"] = f"{operation['description']}\n\n{told}"
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return described
