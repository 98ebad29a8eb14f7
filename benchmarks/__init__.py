"""Measurements, as ratios side by side in one run. No test: machines differ, and so do their moods."""
