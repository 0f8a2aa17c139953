"""One module per figure of the report: each draws from arrays and says what it shows."""
