"""Made-up credentials of the right form, which no page and no answer may show."""

TOKEN = "u+AbCdEfGhIjKlMnOpQr"
OTHER_TOKEN = "u+rQpOnMlKjIhGfEdCbA"
KEY = "0123456789abcdef0123456789abcdef"
EU_KEY = "fedcba9876543210fedcba9876543210"
OTHER_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
APACHE_KEY = "00112233445566778899aabbccddeeff"
APACHE_EVENTS_KEY = "ffeeddccbbaa99887766554433221100"
