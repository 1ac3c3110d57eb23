"""The arithmetic a model runs in: torch (fp32, bf16), OpenVINO (bf16, int8), several devices."""
