"""Text as SQLite, UTF-8 and JavaScript can hold it."""


def well_formed(text: str) -> str:
    """Joins surrogate pairs and replaces lone surrogates by U+FFFD, so that the text can be encoded as UTF-8."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf16_length(text: str) -> int:
    """Returns the length in UTF-16 code units, as JavaScript counts."""
    return len(text) if text.isascii() else len(text) + sum(1 for character in text if character > "\uffff")
