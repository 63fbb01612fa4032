"""The feedback app: all HTTP, no SQL and no torch. `app.create_app` makes it; `heedful serve` runs it."""
