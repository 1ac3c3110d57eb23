"""Configuration: Hydra composes `conf/`, pydantic checks the result before any work starts."""
