// A document as one run read it: its text, triplets as a list and a graph, and the exchange with the model.
"use strict";

(() => {
  const COLOURS = 12;
  const GOLD = new Set(["correct", "missed"]);
  const PREDICTED = new Set(["correct", "wrong", "predicted"]);
  const at = (id) => document.getElementById(id);
  let shared = null;
  let current = null;

  const wanted = () => new URLSearchParams(location.hash.slice(1));

  function address(number, run) {
    return `#document=${number}&run=${run}`;
  }

  // --- the text

  // The tokens of a sentence, each with the space before it, in stretches that lie in the same mentions.
  function stretches(sentence, mentions) {
    const within = sentence.map(() => []);
    for (const [start, end, entity] of mentions) {
      for (let token = start; token < end; token += 1) within[token].push(entity);
    }
    const found = [];
    sentence.forEach((token, place) => {
      const starts = mentions.some(([start]) => start === place);
      const last = found.at(-1);
      if (last && !starts && String(last.entities) === String(within[place])) last.tokens.push(token);
      else found.push({ entities: within[place], tokens: [token] });
    });
    return found;
  }

  function showText(content) {
    const bySentence = content.sentences.map(() => []);
    content.entities.forEach((entity, number) => {
      for (const [sentence, start, end] of entity.mentions) bySentence[sentence].push([start, end, number]);
    });
    const lines = content.sentences.map((sentence, number) => {
      const line = make("li");
      for (const { entities, tokens } of stretches(sentence, bySentence[number])) {
        const spaced = tokens.join("");
        const text = spaced.replace(/^ /, "");
        if (text.length < spaced.length) line.append(" ");
        if (entities.length) {
          const inner = entities.at(-1);
          const kinds = entities.map((entity) => `entity ${entity + 1}, ${content.entities[entity].type}`);
          line.append(make(
            "mark", { class: `c${inner % COLOURS}`, title: kinds.join("; "), "data-entities": entities.join(" ") },
            text, make("sup", {}, entities.map((entity) => entity + 1).join(",")),
          ));
        } else line.append(text);
      }
      return line;
    });
    at("text").replaceChildren(...lines);
  }

  function point(entities) {
    for (const mark of document.querySelectorAll("mark")) {
      const own = mark.dataset.entities.split(" ").map(Number);
      mark.classList.toggle("pointed", own.some((entity) => entities.includes(entity)));
    }
  }

  // --- the triplets

  function tripletsOf(content, read) {
    const missed = new Map(read.missed);
    const gold = content.gold.map(([head, relation, tail, evidence], place) => {
      const kind = missed.get(place);
      return { head, relation, tail, evidence, state: kind ? "missed" : "correct", kind: kind ?? "", score: null };
    });
    const scores = new Map(read.scores.map(([head, relation, tail, score]) => [`${head} ${relation} ${tail}`, score]));
    const evidence = new Map(read.evidence.map(([head, relation, tail, found]) => [`${head} ${relation} ${tail}`, found]));
    // Without gold labels nothing says which predictions are wrong.
    const state = content.labelled ? "wrong" : "predicted";
    const wrong = read.wrong.map(([head, relation, tail, kind]) => (
      {
        head, relation, tail, evidence: evidence.get(`${head} ${relation} ${tail}`) ?? [], state,
        kind: content.labelled ? kind : "", score: null,
      }
    ));
    const all = [...gold, ...wrong];
    for (const one of all) {
      if (one.state === "missed") continue;
      const triplet = `${one.head} ${one.relation} ${one.tail}`;
      one.score = scores.get(triplet) ?? null;
      one.named = evidence.get(triplet);
    }
    return all;
  }

  const belongs = {
    all: () => true,
    gold: (one) => GOLD.has(one.state),
    predicted: (one) => PREDICTED.has(one.state),
    correct: (one) => one.state === "correct",
    wrong: (one) => one.state === "wrong",
    missed: (one) => one.state === "missed",
  };
  const chosen = () => belongs[document.querySelector("#shown input:checked").value];

  // The evidence of the labels, and after it that of the prediction where it is another.
  function evidenceOf({ evidence, named = evidence }) {
    const [shown, predicted] = [evidence, named].map((sentences) => sentences.join(", "));
    return predicted === shown ? shown : `${shown} (predicted ${predicted})`.trim();
  }

  function showTriplets() {
    const { content, triplets, rows } = current;
    const names = content.entities.map((entity) => entity.names[0]);
    const entityCell = (entity) => make("td", {}, `${entity + 1} ${names[entity] ?? "(not in the document)"}`);
    const lines = triplets.map((one) => {
      const relation = current.relations[one.relation];
      const line = make(
        "tr", { tabindex: "0" }, entityCell(one.head), make("td", {}, relation ?? one.relation), entityCell(one.tail),
        make("td", { class: one.state }, one.state), make("td", {}, plain(one.kind)),
        make("td", {}, evidenceOf(one)), make("td", { class: "number" }, one.score ?? ""),
      );
      for (const event of ["mouseenter", "focus"]) line.addEventListener(event, () => point([one.head, one.tail]));
      for (const event of ["mouseleave", "blur"]) line.addEventListener(event, () => point([]));
      rows.set(line, one);
      return line;
    });
    at("triplets").tBodies[0].replaceChildren(...lines);
    for (const label of document.querySelectorAll("[data-total]")) {
      label.textContent = `(${triplets.filter(belongs[label.dataset.total]).length})`;
    }
  }

  function refresh() {
    if (!current) return;
    const { content, triplets, rows } = current;
    const kept = chosen();
    harnessTables.filter(at("triplets"), (line) => kept(rows.get(line)));
    const names = content.entities.map((entity) => entity.names[0]);
    const drawn = triplets.filter(kept).map((one) => (
      { ...one, relation: current.relations[one.relation] ?? one.relation }
    ));
    at("graph-summary").textContent = harnessGraph.draw(at("graph"), names, drawn);
  }

  function showEntities(content) {
    const lines = content.entities.map((entity, number) => make(
      "tr", {}, make("th", { scope: "row", class: "number" }, number + 1), make("td", {}, entity.type),
      make("td", {}, entity.names.join(" · ")), make("td", { class: "number" }, entity.mentions.length),
    ));
    at("entities").tBodies[0].replaceChildren(...lines);
  }

  // --- the exchange with the model

  function showRejects(read) {
    const lines = read.rejects.map(([reason, text]) => make("tr", {}, make("td", {}, plain(reason)), make("td", {}, text)));
    at("rejects").tBodies[0].replaceChildren(...lines);
    at("rejects").hidden = !lines.length;
    at("no-rejects").hidden = Boolean(lines.length);
    at("details").textContent = JSON.stringify(read.details, null, 1);
  }

  // A text of the document's table, byte for byte: see harness/report/texts.py.
  function textOf(content, number) {
    const ranges = content.texts[number];
    const lines = [];
    for (let place = 0; place < ranges.length; place += 2) {
      for (let line = ranges[place]; line < ranges[place] + ranges[place + 1]; line += 1) {
        lines.push(line < shared.lines.length ? shared.lines[line] : content.lines[line - shared.lines.length]);
      }
    }
    return lines.join("\n");
  }

  function showSteps(content, read) {
    const opened = read.steps.length === 1;
    const steps = read.steps.map((step, number) => {
      const tokens = `${step.usage[0]} prompt and ${step.usage[1]} answer tokens`;
      const constraint = step.constraint ? `, held to a grammar (${step.constraint})` : "";
      const box = make("details", {}, make(
        "summary", {}, `${number + 1}. ${step.name}: ended by ${step.finish}, ${tokens}, ${step.seconds} s${constraint}`,
      ));
      const fill = () => {
        if (box.childElementCount > 1) return;
        for (const [role, text] of step.messages) box.append(make("h4", {}, role), make("pre", {}, textOf(content, text)));
        for (const name of ["reasoning", "refusal", "answer"]) {
          if (name === "answer" || step[name] !== null) {
            box.append(make("h4", {}, name), make("pre", { class: name }, textOf(content, step[name])));
          }
        }
      };
      box.addEventListener("toggle", fill);
      box.open = opened;
      return box;
    });
    at("steps").replaceChildren(...(steps.length ? steps : [make("p", {}, "Nothing was asked: there is no exchange to show.")]));
  }

  // --- the page

  function showRuns(content, number, run) {
    const options = content.runs.map((read) => {
      const option = make("option", { value: read.run }, `${read.run}: ${shared.runs[read.run]}`);
      option.selected = read.run === run;
      return option;
    });
    at("run").replaceChildren(...options);
    at("run-page").href = `run-${run}.html`;
    // Texts of one's own have no run: no page of one, no labels, no exchange with a model.
    for (const part of document.querySelectorAll("[data-of-run]")) part.hidden = Boolean(shared.alone);
    for (const [id, other] of [["previous", number - 1], ["next", number + 1]]) {
      const exists = shared.documents[other] !== undefined;
      at(id).hidden = !exists;
      if (exists) at(id).href = address(other, run);
    }
  }

  async function show() {
    // The link to the content is a fragment too, and a page of pasted texts begins without one.
    if ((current || at("paste")) && !wanted().has("document")) return;
    try {
      shared = shared ?? await harnessLoad("shared");
      const number = Number(wanted().get("document"));
      if (shared.documents[number] === undefined) throw new Error(`The report has no document ${wanted().get("document")}`);
      const content = await harnessLoad(`document-${number}`);
      const asked = Number(wanted().get("run"));
      const read = content.runs.find((one) => one.run === asked) ?? content.runs[0];
      current = {
        content, number, rows: new Map(), triplets: tripletsOf(content, read), relations: shared.relations[content.board],
      };
      document.title = content.title;
      at("title").textContent = content.title;
      at("status").textContent = `Ended: ${plain(read.status)}${read.error ? `. ${read.error}` : ""}`;
      at("problem").hidden = true;
      at("document-panel").hidden = false;
      showRuns(content, number, read.run);
      showText(content);
      showTriplets();
      showEntities(content);
      showRejects(read);
      showSteps(content, read);
      refresh();
    } catch (error) {
      at("document-panel").hidden = true;
      at("problem").textContent = error.message;
      at("problem").hidden = false;
    }
  }

  at("run").addEventListener("change", () => { location.hash = address(current.number, at("run").value); });
  at("shown").addEventListener("change", refresh);
  at("triplets").addEventListener("filter", refresh);
  window.addEventListener("hashchange", show);
  show();
})();
