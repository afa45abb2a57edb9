"use strict";
(() => {
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest ? event.target.closest("svg [data-t]") : null;
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.t;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 12, document.documentElement.clientWidth - width - 8);
    const above = event.clientY - height - 12;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (above < 8 ? event.clientY + 16 : above) + "px";
  });

  const table = document.querySelector("table.sortable");
  const form = document.querySelector("form.filters");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows].map((row, at) => {
    const texts = [...row.cells].map((cell) => cell.textContent);
    return { row, at, texts, search: (texts[0] + " " + texts[1] + " " + texts[7]).toLowerCase() };
  });
  const column = (name) => heads.findIndex((head) => head.textContent.trim() === name);
  const [seed, cohort] = [column("seed"), column("cohort")];

  const value = (text) => {
    const number = Number(text.replace(/[,%\s]/g, "").replace("\u2212", "-"));
    return text === "\u2013" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
  const sort = (at, descending) => {
    heads.forEach((head, i) => {
      if (i === at) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const keyed = rows.map((entry) => ({ entry, key: value(entry.texts[at]) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.entry.at - b.entry.at;
      return (descending ? -1 : 1) * compare(a.key, b.key) || a.entry.at - b.entry.at;
    });
    body.append(...keyed.map(({ entry }) => entry.row));
  };
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const now = head.getAttribute("aria-sort");
      sort(at, now === null ? first === "descending" : now === "ascending");
    });
  });

  const filter = () => {
    const wanted = form.elements.words.value.trim().toLowerCase();
    const [s, c] = [form.elements.seed.value, form.elements.cohort.value];
    let shown = 0;
    for (const { row, texts, search } of rows) {
      row.hidden =
        !search.includes(wanted) || (s !== "" && texts[seed] !== s) || (c !== "" && !texts[cohort].includes(c));
      if (!row.hidden) shown += 1;
    }
    form.querySelector("output").textContent = shown + " of " + rows.length + " rows";
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.cohort.value = "C_multi";
  filter();
})();
