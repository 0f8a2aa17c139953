"""Tables, figures and the page, with intervals."""
