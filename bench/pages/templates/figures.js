// A model that is pointed at, in a table, a legend or a figure, stands out in every figure; models that are chosen keep a
// colour of their own. Parts of figures say whose they are (data-model) and what their points say (data-values).
const root = document.documentElement;
const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8f7a00"];
const picked = new Map();
const byModel = new Map();
let pointed = null;

function belongs(element, model) {
  if (!byModel.has(model)) byModel.set(model, []);
  byModel.get(model).push(element);
}

for (const part of document.querySelectorAll("[data-model]")) belongs(part, part.dataset.model);
for (const head of document.querySelectorAll("tbody th[scope=row]")) {
  const model = head.dataset.value ?? plainText(head);
  const row = head.parentElement;
  if (row.dataset.model || !byModel.has(model)) continue;
  row.dataset.model = model;
  belongs(row, model);
}

function pointAt(model) {
  if (model === pointed) return;
  for (const part of byModel.get(pointed) ?? []) part.classList.remove("on");
  pointed = byModel.has(model) ? model : null;
  for (const part of byModel.get(pointed) ?? []) part.classList.add("on");
  root.classList.toggle("pointing", pointed !== null);
}

function choose(model, chosen = !picked.has(model)) {
  if (chosen) {
    const free = COLOURS.find((colour) => ![...picked.values()].includes(colour));
    picked.set(model, free ?? COLOURS[picked.size % COLOURS.length]);
  } else picked.delete(model);
  for (const part of byModel.get(model) ?? []) {
    part.classList.toggle("pick", chosen);
    part.style.setProperty("--pick", chosen ? picked.get(model) : "");
    if (part.matches("button")) part.setAttribute("aria-pressed", chosen);
    for (const box of part.querySelectorAll("input.choose")) box.checked = chosen;
  }
  root.classList.toggle("picking", picked.size > 0);
  document.dispatchEvent(new Event("picked"));
}

// What the points of a figure say, and where they lie: by model, in the order of the line.
function pointsOf(figure) {
  const found = [];
  for (const part of figure.querySelectorAll("g[data-values]")) {
    const values = part.dataset.values.split("|");
    const uses = [...part.querySelectorAll("use")].filter((use) => !use.closest("defs"));
    uses.forEach((use, i) => values[i] && found.push({ use, model: part.dataset.model, says: values[i] }));
  }
  return found;
}

function centre(use) {
  const box = use.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

const tip = document.createElement("output");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function showTip(point) {
  tip.hidden = !point;
  if (!point) return;
  const name = document.createElement("strong");
  name.textContent = point.model;
  tip.replaceChildren(name, ` ${point.says}`);
  const [x, y] = centre(point.use);
  const left = Math.min(x + 12, root.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${y + scrollY + (y > 80 ? -tip.offsetHeight - 10 : 14)}px`;
}

function nearest(figure, event) {
  let best = null, least = 14;
  for (const point of pointsOf(figure)) {
    const [x, y] = centre(point.use);
    const away = Math.hypot(event.clientX - x, event.clientY - y);
    if (away < least) [best, least] = [point, away];
  }
  return best;
}

document.addEventListener("pointermove", (event) => {
  const figure = event.target.closest?.("figure.drawing");
  const point = figure && nearest(figure, event);
  showTip(point);
  pointAt(point ? point.model : event.target.closest?.("[data-model]")?.dataset.model ?? null);
});
document.addEventListener("focusin", (event) => {
  const owner = event.target.closest("button[data-model], tr[data-model]");
  if (owner) pointAt(owner.dataset.model);
});
document.addEventListener("focusout", () => { pointAt(null); showTip(null); });
document.addEventListener("click", (event) => {
  const figure = event.target.closest("figure.drawing");
  const point = figure && nearest(figure, event);
  const model = point?.model ?? (event.target.closest("svg [data-model]") ?? event.target.closest("button[data-model]"))?.dataset.model;
  if (model && byModel.has(model)) choose(model);
});

// Keys in a figure: left and right go along a line, up and down to another model, Enter chooses, Escape leaves.
function step(figure, key) {
  const points = pointsOf(figure);
  const models = [...new Set(points.map((point) => point.model))];
  const now = points.find((point) => point.use === figure.at) ?? points[0];
  const own = points.filter((point) => point.model === now.model);
  const place = own.indexOf(now);
  if (!figure.at) return now;
  if (key === "ArrowRight") return own[Math.min(place + 1, own.length - 1)];
  if (key === "ArrowLeft") return own[Math.max(place - 1, 0)];
  const other = models[(models.indexOf(now.model) + (key === "ArrowDown" ? 1 : models.length - 1)) % models.length];
  const theirs = points.filter((point) => point.model === other);
  return theirs[Math.min(place, theirs.length - 1)];
}

for (const figure of document.querySelectorAll("figure.drawing")) {
  if (!pointsOf(figure).length) continue;
  figure.tabIndex = 0;
  figure.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) {
      const point = step(figure, event.key);
      figure.at = point.use;
      showTip(point);
      pointAt(point.model);
    } else if (event.key === "Enter" && pointed) choose(pointed);
    else if (event.key === "Escape") { figure.at = null; pointAt(null); showTip(null); }
    else return;
    event.preventDefault();
  });
}
