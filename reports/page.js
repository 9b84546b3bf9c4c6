// Draws the plots that the page carries as JSON, in the colours of the page: light, dark, or print.
(() => {
  "use strict";
  const config = { displayModeBar: false, responsive: true };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // What a plot takes from the page's style; keys are paths into plotly's layout.
  function paint(layout) {
    const small = window.innerWidth < 600;
    const change = {
      "font.family": getComputedStyle(document.body).fontFamily,
      "font.size": small ? 11 : 13,
      "font.color": colour("--ink"),
      "hoverlabel.bgcolor": colour("--card"),
      "hoverlabel.bordercolor": colour("--line"),
      "hoverlabel.font.color": colour("--ink"),
    };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      change[`${axis}.gridcolor`] = colour("--grid");
      change[`${axis}.linecolor`] = colour("--line");
      change[`${axis}.tickcolor`] = colour("--line");
      change[`${axis}.tickfont.color`] = colour("--quiet");
      change[`${axis}.title.font.color`] = colour("--quiet");
      change[`${axis}.title.font.size`] = small ? 11 : 13;
    }
    (layout.shapes || []).forEach((_, at) => { change[`shapes[${at}].line.color`] = colour("--grid"); });
    return change;
  }

  const drawn = [];
  function repaint() {
    for (const plot of drawn) Plotly.relayout(plot, paint(plot.layout));
  }

  for (const source of document.querySelectorAll("script[data-for]")) {
    const plot = document.getElementById(source.dataset.for);
    const spec = JSON.parse(source.textContent);
    Plotly.newPlot(plot, spec.data, spec.layout, config).then(() => Plotly.relayout(plot, paint(plot.layout)));
    drawn.push(plot);
  }
  for (const button of document.querySelectorAll("button[data-save]")) {
    const plot = document.getElementById(button.dataset.save);
    button.addEventListener("click", () => Plotly.downloadImage(plot, {
      format: "svg", filename: plot.id, width: plot.clientWidth, height: plot.clientHeight,
    }));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  matchMedia("(max-width: 599px)").addEventListener("change", repaint);
  matchMedia("print").addEventListener("change", repaint);
})();
