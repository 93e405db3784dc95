"""The address of a site, as users type and paste it."""

import pytest
from sidecar_protocol.atlassian import SiteAddressInvalid

from sidecar.atlassian.sign_in import site_address


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://example.atlassian.net", "https://example.atlassian.net"),
        ("  example.atlassian.net/ ", "https://example.atlassian.net"),
        ("https://Example.Atlassian.NET:443/jira/your-work?a=b#c", "https://example.atlassian.net"),
        ("https://example.atlassian.net/wiki/spaces/TEAM", "https://example.atlassian.net"),
        ("https://jira.example.com:8443/browse/X-1", "https://jira.example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_a_typed_address_is_reduced_to_its_canonical_form(typed: str, stored: str) -> None:
    assert site_address(typed) == stored
    assert site_address(stored) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "http://example.atlassian.net",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "file:///etc/passwd",
        "https://",
        "https://ada@example.atlassian.net",
        "https://exa mple.atlassian.net",
        "https://example.atlassian.net:99999",
        "https://[::1",
        "https://..",
        "javascript:alert(1)",
        "https://" + "a" * 300 + ".net",
    ],
)
def test_an_address_that_is_invalid_or_would_expose_the_token_is_refused(typed: str) -> None:
    with pytest.raises(SiteAddressInvalid):
        site_address(typed)
