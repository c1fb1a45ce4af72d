// The graph of a document's triplets, drawn by Cytoscape.js in the colours of the page.
"use strict";

const harnessGraph = (() => {
  // Dashes and gaps in pixels; a correct triplet's line is solid.
  const DASHES = { correct: [], predicted: [], wrong: [3, 6], missed: [12, 7] };
  // With more edges than this, relations are named at the entity that is pointed at only.
  const MOST_NAMED = 24;
  // So many entities lie on a circle; among more, forces keep apart what is not related.
  const MOST_ON_CIRCLE = 9;
  let graph = null;

  function style() {
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    const edges = Object.entries(DASHES).map(([state, dashes]) => ({
      selector: `edge.${state}`,
      style: {
        "line-color": colour(state), "target-arrow-color": colour(state), "line-dash-pattern": dashes,
        "line-style": dashes.length ? "dashed" : "solid",
      },
    }));
    return [
      {
        selector: "node",
        style: {
          label: "data(label)", color: colour("ink"), "background-color": colour("band"), "border-width": 2,
          "border-color": colour("soft"), "font-size": 19, "text-wrap": "wrap", "text-max-width": 180,
          "text-valign": "bottom", "text-margin-y": 4, width: 24, height: 24, "text-background-color": colour("page"),
          "text-background-opacity": 0.8, "z-index": 1,
        },
      },
      {
        selector: "edge",
        style: {
          "curve-style": "bezier", width: 3.5, "target-arrow-shape": "triangle", "control-point-step-size": 50,
        },
      },
      ...edges,
      {
        selector: "edge.named",
        style: {
          label: "data(label)", color: colour("ink"), "font-size": 13, "text-wrap": "wrap", "text-max-width": 110,
          "text-background-color": colour("page"), "text-background-opacity": 0.9, "text-background-padding": 2,
          "z-index": 2, "z-index-compare": "manual",
        },
      },
    ];
  }

  // One edge for all relations of an ordered pair that are in the same state.
  function edgesOf(triplets) {
    const edges = new Map();
    for (const { head, relation, tail, state } of triplets) {
      const key = `${head} ${tail} ${state}`;
      if (!edges.has(key)) edges.set(key, { head, tail, state, relations: [] });
      edges.get(key).relations.push(relation);
    }
    return [...edges.values()];
  }

  // `triplets` have head, tail (places in `names`), relation (a name) and state; returns what is told of the graph.
  function draw(container, names, triplets) {
    if (graph) graph.destroy();
    const nodes = [...new Set(triplets.flatMap((one) => [one.head, one.tail]))];
    const edges = edgesOf(triplets);
    const label = (entity) => `${entity + 1} ${(names[entity] ?? "not in the document").slice(0, 40)}`;
    const named = edges.length <= MOST_NAMED;
    const elements = [
      ...nodes.map((entity) => ({ data: { id: `e${entity}`, label: label(entity) } })),
      ...edges.map(({ head, tail, state, relations }) => ({
        data: { source: `e${head}`, target: `e${tail}`, label: relations.join("\n") },
        classes: named ? [state, "named"] : [state],
      })),
    ];
    // From a circle on without chance, so that the same triplets always lie the same way.
    graph = cytoscape({ container, elements, style: style(), layout: { name: "circle" } });
    const layout = nodes.length <= MOST_ON_CIRCLE ? { name: "circle", padding: 50 } : {
      name: "cose", randomize: false, animate: false, idealEdgeLength: () => 230, nodeRepulsion: () => 900000,
      edgeElasticity: () => 90, nodeOverlap: 40, gravity: 40, componentSpacing: 90, numIter: 800, padding: 30,
    };
    graph.layout(layout).run();
    graph.userZoomingEnabled(false);
    if (!named) {
      graph.on("mouseover tap", "node", (event) => {
        graph.edges().removeClass("named");
        event.target.connectedEdges().addClass("named");
      });
    }
    const hint = named ? "" : " Point at an entity to see its relations.";
    return `${triplets.length} triplets between ${nodes.length} entities, as in the list above. Entities can be dragged.${hint}`;
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph && graph.style(style()));
  return { draw };
})();
