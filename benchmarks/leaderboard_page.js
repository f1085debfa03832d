// Sorting and filtering for the leaderboard. Without this script the page is a set of plain tables.
"use strict";

function compareRows(column, sign) {
  // Cells without a number come last, whichever way the column is sorted.
  return (one, other) => {
    const [a, b] = [one, other].map((row) => row.cells[column].dataset.value);
    if (a === "" || b === "") return (a === "") - (b === "");
    const difference = isNaN(a) || isNaN(b) ? a.localeCompare(b, "en") : a - b;
    return sign * difference;
  };
}

function sortTable(table, header) {
  const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  const body = table.tBodies[0];
  const rows = [...body.rows].sort(compareRows(header.cellIndex, direction === "ascending" ? 1 : -1));
  body.append(...rows);
}

function addSortButtons(table) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortTable(table, header));
  }
}

function filterEntries(form) {
  const words = form.elements.method.value.toLowerCase().split(/\s+/);
  const task = form.elements.task.value;
  const rankedOnly = form.elements.ranked.checked;
  let shown = 0;
  for (const section of document.querySelectorAll("section[data-task]")) {
    const isChosen = task === "" || section.dataset.task === task;
    let inSection = 0;
    for (const row of section.querySelectorAll("tbody tr")) {
      const text = row.dataset.method.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && !(rankedOnly && row.dataset.ranked === "no");
      row.hidden = !fits;
      inSection += fits;
    }
    section.hidden = !isChosen || inSection === 0;
    section.previousElementSibling.hidden = section.hidden; // its heading
    shown += isChosen ? inSection : 0;
  }
  const all = document.querySelectorAll("section[data-task] tbody tr").length;
  form.querySelector("output").textContent = `${shown} of ${all} entries`;
}

const form = document.querySelector("form");
form.hidden = false;
form.addEventListener("input", () => filterEntries(form));
form.addEventListener("change", () => filterEntries(form)); // all that some browsers send of a choice
form.addEventListener("reset", () => setTimeout(() => filterEntries(form)));
form.addEventListener("submit", (event) => event.preventDefault());
document.querySelectorAll("section[data-task] table").forEach(addSortButtons);
filterEntries(form);
