"use strict";
// Drawing the charts: in the colours of the scheme, in the layout that fits the page.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  const themes = read("themes");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("screen and (max-width: 760px)");

  const draw = async (node) => {
    const section = charts[node.closest("[data-section]").dataset.section];
    const specification = section[node.dataset.chart][narrow.matches ? "narrow" : "wide"];
    const scheme = dark.matches ? "dark" : "light";
    node.dataset.scheme = scheme; // the style sheet turns a dark chart round for print
    await vegaEmbed(node, specification, {
      renderer: "svg",
      ast: true, // expressions are interpreted: the content policy forbids eval
      config: themes[scheme],
      tooltip: { theme: scheme },
      actions: { export: true, source: false, compiled: false, editor: false },
    });
  };

  const drawAll = () => Promise.all([...document.querySelectorAll(".chart")].map(draw));
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  drawAll();
})();
