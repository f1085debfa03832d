"""The leaderboard as a page: what it holds, and how a browser sorts and filters it."""

import copy
import json
from html.parser import HTMLParser

import pytest

from benchmarks import leaderboard, leaderboard_page, leaderboard_text
from mwlmc_data.scoring.report import NOT_POSSIBLE
from tests.helpers.browser import chromium


class Tables(HTMLParser):
    """Rows of texts and of sort keys, by task."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.keys, self.task = {}, {}, None
        self.is_in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "section":
            self.task = attrs["data-task"]
            self.texts[self.task], self.keys[self.task] = [], []
        if tag == "tr":
            self.texts[self.task].append([])
            self.keys[self.task].append([])
        if tag in ("th", "td"):
            self.is_in_cell = True
            self.texts[self.task][-1].append("")
            self.keys[self.task][-1].append(attrs.get("data-value"))

    def handle_endtag(self, tag):
        self.is_in_cell = self.is_in_cell and tag not in ("th", "td")

    def handle_data(self, data):
        if self.is_in_cell:
            self.texts[self.task][-1][-1] += data


@pytest.fixture(scope="module")
def board():
    return json.loads(leaderboard.DATA.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def strange(board):
    """The board with an entry that is not possible, has no density, and whose name is HTML."""
    changed = copy.deepcopy(board)
    entry = changed["tasks"]["summary-9@1.0"][-1]
    entry["title"], entry["not_possible"] = 'A <b>"bold"</b> & method', ["too good"]
    entry["metrics"].pop("neg_log_posterior")
    return changed


class TestContent:
    def test_the_page_is_what_the_results_give(self, board):
        assert leaderboard_page.PAGE.read_text(encoding="utf-8") == leaderboard_page.html(board)

    def test_every_entry_has_its_numbers(self, board):
        tables = Tables(leaderboard_page.html(board))
        assert list(tables.texts) == list(board["tasks"])
        for task, entries in board["tasks"].items():
            header, *rows = tables.texts[task]
            keys = tables.keys[task][1:]
            assert [row[header.index("method")] for row in rows] == [entry["title"] for entry in entries]
            for entry, row, key in zip(entries, rows, keys, strict=True):
                score, k = entry["metrics"]["energy_score"], header.index("energy score")
                assert row[k] == f"{score['value']:.4f} ± {score['error']:.4f}" and float(key[k]) == score["value"]
                cost = entry["cost"]["simulations"]
                assert row[header.index("simulations")] == f"{cost:,.0f}"
                assert float(key[header.index("simulations")]) == cost

    def test_a_metric_of_several_parameters_has_a_column_for_each(self, board):
        entries = board["tasks"]["summary-9@1.0"]
        table = leaderboard_page.columns(entries)
        for name in ("m_lmc", "m200_mw", "log10_lambda_df"):
            values = [cell.value for cell in table[f"contraction {name}"]]
            assert values == [entry["metrics"]["contraction"]["value"][name] for entry in entries]

    def test_what_is_not_there_or_cannot_be_says_so(self, strange):
        text = leaderboard_page.html(strange)
        assert "<b>" not in text
        tables = Tables(text)
        header, *rows = tables.texts["summary-9@1.0"]
        row = rows[-1]
        assert row[header.index("method")] == f'A <b>"bold"</b> & method: {NOT_POSSIBLE}'
        assert (row[0], row[header.index("−log posterior [nats]")]) == ("–", "–")
        keys = tables.keys["summary-9@1.0"][-1]
        assert (keys[0], keys[header.index("−log posterior [nats]")]) == ("", "")

    def test_the_meaning_of_columns_is_that_of_the_markdown(self, board):
        text = leaderboard_page.html(board)
        assert text.count("<li>") == leaderboard_text.ABOUT.count("\n- ") > 5
        assert "<strong>energy score</strong>" in text and "**" not in text.partition("<script>")[0]


@pytest.fixture(scope="module")
def page_file(strange, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "leaderboard.html"
    path.write_text(leaderboard_page.html(strange), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


class TestInABrowser:
    @pytest.fixture
    def page(self, browser, page_file):
        browser.get(page_file.as_uri())
        return browser

    @staticmethod
    def column(page, title, task="summary-9@1.0"):
        """Texts of a column, in the order shown."""
        return page.execute_script(
            """const table = document.querySelector(`section[data-task="${arguments[0]}"] table`);
            const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === arguments[1]);
            const shown = [...table.tBodies[0].rows].filter((row) => !row.hidden);
            return shown.map((row) => row.cells[column].textContent);""",
            task,
            title,
        )

    @staticmethod
    def head(page, title, task="summary-9@1.0"):
        heads = page.find_elements("css selector", f'section[data-task="{task}"] th')
        return next(head for head in heads if head.text.replace("\n", " ").startswith(title))

    def click(self, page, title):
        self.head(page, title).find_element("css selector", "button").click()

    def test_no_error_is_logged(self, page):
        assert page.get_log("browser") == []

    def test_a_head_sorts_by_number_and_what_has_none_comes_last(self, page):
        by_rank = self.column(page, "−log posterior [nats]")
        assert by_rank[-1] == "–"  # the strange entry; rejection ABC has none either
        self.click(page, "−log posterior")
        up = self.column(page, "−log posterior [nats]")
        self.click(page, "−log posterior")
        down = self.column(page, "−log posterior [nats]")
        numbers = sorted(float(text.split()[0]) for text in by_rank if text != "–")
        assert [float(text.split()[0]) for text in up[: len(numbers)]] == numbers
        assert [float(text.split()[0]) for text in down[: len(numbers)]] == numbers[::-1]
        assert set(up[len(numbers) :]) == set(down[len(numbers) :]) == {"–"}

    def test_counts_sort_as_numbers_and_names_as_words(self, page):
        self.click(page, "parameters")
        reported = [int(text.replace(",", "")) for text in self.column(page, "parameters")]
        assert reported == sorted(reported)
        self.click(page, "method")
        names = self.column(page, "method")
        assert names == sorted(names, key=str.lower)

    def test_the_order_is_said_to_a_screen_reader(self, page):
        assert self.head(page, "rank").get_attribute("aria-sort") == "ascending"
        self.click(page, "seeds")
        assert self.head(page, "rank").get_attribute("aria-sort") is None
        assert self.head(page, "seeds").get_attribute("aria-sort") == "ascending"
        self.click(page, "seeds")
        assert self.head(page, "seeds").get_attribute("aria-sort") == "descending"
        other = self.head(page, "rank", "shift@1.0")
        assert other.get_attribute("aria-sort") == "ascending", "each table has its own order"

    def test_a_head_can_be_reached_and_pressed_by_the_keyboard(self, page):
        button = self.head(page, "method").find_element("css selector", "button")
        page.execute_script("arguments[0].focus()", button)
        button.send_keys(" ")
        assert self.head(page, "method").get_attribute("aria-sort") == "ascending"

    def test_words_filter_methods(self, page, strange):
        titles = [entry["title"] for entries in strange["tasks"].values() for entry in entries]
        everything = f"{len(titles)} of {len(titles)} entries"
        assert page.find_element("css selector", "output").text == everything
        page.find_element("name", "method").send_keys("spline npe")
        names = self.column(page, "method")
        assert names and all("spline" in name and "NPE" in name for name in names)
        found = sum("spline" in title.lower() and "npe" in title.lower() for title in titles)
        assert page.find_element("css selector", "output").text == f"{found} of {len(titles)} entries"
        page.find_element("css selector", "button[type=reset]").click()
        page.execute_async_script("setTimeout(arguments[0], 50)")
        assert page.find_element("css selector", "output").text == everything

    def test_a_task_is_chosen_with_its_heading(self, page):
        task = page.find_element("name", "task")
        task.find_element("xpath", "option[text()='shift@1.0']").click()
        headings = [h.text for h in page.find_elements("css selector", "h2") if h.is_displayed()]
        assert headings == ["Columns and filters", "shift@1.0"]
        shown = [s for s in page.find_elements("css selector", "section[data-task]") if s.is_displayed()]
        assert [s.get_attribute("data-task") for s in shown] == ["shift@1.0"]

    def test_entries_without_a_rank_can_be_left_out(self, page):
        before = self.column(page, "method")
        page.find_element("name", "ranked").click()
        assert [name for name in before if name not in self.column(page, "method")] == [
            f'A <b>"bold"</b> & method: {NOT_POSSIBLE}'
        ]


def test_without_javascript_it_is_a_plain_table(page_file, strange):
    with chromium(javascript=False) as page:
        page.get(page_file.as_uri())
        assert not page.find_element("css selector", "form").is_displayed()
        assert page.find_elements("css selector", "th button") == []
        rows = page.find_elements("css selector", "tbody tr")
        assert len(rows) == sum(map(len, strange["tasks"].values())) and all(row.is_displayed() for row in rows)
