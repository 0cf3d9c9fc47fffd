"""Every cookie of ours."""
