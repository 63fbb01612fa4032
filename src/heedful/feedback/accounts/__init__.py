"""Who may do what, and what is told to the world outside: accounts, sessions, keys, the audit log, webhooks."""
