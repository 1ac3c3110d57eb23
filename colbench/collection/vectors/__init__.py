"""A collection whose token vectors are given: its folder, the check of it, and its writer."""
