"""What the dashboard shows, one part a file: numbers with their intervals and baselines, as figures and tables."""
