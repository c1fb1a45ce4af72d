// A text that is pasted into the page: sent to the service, and shown as the page of a document.
"use strict";

(() => {
  const form = document.getElementById("paste");
  const problem = document.getElementById("problem");
  const progress = document.getElementById("progress");
  const shared = { documents: [] };
  harnessLoad.give("shared", shared);
  // The texts of an earlier visit are gone.
  history.replaceState(null, "", location.pathname);

  async function answer() {
    const { text, min_score: least, token } = form.elements;
    const headers = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token.value}`;
    const wanted = { text: text.value };
    if (least.value) wanted.min_score = Number(least.value);
    const response = await fetch("page", { method: "POST", headers, body: JSON.stringify(wanted), credentials: "omit" });
    const content = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(content.error ?? `The service answered with status ${response.status}`);
    return content;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    problem.hidden = true;
    progress.textContent = "being read";
    try {
      const content = await answer();
      const number = shared.documents.length;
      const title = form.elements.text.value.trim().slice(0, 60);
      Object.assign(shared, content.shared, { documents: [...shared.documents, title] });
      harnessLoad.give(`document-${number}`, { ...content.documents[0], title });
      location.hash = `#document=${number}&run=0`;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      button.disabled = false;
      progress.textContent = "";
    }
  });
})();
