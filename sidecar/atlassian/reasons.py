"""Why an account stands as it does, and what its owner can do about it."""

from typing import Final

HINTS: Final = {
    "token_rejected": "The token has expired or was revoked: make one at id.atlassian.com and update the account.",
    "token_expires_soon": "Make a new token at id.atlassian.com before this one ends, and update the account.",
    "secret_unreadable": "The stored token cannot be decrypted with this computer's key: update the account with one.",
    "site_address_invalid": "Delete the account and connect the site by its address: https://example.atlassian.net.",
}
"""What to do, by why an account stands as it does."""
