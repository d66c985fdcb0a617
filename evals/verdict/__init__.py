"""The verdict on a version, paired with stable case by case. Pure: no clock, no chance, no files."""
