// Tables of class "sortable" are sorted by buttons in their headings and filtered by the words of a search field.
"use strict";

const harnessTables = (() => {
  function value(cell) {
    const given = cell.dataset.sort;
    const text = given === undefined ? cell.textContent.trim() : given;
    const number = Number(text.replaceAll(",", ""));
    return text === "" ? null : Number.isNaN(number) ? text : number;
  }

  // Cells without a value stay at the end, whichever way the others are sorted.
  function compare(first, second, direction) {
    if (first === null || second === null) return (first === null) - (second === null);
    if (typeof first === "number" && typeof second === "number") return direction * (first - second);
    return direction * String(first).localeCompare(String(second), undefined, { numeric: true });
  }

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [value(row.cells[column]), row]);
    keyed.sort((one, other) => compare(one[0], other[0], direction));
    body.append(...keyed.map(([, row]) => row));
    [...table.tHead.rows[0].cells].forEach((heading, index) => {
      if (index === column) heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else heading.removeAttribute("aria-sort");
    });
  }

  function onHeading(table, column) {
    const heading = table.tHead.rows[0].cells[column];
    const before = heading.getAttribute("aria-sort");
    // Numbers are first wanted from the highest on, words from A on.
    const first = heading.classList.contains("number") ? -1 : 1;
    sort(table, column, before === null ? first : before === "ascending" ? -1 : 1);
  }

  // Hides the rows that lack one of the words, or that `kept` turns down; says how many are left.
  function filter(table, kept = () => true) {
    const field = document.querySelector(`[data-filter="${table.id}"]`);
    const words = field ? field.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(kept(row) && words.every((word) => text.includes(word)));
    }
    const count = document.querySelector(`[data-count="${table.id}"]`);
    if (count) count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => onHeading(table, column));
      heading.replaceChildren(button);
    });
    const field = document.querySelector(`[data-filter="${table.id}"]`);
    if (field) field.addEventListener("input", () => table.dispatchEvent(new Event("filter")));
    // Tables with data-own are filled and filtered by the script of their page.
    if (field && table.dataset.own === undefined) {
      table.addEventListener("filter", () => filter(table));
      filter(table);
    }
  }
  return { filter, sort };
})();
