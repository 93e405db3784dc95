"""Folders: where the packaged schema is, and private folders for the user's data."""

from pathlib import Path


def schema_dir() -> Path:
    """Returns the folder with openrpc.json and the migrations, in the installed package or in a checkout."""
    packaged = Path(__file__).parent / "_schema"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "schema"


def make_private_dir(path: Path) -> None:
    """Creates a folder and its missing parents, readable by their owner only."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
