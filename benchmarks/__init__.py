"""What colbench measures of itself: speed of encoding and of the index, error rates of the gate."""
