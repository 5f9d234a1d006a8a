"""Snapshots of listening tests in a private dataset on the Hugging Face Hub."""

DATASET_VARIABLE = "SAVG_MOS_DATASET"
"""Environment variable: the private dataset, USER/NAME."""

MINUTES_VARIABLE = "SAVG_MOS_PUSH_MINUTES"
"""Environment variable: minutes between two pushes."""
