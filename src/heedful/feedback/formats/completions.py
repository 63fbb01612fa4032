"""One completion a row: `prompt, completion` to imitate, the same with a `label` (unpaired preference), and logs.

A row to imitate becomes a demonstration; a labelled one a thumb, up or down. A log (`format="logs"`, which is never
guessed) is what a deployed model answered: nobody has judged it yet, and `policy` names the version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from heedful.feedback.formats import fields
from heedful.feedback.formats.entries import Answer, Entry, Format, completion
from heedful.feedback.formats.plain import demonstration
from heedful.feedback.formats.rows import Row, json_type


def _prompt_completion(row: Row) -> Iterator[Entry]:
    prompt = fields.prompt(row, may_be_empty=True)
    yield demonstration(prompt, fields.reply(row, "completion"), fields.rest(row, "prompt", "completion"))


def _unpaired(row: Row) -> Iterator[Entry]:
    prompt = fields.prompt(row, may_be_empty=True)
    written = completion(prompt, fields.reply(row, "completion"))
    label = fields.required(row, "label")
    if not isinstance(label, bool):
        raise row.problem(
            f"true or false is wanted, not {json_type(label)}",
            "label",
            'write true or false, or read the file with format="prompt-completion" to keep the label as metadata',
        )
    metadata = fields.rest(row, "prompt", "completion", "label")
    yield Entry(prompt, (written,), "label", (Answer({"thumb": label}),), metadata)


def _log(row: Row) -> Iterator[Entry]:
    prompt = fields.prompt(row, may_be_empty=True)
    written = completion(prompt, fields.reply(row, "completion"), fields.rest(row, "prompt", "completion", "policy"))
    policy = fields.text(row, "policy") if "policy" in row.columns else DEPLOYED
    yield Entry(prompt, (replace(written, policy=policy),))


DEPLOYED = "deployed"
"""The policy of logs that name none."""

LOGS = Format("logs", (), _log)
PROMPT_COMPLETION = Format("prompt-completion", (frozenset({"prompt", "completion"}),), _prompt_completion)
UNPAIRED = Format("unpaired", (frozenset({"prompt", "completion", "label"}),), _unpaired)
