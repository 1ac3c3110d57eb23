"""Charts of the report: each described once with Altair, for the page and for SVG and PNG."""
