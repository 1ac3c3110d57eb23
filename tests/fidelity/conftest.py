"""pytest imports every module for its doctests, but only another Python can import this one."""

collect_ignore = ["stanford_codec.py"]
