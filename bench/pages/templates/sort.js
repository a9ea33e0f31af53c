"use strict";
// What a cell says first, without the small print, marks and folded text below it.
function plainText(cell) {
  const copy = cell.cloneNode(true);
  for (const more of copy.querySelectorAll("small, details, .mark, .choose")) more.remove();
  return copy.textContent.trim();
}

// Rows are sorted inside their own <tbody>, so unranked rows stay below the ranked ones.
function cellKey(row, column) {
  const raw = row.cells[column].dataset.value ?? plainText(row.cells[column]);
  const number = Number(raw);
  return raw === "" ? null : Number.isNaN(number) ? raw.toLowerCase() : number;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return sign * (typeof a === "string" ? 1 : -1);
  return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
}

function sortRows(table, key, sign) {
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    body.append(...rows.map((pair) => pair[1]));
  }
  table.dispatchEvent(new Event("rows", { bubbles: true }));
}

function showOrder(table, head, order) {
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  if (head) head.setAttribute("aria-sort", order);
}

function sortBy(head) {
  const before = head.getAttribute("aria-sort");
  const first = head.dataset.first || "ascending";
  const order = !before ? first : before === "ascending" ? "descending" : "ascending";
  showOrder(head.closest("table"), head, order);
  sortRows(head.closest("table"), (row) => cellKey(row, head.cellIndex), order === "ascending" ? 1 : -1);
}

for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
