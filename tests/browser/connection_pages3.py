"""What a person does with connections in Airflow 3's pages; for Airflow 2's, see ``connection_pages2``."""

import itertools
import re
from types import MappingProxyType

IDENTITY = ("Connection ID", "Connection Type", "Description")


class ConnectionPages:
    """Admin, Connections, as a person goes through it.

    :param page: a browser's.
    :param url: Airflow's.
    """

    API = "/api/v2/connections"
    #: What this Airflow's Test button wants beside what PagerDuty needs.
    FOR_THE_TEST_BUTTON = MappingProxyType({"Port": "443"})
    #: What a form is divided into.
    SECTIONS = ("Standard Fields", "Extra Fields")

    def __init__(self, page, url):
        self.page = page
        self.url = url
        self.form = page.get_by_role("dialog")
        self._numbers = itertools.count(1)
        # So high that the message of having saved covers no button.
        page.set_viewport_size({"width": page.viewport_size["width"], "height": 1400})

    def open_new(self, type_name, conn_id="new"):
        """Open the form for a new connection of a type, called as on the page."""
        self.open_list()
        self.page.get_by_role("button", name="Add Connection").click()
        self.form.get_by_label("Connection ID").fill(conn_id)
        self.form.get_by_label("Connection Type").click()
        self.page.keyboard.type(type_name)
        self.page.get_by_role("option", name=type_name, exact=True).click()
        self._section("Standard Fields").wait_for()

    def reopen(self, conn_id):
        """Open the form of a connection that there is."""
        self.open_list()
        self.row(conn_id).get_by_role("button", name="Edit Connection").click()
        self._section("Standard Fields").wait_for()

    def open_list(self):
        """Open the list, but for where it is open already: loading it takes a second."""
        if self.page.url != f"{self.url}/connections":
            self.page.goto(f"{self.url}/connections")
        elif self.form.count():
            self.form.get_by_role("button", name="Close").click()

    def row(self, conn_id):
        """Return a connection's row in the list."""
        cell = self.page.get_by_role("cell", name=conn_id, exact=True)
        return self.page.get_by_role("row").filter(has=cell)

    def _section(self, name):
        return self.form.get_by_role("button", name=name, exact=True)

    def show(self, section):
        """Unfold one of the form's sections, which folds the others up."""
        trigger = self._section(section)
        if trigger.get_attribute("aria-expanded") != "true":
            trigger.click()
        self._fields(section).wait_for()

    def _fields(self, section):
        trigger = self.page.get_by_role("button", name=section, exact=True)
        item = self.form.locator("[data-scope=accordion][data-part=item]").filter(has=trigger)
        return item.locator("[data-part=item-content]")

    def labels(self):
        """Return the labels of the fields that are to be seen, but for those of every connection."""
        found = []
        for section in self.SECTIONS:
            self.show(section)
            labels = self._fields(section).locator("label").filter(visible=True)
            labels.first.wait_for()
            found += labels.all_inner_texts()
        return [each for text in found if (each := text.rstrip("* \n")) not in IDENTITY]

    def _group(self, label):
        name = re.compile(rf"^\s*{re.escape(label)}\s*$")
        group = self.form.locator("[data-scope=field][data-part=root]").filter(
            has=self.page.locator("label", has_text=name)
        )
        section = group.locator("xpath=ancestor::*[@data-part='item']/button").inner_text().strip()
        self.show(section)
        return group

    def field(self, label):
        """Return the input of the field that is called so."""
        return self._group(label).locator("input, textarea").first

    def description(self, label):
        """Return what stands below a field."""
        return self._group(label).locator("[data-part=helper-text]").inner_text().strip()

    def value(self, label):
        """Return what a field shows, as the page has it."""
        if label == "Region":
            return self._group(label).locator("input[type=hidden]").input_value()
        return self.field(label).input_value()

    def fill(self, values):
        """Fill fields in, by their labels; of the region, nothing can be chosen too."""
        for label, value in values.items():
            field = self.field(label)
            if label != "Region":
                field.fill(value)
            elif value:
                field.click()
                self.page.get_by_role("option", name=value, exact=True).click()
            else:
                field.press("Backspace")

    def write_json(self, text):
        """Write other extra fields, as JSON."""
        self.show("Extra Fields JSON")
        self.form.locator(".view-line").first.click()
        self.form.locator(".monaco-editor.focused").wait_for()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        # The editor has closed the quotes and brackets already, as it does for whoever types.
        self.page.keyboard.press("ControlOrMeta+Shift+End")
        self.page.keyboard.press("Delete")

    def regions(self):
        """Return the regions that can be chosen."""
        self.field("Region").click()
        found = self.page.get_by_role("option").all_inner_texts()
        self.page.keyboard.press("Tab")
        return found

    def save(self):
        """Save, and wait until Airflow says that it has."""
        self.form.get_by_role("button", name="Save").click()
        self.form.wait_for(state="hidden")

    def source(self):
        """Return what the server sends when the form of a connection is opened."""
        return self.page.request.get(f"{self.url}{self.API}?limit=100").text()

    def try_out(self, type_name, values):
        """Save a connection and press its Test; return if the page calls it a success, and what it says."""
        conn_id = f"tried_{next(self._numbers)}"
        self.page.goto("about:blank")  # a new list, without the messages of the last try on its buttons
        self.open_new(type_name, conn_id)
        self.fill(values | self.FOR_THE_TEST_BUTTON)
        self.save()
        return self.press_test(conn_id)

    def press_test(self, conn_id):
        """Press a connection's Test in the list; return what the page says."""
        with self.page.expect_response("**/connections/test") as asked:
            self.row(conn_id).get_by_role("button", name="Test Connection").click()
        # As there may be older ones: what is on the page with the answer's words.
        answer = asked.value.json()
        said = answer.get("message") or asked.value.status_text
        self._answer = self.page.locator("[data-scope=toast][data-part=root]").filter(has_text=said)
        title, _, words = self._answer.inner_text().partition("\n")
        return title == "Test Connection Successful", words

    def answer(self):
        """Return where the page says what the last test found."""
        return self._answer
