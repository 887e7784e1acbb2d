"""Timing, as ratios against references in the same run; run by hand, and never a test that passes or fails."""
