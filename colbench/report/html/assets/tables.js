"use strict";
// Tables: dealt to as many as fit side to side in the page, sorted by a click on a head, and the
// choice of runs. The table that the page came with stays whole in memory; what is shown of it is
// made again whenever the page gets another width or the rows another order.
(() => {
  const NAMES = 0.45; // the share of the width that names get where there is no room for all
  const PRINTED = 980; // pixels of a printed page, in the size that the screen has letters of

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

  const sort = (table, place) => {
    const head = table.tHead.rows[0].cells[place];
    const numeric = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const falling = before ? before === "ascending" : "falling" in head.dataset;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: key(row, place, numeric) }));
    body.append(...rows.sort(compare(numeric, falling)).map(({ row }) => row));
  };

  // What a row is called stands on the left of each part: the first column, and others of names.
  const lefts = (heads) => {
    let count = 1;
    while (count < heads.length) {
      const head = heads[count];
      if (head.classList.contains("number") || head.dataset.priority !== "3") break;
      count += 1;
    }
    return count < heads.length ? count : 1;
  };

  // Columns of each part: those that matter most come first, the rest in its own order.
  const partition = (heads, widths, left, room) => {
    let waiting = [...heads.keys()].slice(left);
    const most = (place) => Number(heads[place].dataset.priority);
    waiting.sort((a, b) => most(a) - most(b) || a - b);
    const parts = [];
    while (waiting.length) {
      const part = [];
      let used = 0;
      for (const place of waiting) {
        if (part.length && used + widths[place] > room) continue;
        part.push(place);
        used += widths[place];
      }
      parts.push(part.sort((a, b) => a - b));
      waiting = waiting.filter((place) => !part.includes(place));
      waiting.sort((a, b) => (most(a) > 3) - (most(b) > 3) || a - b);
    }
    return parts;
  };

  function view(region) {
    const table = region.querySelector("table.data");
    const heads = [...table.tHead.rows[0].cells];
    const sortable = table.tBodies[0].rows.length > 1;
    let parts = null;
    let names = null;
    let width = 0;

    heads.forEach((head, place) => {
      if (!sortable) return;
      const about = head.querySelector(".head");
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.place = place;
      if (about) {
        button.setAttribute("aria-describedby", about.getAttribute("aria-describedby"));
        button.append(...about.childNodes);
        about.replaceWith(button);
      } else {
        button.append(...head.childNodes);
        head.append(button);
      }
    });

    const made = (columns, number) => {
      const copy = table.cloneNode(false);
      const head = copy.createTHead();
      const body = copy.createTBody();
      const taken = (row) => {
        const line = row.cloneNode(false);
        line.append(...columns.map((place) => row.cells[place].cloneNode(true)));
        return line;
      };
      head.append(taken(table.tHead.rows[0]));
      body.append(...[...table.tBodies[0].rows].map(taken));
      if (number) { // an id stands once in a page
        for (const tip of head.querySelectorAll(".tip")) {
          const id = `${tip.id}-${number}`;
          head.querySelector(`[aria-describedby="${tip.id}"]`).setAttribute("aria-describedby", id);
          tip.id = id;
        }
      }
      const box = document.createElement("div");
      box.className = "part";
      box.append(copy);
      return box;
    };

    const draw = () => {
      const all = [...heads.keys()];
      const left = lefts(heads);
      const shown = parts ? parts.map((part) => [...all.slice(0, left), ...part]) : [all];
      region.replaceChildren(...shown.map(made));
      region.classList.toggle("narrow", names !== null);
      region.style.setProperty("--names", names === null ? "none" : `${names}px`);
    };

    const deal = (room) => {
      region.classList.remove("dealt", "narrow");
      region.classList.add("measured");
      region.replaceChildren(table);
      const widths = heads.map((head) => head.getBoundingClientRect().width + 1);
      region.classList.remove("measured");
      region.classList.add("dealt");
      const left = lefts(heads);
      const sum = (list) => list.reduce((total, one) => total + one, 0);
      parts = null;
      names = null;
      if (sum(widths) > room) {
        const called = sum(widths.slice(0, left));
        const widest = Math.max(...widths.slice(left), 0);
        if (called + widest > room) {
          names = Math.floor(Math.max(NAMES * room, room - widest) / left);
        }
        const rest = room - (names === null ? called : names * left);
        parts = partition(heads, widths, left, rest);
      }
      draw();
    };

    const room = () => region.clientWidth - (region.classList.contains("tall") ? 18 : 2);
    new ResizeObserver(() => {
      if (region.clientWidth === width || !region.clientWidth) return; // folded, or its own doing
      width = region.clientWidth;
      deal(room());
    }).observe(region);
    if (region.clientWidth) {
      width = region.clientWidth;
      deal(room());
    }
    window.addEventListener("beforeprint", () => deal(PRINTED));
    window.addEventListener("afterprint", () => { if (region.clientWidth) deal(room()); });

    region.addEventListener("click", (event) => {
      const button = event.target.closest("th button");
      if (!button) return;
      const { place } = button.dataset;
      const number = [...region.children].indexOf(button.closest(".part"));
      sort(table, Number(place));
      draw();
      region.children[number].querySelector(`button[data-place="${place}"]`).focus();
    });
    // A tip goes away at Escape, and comes back when the head is left and met again.
    region.addEventListener("keydown", (event) => {
      if (event.key === "Escape") region.classList.add("hushed");
    });
    for (const met of ["focusin", "mouseover"]) {
      region.addEventListener(met, () => region.classList.remove("hushed"));
    }
    return { table, draw };
  }

  const views = new Map();
  for (const table of document.querySelectorAll("table.data")) {
    const region = table.closest(".scroll");
    views.set(region, view(region));
  }

  for (const choice of document.querySelectorAll("fieldset.runs")) {
    choice.hidden = false;
    choice.addEventListener("change", () => {
      const boxes = [...choice.querySelectorAll("input")];
      const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      for (const [region, { table, draw }] of views) {
        if (region.parentElement !== choice.parentElement) continue;
        for (const row of table.querySelectorAll("tr[data-run]")) {
          row.hidden = !shown.has(row.dataset.run);
        }
        draw();
      }
    });
  }
})();
