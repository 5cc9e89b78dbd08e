"""What a person does with connections in Airflow 2's pages; for Airflow 3's, see ``connection_pages3``."""

import re
from types import MappingProxyType

IDENTITY = ("Connection Id", "Connection Type", "Description")


class ConnectionPages:
    """Admin, Connections, as a person goes through it.

    :param page: a browser's.
    :param url: Airflow's.
    """

    API = "/api/v1/connections"
    #: What this Airflow's Test button wants beside what PagerDuty needs.
    FOR_THE_TEST_BUTTON = MappingProxyType({})
    #: What a form is divided into.
    SECTIONS = ("",)

    def __init__(self, page, url):
        self.page = page
        self.url = url
        self.form = page.locator("#model_form")

    def open_new(self, type_name, conn_id="new"):
        """Open the form for a new connection of a type, called as on the page."""
        self.page.goto(f"{self.url}/connection/list/")
        self.page.locator("a[data-original-title='Add a new record']").click()
        self.page.locator("#conn_type + .select2").click()
        self.page.keyboard.type(type_name)
        self.page.locator(".select2-results__option").get_by_text(type_name, exact=True).click()
        self.page.locator("#conn_id").fill(conn_id)

    def reopen(self, conn_id):
        """Open the form of a connection that there is."""
        self.page.goto(f"{self.url}/connection/list/?_flt_3_conn_id={conn_id}")
        self.page.locator("a[data-original-title='Edit record']").click()
        self.form.wait_for()

    def labels(self):
        """Return the labels of the fields that are to be seen, but for those of every connection."""
        found = self.form.locator("label").filter(visible=True).all_inner_texts()
        return [each for text in found if (each := text.rstrip("* \n")) not in IDENTITY]

    def field(self, label):
        """Return the input of the field that is called so."""
        name = re.compile(rf"^\s*{re.escape(label)}\s*$")
        row = self.form.locator("tr").filter(visible=True, has=self.page.locator("label", has_text=name))
        return row.locator("input, select, textarea").first

    def description(self, label):
        """Return what stands below a field."""
        return self.field(label).locator("xpath=../*[@class='help-block']").inner_text().strip()

    def value(self, label):
        """Return what a field shows, as the page has it."""
        return self.field(label).input_value()

    def fill(self, values):
        """Fill fields in, by their labels; of the region, nothing can be chosen too."""
        for label, value in values.items():
            field = self.field(label)
            if label == "Region":
                field.select_option(value)
            else:
                field.fill(value)

    def regions(self):
        """Return the regions that can be chosen."""
        return [text for text in self.field("Region").locator("option").all_inner_texts() if text]

    def save(self):
        """Save, and wait until Airflow says that it has."""
        self.page.get_by_role("button", name="Save").click()
        self.page.locator(".alert", has_text=re.compile("(Added|Changed) Row")).wait_for()

    def source(self):
        """Return what the server sends when the form of a connection is opened."""
        return self.page.request.get(self.page.url).text()

    def try_out(self, type_name, values):
        """Fill a form in and press its Test; return if the page calls it a success, and what it says.

        The colour is the same for both on this Airflow, so only the words tell.
        """
        self.open_new(type_name, "tried")
        self.fill(values)
        with self.page.expect_response("**/connections/test"):
            self.page.get_by_role("button", name="Test").click()
        answer = self.answer()
        answer.wait_for()
        return None, answer.inner_text()

    def answer(self):
        """Return where the page says what a test found."""
        return self.page.locator(".container .row .alert").first

    def show(self, section):
        """Unfold a section: there is one only."""
