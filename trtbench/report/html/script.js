// Draws the figures, sorts the tables, and offers the data of each figure as CSV. Needs no network.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("report-data").textContent).figures;

  // Colours: as the system, light or dark.
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  const show = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  const kept = () => { try { return localStorage.getItem("trtbench-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("trtbench-theme", theme); } catch { /* a file may not */ } };
  let theme = themes.includes(kept()) ? kept() : "system";
  show(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    show(theme);
    keep(theme);
  });

  const dataOf = (figure) => figures[figure.id];
  const objects = ({ columns, rows }) =>
    rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));

  // A figure is drawn when it comes into sight; until then, without scripts and in print, its SVG stands there.
  const draw = async (figure) => {
    if ("begun" in figure.dataset) return;
    figure.dataset.begun = "";
    const { spec, columns, rows } = dataOf(figure);
    const chart = figure.querySelector(".chart");
    const stage = document.createElement("div");
    stage.style.width = "100%";
    const data = { ...spec.data, values: objects({ columns, rows }) };
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
      tooltip: { disableDefaultStyle: true } };
    chart.append(stage);
    try {
      await vegaEmbed(stage, { ...spec, data }, options);
      figure.dataset.drawn = "";
      if (chart.scrollWidth > chart.clientWidth) chart.tabIndex = 0;
    } catch (error) {
      stage.remove();
      figure.dataset.failed = String(error);
    }
  };
  const sight = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        sight.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "600px" });

  // Figures without an SVG are drawn in idle time: print would lack those that were not in sight.
  const later = window.requestIdleCallback ?? setTimeout;
  const drawRest = () => {
    const next = document.querySelector("figure[data-figure]:not([data-begun], :has(.still))");
    if (next) draw(next).then(() => later(drawRest));
  };

  // Columns whose names begin with _ only place marks.
  const readable = ({ columns, rows }) => {
    const kept = columns.map((name, index) => index).filter((index) => !columns[index].startsWith("_"));
    const pick = (row) => kept.map((index) => row[index]);
    return { columns: pick(columns), rows: rows.map(pick) };
  };
  const field = (value) => {
    const text = value === null ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = ({ columns, rows }) =>
    [columns, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n";
  const download = (figure) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(readable(dataOf(figure)))], { type: "text/csv" }));
    link.download = `${figure.id}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const cell = (kind, value) => {
    const made = document.createElement(kind);
    const number = typeof value === "number";
    made.textContent = value === null ? "" : number && !Number.isInteger(value) ? String(Number(value.toPrecision(5))) : String(value);
    if (number) {
      made.className = "number";
      made.dataset.value = value;
    }
    return made;
  };
  const fill = (figure) => {
    const { columns, rows } = readable(dataOf(figure));
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const name of columns) {
      const header = cell("th", name.replaceAll("_", " "));
      header.scope = "col";
      head.append(header);
    }
    const body = table.createTBody();
    for (const row of rows) body.insertRow().append(...row.map((value) => cell("td", value)));
    sortable(table);
    figure.querySelector("[data-rows]").replaceChildren(table);
  };

  const sortable = (table) => {
    table.querySelectorAll("thead th").forEach((header, index) => {
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.append(...header.childNodes);
      header.replaceChildren(sorter);
      sorter.addEventListener("click", () => sort(table, header, index));
    });
  };
  const sort = (table, header, index) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("thead th").forEach((each) => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[index].dataset.value ?? row.cells[index].textContent;
    const number = (text) => (text === "inf" ? Infinity : Number(text));
    const compare = (one, other) => {
      const [a, b] = [key(one), key(other)];
      if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
      const order = isNaN(number(a)) || isNaN(number(b)) ? a.localeCompare(b, "en", { numeric: true }) : number(a) - number(b);
      return down ? -order : order;
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  };

  // Print holds the environment, too.
  const opened = [];
  addEventListener("beforeprint", () => document.querySelectorAll(".environment:not([open])").forEach((each) => {
    opened.push(each);
    each.open = true;
  }));
  addEventListener("afterprint", () => opened.splice(0).forEach((each) => { each.open = false; }));

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("figure[data-figure]").forEach((figure) => {
    sight.observe(figure);
    figure.querySelector("[data-download]").addEventListener("click", () => download(figure));
    figure.querySelector("details").addEventListener("toggle", () => {
      if (!figure.querySelector("[data-rows] table")) fill(figure);
    });
  });
  later(drawRest);
})();
