// The graph of a document's triplets, drawn by Cytoscape.js in the colours of the page.
"use strict";

const harnessGraph = (() => {
  const LINES = { correct: "solid", wrong: "dotted", missed: "dashed" };
  let graph = null;

  function style() {
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    const edges = Object.entries(LINES).map(([state, line]) => ({
      selector: `edge.${state}`,
      style: { "line-color": colour(state), "target-arrow-color": colour(state), "line-style": line },
    }));
    return [
      {
        selector: "node",
        style: {
          label: "data(label)", color: colour("ink"), "background-color": colour("band"), "border-width": 2,
          "border-color": colour("soft"), "font-size": 12, "text-wrap": "wrap", "text-max-width": 110,
          "text-valign": "bottom", "text-margin-y": 4, width: 18, height: 18,
        },
      },
      {
        selector: "edge",
        style: {
          label: "data(label)", color: colour("ink"), "font-size": 10, "curve-style": "bezier", width: 2,
          "target-arrow-shape": "triangle", "text-rotation": "autorotate", "text-background-color": colour("page"),
          "text-background-opacity": 0.85, "text-background-padding": 2, "control-point-step-size": 46,
        },
      },
      ...edges,
    ];
  }

  // `triplets` have head, tail (places in `names`), relation (a name) and state.
  function draw(container, names, triplets) {
    if (graph) graph.destroy();
    const nodes = [...new Set(triplets.flatMap((one) => [one.head, one.tail]))];
    const label = (entity) => `${entity + 1} ${(names[entity] ?? "not in the document").slice(0, 40)}`;
    const elements = [
      ...nodes.map((entity) => ({ data: { id: `e${entity}`, label: label(entity) } })),
      ...triplets.map((one) => ({
        data: { source: `e${one.head}`, target: `e${one.tail}`, label: one.relation }, classes: one.state,
      })),
    ];
    // From a circle on without chance, so that the same triplets always lie the same way.
    graph = cytoscape({ container, elements, style: style(), layout: { name: "circle" } });
    const spread = { name: "cose", randomize: false, animate: false, idealEdgeLength: 110, nodeRepulsion: 60000 };
    graph.layout(spread).run();
    graph.userZoomingEnabled(false);
    graph.fit(undefined, 30);
    return nodes.length;
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph && graph.style(style()));
  return { draw };
})();
