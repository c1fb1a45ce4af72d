// Loads the data of a page on demand: scripts that hand over gzipped JSON in base64, see harness/report/pages.py.
"use strict";

const harnessWaiting = new Map();

function harnessData(name, packed) {
  harnessWaiting.get(name)(packed);
  harnessWaiting.delete(name);
}

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).json();
}

const harnessLoad = (() => {
  const loaded = new Map();
  const load = (name) => {
    if (!loaded.has(name)) {
      loaded.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        harnessWaiting.set(name, (packed) => resolve(unpack(packed)));
        script.src = `data/${name}.js`;
        script.onerror = () => reject(new Error(`data/${name}.js is missing: write the report again`));
        document.head.append(script);
        script.addEventListener("load", () => script.remove());
      }));
    }
    return loaded.get(name);
  };
  // Data that came another way than by a script.
  load.give = (name, content) => loaded.set(name, Promise.resolve(content));
  return load;
})();

// An element with attributes and children; text from documents and models only ever becomes a text node.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

const plain = (word) => word.replaceAll("_", " ");
