"""Where a figure goes: into axes of the caller, or into a size."""
