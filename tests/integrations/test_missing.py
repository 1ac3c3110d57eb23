"""An integration whose package is not installed says which extra has it."""

import subprocess
import sys

CODE = """
import importlib, sys
from colbench.errors import PackagesUnavailable
packages = {"langchain": "langchain_core", "llama_index": "llama_index", "haystack": "haystack"}
for module, package in packages.items():
    sys.modules[package] = None
    try:
        importlib.import_module(f"colbench.integrations.{module}")
    except PackagesUnavailable as error:
        print(error)
"""


def test_a_missing_package_is_told_in_one_line():
    command = [sys.executable, "-c", CODE]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == 3
    for line, extra in zip(told, ("langchain", "llama-index", "haystack"), strict=True):
        assert f"pip install 'colbench[{extra}]'" in line
