"""The words by which models, columns and statuses are judged, in tables: points to patterns.

To teach the proposal a new word, write it into its table.
"""
