"""What colbench measures of itself, and what is made of it; not part of the wheel."""
