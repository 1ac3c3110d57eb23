"""An explained score: in the terminal, as a picture and as JSON."""
