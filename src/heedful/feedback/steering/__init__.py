"""How work is steered: campaigns and their settings, guidelines, gold items, standings, money, batches, the desk.

`desk` is the counter at which people get work and hand it in: it looks whether somebody may work here (`gates`), what
comes next (`stream`), and does what follows from an answer (`handing_in`). Around it stand `settings` (campaigns and
their `rules`), `guidelines`, `gold` (items with a known answer), `standing` (who may work), `drafts`, `comments`,
`ledger`, `batches`, `chats` and their `chat_turns`, and `logs` (a deployment's logs as questions).
"""
