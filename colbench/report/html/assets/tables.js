"use strict";
// Sorting by a click on a column's head, and the choice of runs.
(() => {
  const compare = (numeric, falling) => (a, b) => {
    if (a.key === null || b.key === null) {
      return (a.key === null) - (b.key === null); // nothing is last, whichever way it is sorted
    }
    const order = numeric ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true });
    return falling ? -order : order;
  };

  const key = (row, place, numeric) => {
    const cell = row.cells[place];
    if (!numeric) return cell.textContent.trim() || null;
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };

  const sort = (table, head) => {
    const numeric = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const falling = before ? before === "ascending" : "falling" in head.dataset;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: key(row, head.cellIndex, numeric) }));
    body.append(...rows.sort(compare(numeric, falling)).map(({ row }) => row));
  };

  for (const table of document.querySelectorAll("table.data")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head));
      head.append(button);
    }
  }

  for (const choice of document.querySelectorAll("fieldset.runs")) {
    choice.hidden = false;
    choice.addEventListener("change", () => {
      const boxes = [...choice.querySelectorAll("input")];
      const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      for (const row of choice.parentElement.querySelectorAll("tr[data-run]")) {
        row.hidden = !shown.has(row.dataset.run);
      }
    });
  }
})();
