"use strict";
// Single queries: two systems held against each other. Text of documents and queries is untrusted;
// it reaches the page through `textContent` only.
(() => {
  const AT_ONCE = 200;
  const data = JSON.parse(document.getElementById("queries").textContent);

  const make = (tag, className, text, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    node.append(...children);
    return node;
  };
  const points = (value) => {
    const shown = (100 * value).toFixed(1);
    return value > 0 && shown !== "0.0" ? `+${shown}` : shown === "-0.0" ? "0.0" : shown;
  };
  const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

  function view(root, content) {
    const part = (name) => root.querySelector(`[data-control="${name}"]`);
    const list = root.querySelector(".query-list");
    const article = root.querySelector(".query");
    let shown = AT_ONCE;
    let chosen = null;

    const section = root.closest("[data-section]").dataset.section;
    const pair = () => [part("first"), part("second")].map((c) => content.systems[c.value]);
    const values = (system) => system.values[part("measure").value];
    const differences = () => {
      const [a, b] = pair().map(values);
      return content.queries.map((query, place) => ({ query, place, by: a[place] - b[place] }));
    };

    function summary(rows) {
      const better = rows.filter((row) => row.by > 0).length;
      const worse = rows.filter((row) => row.by < 0).length;
      const mean = rows.reduce((sum, row) => sum + row.by, 0) / rows.length;
      const [a, b] = pair().map((system) => system.name);
      root.querySelector(".summary").textContent =
        `A, ${a}, is better on ${count(better, "query", "queries")}, B, ${b}, on ${worse}; ` +
        `${rows.length - better - worse} are equal. ` +
        `Mean difference A − B: ${points(mean)} points of ${part("measure").value}.`;
    }

    function inOrder(rows) {
      const words = part("find").value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = rows.filter(({ query }) => {
        const text = `${query.id} ${query.text}`.toLowerCase();
        return words.every((word) => text.includes(word));
      });
      const order = part("order").value;
      if (order === "collection") return found;
      return found.sort((x, y) => (order === "first" ? y.by - x.by : x.by - y.by));
    }

    function line({ query, place, by }, largest) {
      const bar = make("span", by < 0 ? "bar worse" : "bar better");
      const length = largest ? (50 * Math.abs(by)) / largest : 0;
      bar.style.width = `${length}%`;
      bar.style.left = by < 0 ? `${50 - length}%` : "50%";
      const button = make("button", "query-line", null,
        make("span", "words", query.text || query.id),
        make("span", "track", null, bar),
        make("span", "by", points(by)));
      button.type = "button";
      button.setAttribute("aria-pressed", String(place === chosen));
      button.addEventListener("click", () => {
        chosen = place;
        leave();
        for (const other of list.querySelectorAll(".query-line")) {
          other.setAttribute("aria-pressed", String(other === button));
        }
        detail();
        if (window.matchMedia("(max-width: 760px)").matches) article.scrollIntoView();
      });
      return button;
    }

    function fill() {
      const all = differences();
      summary(all);
      const largest = Math.max(...all.map((row) => Math.abs(row.by)));
      const rows = inOrder(all);
      list.replaceChildren(...rows.slice(0, shown).map((row) => line(row, largest)));
      if (rows.length > shown) {
        const more = make("button", "more", `Show more: ${rows.length - shown} are left`);
        more.type = "button";
        more.addEventListener("click", () => { shown += AT_ONCE; fill(); });
        list.append(more);
      }
      if (!rows.length) list.append(make("p", "note", "No query has these words."));
      return rows;
    }

    function documents(letter, system, other) {
      const query = content.queries[chosen];
      const best = system.top[chosen] ?? [];
      const elsewhere = other.top[chosen] ?? [];
      const items = best.map((number) => {
        const [id, title, text] = content.documents[number];
        const grade = query.judged[number];
        const item = make("li", grade > 0 ? "relevant" : "", null, make("strong", "", title || id));
        if (grade !== undefined) {
          const word = grade > 0 ? "relevant" : "not relevant";
          item.append(make("span", "tag", `${word}, grade ${grade}`));
        }
        const rank = elsewhere.indexOf(number);
        const where = rank < 0 ? "" : ` · rank ${rank + 1} in the other list`;
        item.append(make("p", "id", id + where), make("p", "text", text));
        return item;
      });
      const value = values(system)[chosen].toFixed(4);
      return make("section", "", null,
        make("h4", "", `${letter}: ${system.name}`),
        make("p", "value", `${part("measure").value} ${value}`),
        items.length
          ? make("ol", "documents", null, ...items)
          : make("p", "note", "Its documents for this query are not in results.json."));
    }

    // The rank of each relevant document in both lists.
    function ranks(query, a, b) {
      const [ours, theirs] = [a, b].map((system) => system.ranks?.[chosen]);
      const told = (rank) => (rank ? String(rank) : "not found");
      if (!ours || !theirs || !query.documents.length) {
        const first = (system) => told(system.first?.[chosen]);
        return query.relevant && a.first && b.first
          ? make("p", "ranks", `First relevant document: rank in A ${first(a)}, in B ${first(b)}.`)
          : make("p", "ranks");
      }
      const titles = new Map(content.documents.map(([id, title]) => [id, title]));
      const head = make("tr", "", null,
        ...["relevant document", "grade", "rank in A", "rank in B"].map((title) => {
          const cell = make("th", title === "relevant document" ? "" : "number", title);
          cell.scope = "col";
          return cell;
        }));
      const rows = query.documents.map(([id, grade], place) => {
        const name = make("th", "", null, make("span", "", titles.get(id) || id));
        name.scope = "row";
        if (titles.get(id)) name.append(make("span", "id", ` ${id}`));
        return make("tr", "", null, name, ...[grade, told(ours[place]), told(theirs[place])]
          .map((value) => make("td", "number", String(value))));
      });
      const more = query.relevant - query.documents.length;
      return make("div", "ranks", null,
        make("table", "", null, make("thead", "", null, head), make("tbody", "", null, ...rows)),
        more > 0 ? make("p", "id", `and ${count(more, "other", "others")}`) : "");
    }

    // The address of what is shown: both systems, the measure and the query, by their names.
    function link() {
      const [a, b] = pair();
      const words = { query: content.queries[chosen].id, a: a.name, b: b.name };
      words.measure = part("measure").value;
      if (data.length > 1) words.section = section;
      return `#${new URLSearchParams(words)}`;
    }

    function leave() {
      if (chosen !== null) history.replaceState(null, "", link());
    }

    // Shows what an address names; false where it names nothing that is here.
    function restore() {
      const words = new URLSearchParams(window.location.hash.slice(1));
      if (!words.has("query") || (words.get("section") ?? "0") !== section) return false;
      const named = (name) => content.systems.findIndex((one) => one.name === words.get(name));
      const query = content.queries.findIndex(({ id }) => id === words.get("query"));
      const measure = words.get("measure") ?? content.measure;
      if (query < 0 || named("a") < 0 || named("b") < 0 || !content.measures.includes(measure)) {
        root.querySelector(".missing").hidden = false;
        return false;
      }
      root.querySelector(".missing").hidden = true;
      part("first").value = named("a");
      part("second").value = named("b");
      part("measure").value = measure;
      chosen = query;
      refresh(false);
      root.scrollIntoView();
      return true;
    }

    function detail() {
      if (chosen === null) return;
      const query = content.queries[chosen];
      const [a, b] = pair();
      const here = make("a", "permalink", "Link to this query and these systems");
      here.href = link();
      article.replaceChildren(
        make("h3", "", query.text || query.id),
        make("p", "id", `${query.id} · ${count(query.relevant, "relevant document", "relevant documents")} · `, here),
        ranks(query, a, b),
        make("div", "pair", null, documents("A", a, b), documents("B", b, a)));
    }

    function refresh(choose) {
      shown = AT_ONCE;
      const rows = choose ? inOrder(differences()) : [];
      if (choose && rows.length) chosen = rows[0].place;
      fill();
      detail();
    }

    content.systems.forEach((system, place) => {
      part("first").add(new Option(system.name, place));
      part("second").add(new Option(system.name, place));
    });
    content.measures.forEach((measure) => part("measure").add(new Option(measure)));
    part("first").value = content.first;
    part("second").value = content.second;
    part("measure").value = content.measure;
    for (const name of ["first", "second", "measure", "order"]) {
      part(name).addEventListener("change", () => { refresh(true); leave(); });
    }
    part("find").addEventListener("input", () => refresh(false));
    root.hidden = false;
    window.addEventListener("hashchange", restore);
    if (!restore()) refresh(true);
    else document.addEventListener("drawn", () => root.scrollIntoView(), { once: true });
  }

  for (const root of document.querySelectorAll(".queries")) {
    view(root, data[root.closest("[data-section]").dataset.section]);
  }
})();
