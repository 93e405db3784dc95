"""The CLI's own records of conversations, which the terminal writes as well."""
