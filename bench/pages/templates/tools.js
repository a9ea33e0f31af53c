// Tools of the page: choosing, filtering and folding rows, CSV, light and dark.
const FIRST = 10;
const narrow = matchMedia("(max-width: 720px)").matches;

function made(tag, attributes, text = "") {
  const element = Object.assign(document.createElement(tag), attributes);
  if (text) element.append(text);
  return element;
}

// A legend of buttons above the figures, and a box in each row of the first table.
function legend() {
  const first = document.querySelector("figure.drawing[data-model], figure.drawing g[data-model]")?.closest("section");
  const models = [...new Set([...document.querySelectorAll("figure.drawing[data-model], figure.drawing g[data-model]")].map((g) => g.dataset.model))];
  if (!first || models.length < 2) return;
  const list = made("div", { className: "chips tools" });
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Models to compare");
  for (const model of models) {
    const button = made("button", { type: "button", className: "tool" }, model);
    button.dataset.model = model;
    button.setAttribute("aria-pressed", "false");
    belongs(button, model);
    list.append(button);
  }
  const heading = first.querySelector("h2");
  (heading.closest("summary") ?? heading).after(list);
  const ranking = document.querySelector("table.headline, table.scores");
  for (const row of ranking?.querySelectorAll("tr[data-model]") ?? []) {
    const box = made("input", { type: "checkbox", className: "choose" });
    box.setAttribute("aria-label", `Compare ${row.dataset.model}`);
    box.addEventListener("change", () => choose(row.dataset.model, box.checked));
    row.querySelector("th").prepend(box);
  }
}

function labelled(text, element) {
  const label = made("label", {}, `${text} `);
  label.append(element);
  return label;
}

function selection(text, options) {
  const select = made("select", { name: text.toLowerCase() });
  for (const [value, name] of options) select.append(made("option", { value }, name));
  return [labelled(text, select), select];
}

const words = (value) => value.replaceAll("_", " ");

// The tools above the ranking.
function rankingTools(table) {
  const rows = [...table.querySelectorAll("tbody tr")];
  const fold = made("details", { className: "filters tools", open: !narrow });
  const bar = made("div", { className: "tools" });
  fold.append(made("summary", {}, "Filter and sort"), bar);
  const find = made("input", { type: "search" });
  bar.append(labelled("Find", find));
  const filters = {};
  for (const [name, text] of [["recipe", "Recipe"], ["depth", "Depth"], ["verdict", "Verdict"]]) {
    const values = [...new Set(rows.map((row) => row.dataset[name]))].sort();
    const [label, select] = selection(text, [["", "all"], ...values.map((value) => [value, words(value)])]);
    filters[name] = select;
    bar.append(label);
  }
  const orders = [["rank", "rank"], ["model", "model"], ["recipe", "recipe"], ["depth", "depth"], ["verdict", "verdict"]];
  const [order, by] = selection("Sort by", orders);
  const chosen = made("input", { type: "checkbox" });
  const more = made("button", { type: "button", className: "tool" });
  const count = made("output", {});
  bar.append(order, labelled("Only chosen", chosen), count);
  let whole = rows.length <= FIRST + 2;

  function show() {
    let shown = 0;
    for (const row of table.querySelectorAll("tbody tr")) {
      const data = row.dataset;
      const fits = Object.entries(filters).every(([name, select]) => !select.value || data[name] === select.value);
      row.hidden = !fits || !data.model.toLowerCase().includes(find.value.trim().toLowerCase())
        || (chosen.checked && !picked.has(data.model));
      shown += !row.hidden;
      row.classList.toggle("rest", !row.hidden && shown > FIRST);
    }
    count.textContent = shown < rows.length ? `${shown} of ${rows.length} models` : "";
    table.classList.toggle("folded", !whole);
    more.hidden = shown <= FIRST;
    more.textContent = whole ? `Show the first ${FIRST}` : `Show all ${shown}`;
  }

  more.addEventListener("click", () => { whole = !whole; show(); });
  bar.addEventListener("input", (event) => event.target !== by && show());
  by.addEventListener("change", () => {
    showOrder(table, by.value === "rank" ? table.tHead.rows[0].cells[0] : null, "ascending");
    sortRows(table, (row) => (by.value === "rank" ? cellKey(row, 0) : row.dataset[by.value]), 1);
  });
  table.addEventListener("rows", show);
  document.addEventListener("picked", show);
  const region = table.closest(".scroll");
  region.before(fold);
  region.after(more);
  show();
}

// A table as CSV: numbers as they are stored, and the small print of a column beside it.
function csvOf(table) {
  const clean = (element) => element.textContent.replace(/\s+/g, " ").trim();
  const title = (head) => [plainText(head), ...[...head.querySelectorAll("small")].map(clean)].join(" ");
  const rows = [...table.querySelectorAll("tbody tr")].filter((row) => !row.hidden);
  const small = (cell) => [...(cell?.querySelectorAll(":scope > small") ?? [])].map(clean).join("; ");
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const noted = heads.map((_, i) => rows.some((row) => small(row.cells[i])));
  const line = (cells, value, beside) => cells.flatMap((cell, i) => (noted[i] ? [value(cell), beside(cell)] : [value(cell)]));
  const lines = [
    line(heads, title, (head) => `${title(head)}, note`),
    ...rows.map((row) => line([...row.cells], (cell) => cell.dataset.value ?? plainText(cell), small)),
  ];
  return lines.map((cells) => cells.map((text) => `"${text.replaceAll('"', '""')}"`).join(",")).join("\r\n") + "\r\n";
}

function download(text, name) {
  const link = made("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

function csvButton(table) {
  const button = made("button", { type: "button", className: "tool csv" }, "Download CSV");
  const label = table.closest(".scroll").getAttribute("aria-label") ?? "table";
  const name = `${document.title} ${label}`.replace(/[^A-Za-z0-9]+/g, "-").toLowerCase();
  button.setAttribute("aria-label", `Download CSV: ${label}`);
  button.addEventListener("click", () => download(csvOf(table), `${name}.csv`));
  table.closest(".scroll").after(button);
}

// Light or dark, as the system has it unless a reader says otherwise.
function themeButton() {
  const button = made("button", { type: "button", className: "tool theme" });
  const next = { "": "dark", dark: "light", light: "" };
  const set = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.textContent = theme ? `◐ ${theme}` : "◐ auto";
    button.title = "Light or dark";
  };
  button.addEventListener("click", () => {
    set(next[root.dataset.theme ?? ""]);
    try { localStorage.setItem("symbench-theme", root.dataset.theme ?? ""); } catch { /* not kept */ }
  });
  let kept = "";
  try { kept = localStorage.getItem("symbench-theme") ?? ""; } catch { /* not kept */ }
  set(kept in next ? kept : "");
  document.querySelector(".kicker")?.append(button);
}

// What a link of the page leads to is opened.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const own = target.querySelector(":scope > details.fold");
  for (const fold of [own, target.closest("details")]) if (fold) fold.open = true;
}

legend();
for (const table of document.querySelectorAll(".scroll > table")) csvButton(table);
const ranking = document.querySelector("#table table.headline");
if (ranking) rankingTools(ranking);
themeButton();
if (narrow) {
  for (const fold of document.querySelectorAll("details.changes, details.long")) fold.open = false;
}
addEventListener("hashchange", openTarget);
openTarget();
