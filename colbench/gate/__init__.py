"""The gate: did search get worse than an accepted baseline?"""
