"""Models from files on disk, from functions that build them, and from the zoo: by one reader."""
