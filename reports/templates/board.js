
"use strict";
const form = document.querySelector(".filters"), table = document.querySelector(".board");
const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];

function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
}

function compare(one, other) {
  return typeof one === "string" ? one.localeCompare(other, "en", {numeric: true}) : one - other;
}

function sort(column) {
  const before = heads[column].getAttribute("aria-sort");
  const order = before === "ascending" ? "descending" : "ascending", sign = order === "ascending" ? 1 : -1;
  heads.forEach((head, place) => head.setAttribute("aria-sort", place === column ? order : "none"));
  const missing = row => Number.isNaN(value(row, column));
  const sorted = [...body.rows].sort((one, other) =>
    missing(one) || missing(other) ? missing(one) - missing(other) : sign * compare(value(one, column), value(other, column)));
  body.append(...sorted);
}

function filter() {
  const {stream, method, words, variants} = form.elements;
  const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (stream.value !== "" && row.dataset.stream !== stream.value)
      || (method.value !== "" && row.dataset.method !== method.value)
      || (!variants.checked && "variant" in row.dataset)
      || !sought.every(word => text.includes(word));
  }
  form.querySelector("output").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} rows`;
}

heads.forEach((head, column) => {
  const button = head.querySelector("button");
  button.disabled = false;
  button.addEventListener("click", () => sort(column));
});
["input", "change"].forEach(kind => form.addEventListener(kind, filter));
form.addEventListener("submit", event => event.preventDefault());
form.hidden = false;
filter();
