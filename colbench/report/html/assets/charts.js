"use strict";
// Drawing the charts: in the colours of the scheme, in the layout that fits the page, the systems
// over the axes that a reader chooses.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  const planes = read("planes");
  const themes = read("themes");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("screen and (max-width: 760px)");

  const place = (node) => node.closest("[data-section]").dataset.section;
  const choices = (node) => {
    const controls = node.parentElement.querySelector(".axes");
    return controls && Object.fromEntries(
      [...controls.querySelectorAll("select")].map((choice) => [choice.dataset.axis, choice.value]),
    );
  };

  const chosen = (node, base) => {
    const plane = planes[place(node)];
    const wanted = plane && choices(node);
    const left = node.parentElement.querySelector(".left-out");
    if (!wanted || (wanted.across === node.dataset.across && wanted.up === plane.up[0].key)) {
      if (left) left.textContent = "";
      return base;
    }
    const axis = (kind) => plane[kind].find(({ key }) => key === wanted[kind]);
    const drawn = onAxes(base, plane, axis("across"), axis("up"));
    left.textContent = drawn.left.length
      ? `Without a value above 0, and so not in the plot: ${drawn.left.join(", ")}.`
      : "";
    return drawn.specification;
  };

  const draw = async (node) => {
    const base = charts[place(node)][node.dataset.chart][narrow.matches ? "narrow" : "wide"];
    const specification = chosen(node, base);
    const scheme = dark.matches ? "dark" : "light";
    node.dataset.scheme = scheme; // the style sheet turns a dark chart round for print
    if (!specification) {
      node.replaceChildren();
      return;
    }
    await vegaEmbed(node, specification, {
      renderer: "svg",
      ast: true, // expressions are interpreted: the content policy forbids eval
      config: themes[scheme],
      tooltip: { theme: scheme },
      actions: { export: true, source: false, compiled: false, editor: false },
    });
  };

  for (const controls of document.querySelectorAll(".axes")) {
    const node = controls.parentElement.querySelector(".chart");
    const plane = planes[place(node)];
    if (!plane) continue;
    for (const choice of controls.querySelectorAll("select")) {
      for (const { key, name } of plane[choice.dataset.axis]) choice.add(new Option(name, key));
    }
    controls.querySelector('[data-axis="across"]').value = node.dataset.across;
    controls.addEventListener("change", () => draw(node));
    controls.hidden = false;
  }

  const drawAll = () => Promise.all([...document.querySelectorAll(".chart")].map(draw));
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  drawAll().then(() => document.dispatchEvent(new Event("drawn")));
})();
