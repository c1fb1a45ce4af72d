// The list of a run's documents, by what went wrong in them.
"use strict";

(async () => {
  const panel = document.getElementById("documents-panel");
  if (!panel) return;
  const number = panel.dataset.run;
  const table = document.getElementById("documents");
  const select = document.getElementById("kind");
  const { rows } = await harnessLoad(`run-${number}`);
  const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

  // A choice is a side of a row (its place in the data) and a kind; a status stands for itself.
  const choices = [];
  function offer(group, side, names) {
    if (!names.length) return;
    const options = make("optgroup", { label: group });
    for (const name of names) {
      options.append(make("option", { value: choices.length }, plain(name)));
      choices.push([side, name]);
    }
    select.append(options);
  }
  const kinds = (side) => [...new Set(rows.flatMap((row) => Object.keys(row[side])))].sort();
  // Without gold labels nothing says which predictions are wrong.
  const unscored = "unscored" in panel.dataset;
  if (!unscored) {
    offer("wrong predictions", 4, kinds(4));
    offer("missed triplets", 5, kinds(5));
  }
  offer("status", 2, [...new Set(rows.map((row) => row[2]))].sort());

  const counts = (row) => {
    if (select.value === "") return null;
    const [side, name] = choices[Number(select.value)];
    return side === 2 ? Number(row[2] === name) : (row[side][name] ?? 0);
  };

  const shown = new Map();
  for (const row of rows) {
    const [document_, title, status, correct, wrongKinds, missedKinds] = row;
    const wrong = total(wrongKinds);
    const missed = total(missedKinds);
    const both = 2 * correct + wrong + missed;
    const link = make("a", { href: `document.html#document=${document_}&run=${number}` }, title);
    const scores = [correct, wrong, missed, (both ? (200 * correct) / both : 0).toFixed(1)];
    const cells = [...(unscored ? [wrong] : scores), ""];
    const line = make(
      "tr", {}, make("th", { scope: "row" }, link), make("td", {}, plain(status)),
      ...cells.map((cell) => make("td", { class: "number" }, cell)),
    );
    shown.set(line, row);
    table.tBodies[0].append(line);
  }

  function refresh() {
    for (const [line, row] of shown) {
      const count = counts(row);
      line.lastElementChild.textContent = count === null ? "" : count;
    }
    harnessTables.filter(table, (line) => counts(shown.get(line)) !== 0);
  }
  select.addEventListener("change", refresh);
  table.addEventListener("filter", refresh);
  refresh();
  panel.hidden = false;
})();
