"""Learning from what was written before: losses for `fit` that need no sampling and no scorer while they train."""
