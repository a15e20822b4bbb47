// Adds to pictures that are right without it: exact values where one points, touches or goes with the
// arrow keys, and buttons that take something out of a picture and put it back. What is shown comes
// from the data inside of each figure, and reaches the page as text only.
(() => {
  "use strict";

  const MIB = 1048576;
  const STEPS = 5;
  const MANTISSAS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
  const MARKED = 24;

  // The step of an axis that reaches `most`, and the digits that its labels need: as in ticks.rs.
  function stepFor(most) {
    const least = most / STEPS;
    if (!(least > 0) || !Number.isFinite(least)) return 1;
    const power = Math.pow(10, Math.floor(Math.log10(least)));
    const mantissa = MANTISSAS.find((one) => one * power >= least * (1 - 1e-9)) || 10;
    return mantissa * power;
  }

  function label(value, step) {
    if (value === 0) return "0";
    let digits = 0;
    while (digits < 9) {
      const scaled = step * Math.pow(10, digits);
      if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) break;
      digits += 1;
    }
    return grouped(value, digits);
  }

  function grouped(value, digits) {
    const [whole, fraction] = Math.abs(value).toFixed(digits).split(".");
    const text = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? "." + fraction : "");
    return value < 0 && /[1-9]/.test(text) ? "-" + text : text;
  }

  const mebibytes = (bytes) => grouped(bytes / MIB, 1);
  const exact = (bytes) => grouped(bytes, 0);

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // Both drawings of a figure, with where their axes stand and what they were at first.
  function viewsOf(figure) {
    return Array.from(figure.querySelectorAll(".plot-stage > svg"), (svg) => {
      const [left, right, top, bottom, zero] = svg.dataset.frame.split(" ").map(Number);
      const title = svg.querySelector("title");
      if (title) title.remove();
      const labels = Array.from(svg.querySelectorAll("text.y"));
      return { svg, left, right, top, bottom, zero, labels, first: labels.map((one) => one.textContent) };
    });
  }

  function setLabels(view, step) {
    view.labels.forEach((one, n) => {
      one.textContent = step === null ? view.first[n] : label(n * step, step);
    });
  }

  // The y of a value where the axis reaches `top`.
  const yOf = (view, value, top) =>
    Math.min(view.bottom, Math.round(view.zero - (value / top) * (view.zero - view.top)));

  function firstPoints(shape) {
    if (shape.dataset.first === undefined) shape.dataset.first = shape.getAttribute("points");
    return shape.dataset.first;
  }

  // A line where the axis reaches `factor` times less than at first.
  function stretch(view, shape, factor) {
    const points = firstPoints(shape);
    if (factor === 1) {
      shape.setAttribute("points", points);
      return;
    }
    const stretched = points.split(" ").map((point) => {
      const [x, y] = point.split(",").map(Number);
      return x + "," + Math.round(view.zero - (view.zero - y) * factor);
    });
    shape.setAttribute("points", stretched.join(" "));
  }

  // Buttons; `changed` gets what is away.
  function legend(figure, changed) {
    const away = new Set();
    for (const button of figure.querySelectorAll(".plot-legend button")) {
      button.addEventListener("click", () => {
        const of = button.dataset.of;
        const isAway = !away.has(of);
        if (isAway) away.add(of);
        else away.delete(of);
        button.setAttribute("aria-pressed", String(!isAway));
        changed(away);
      });
    }
    return away;
  }

  // The box of exact values: a heading and rows of a name, and numbers as text.
  function fill(box, heading, columns, rows) {
    box.replaceChildren(element("p", heading));
    const table = element("table");
    const head = element("tr");
    for (const column of ["", ...columns]) head.append(element(column ? "th" : "td", column));
    for (const cell of head.children) cell.style.textAlign = "right";
    if (columns.length > 0) table.append(head);
    for (const { key, name, cells } of rows) {
      const row = element("tr");
      const named = element("th");
      named.scope = "row";
      if (key) named.append(element("i", undefined, "key " + key));
      named.append(name);
      row.append(named, ...cells.map((cell) => element("td", cell)));
      table.append(row);
    }
    box.append(table);
  }

  // Beside the cursor on a wide page, below the picture on a narrow one.
  function place(stage, view, box, x) {
    const rect = view.svg.getBoundingClientRect();
    const scale = rect.width / view.svg.viewBox.baseVal.width;
    const isNarrow = view.svg.classList.contains("plot-narrow");
    box.hidden = false;
    box.style.left = "0";
    box.style.top = (isNarrow ? rect.height : view.top * scale) + "px";
    if (isNarrow) return;
    const at = x * scale;
    const right = at + 14;
    const fits = right + box.offsetWidth <= stage.clientWidth;
    box.style.left = Math.max(0, fits ? right : at - 14 - box.offsetWidth) + "px";
  }

  // Pointer, touch and keys. `spots(view)` are places in a drawing, `show(index, box)` tells of one.
  function explore(figure, views, spots, show) {
    const stage = figure.querySelector(".plot-stage");
    const box = element("div", undefined, "plot-values");
    box.hidden = true;
    box.setAttribute("role", "status");
    stage.append(box);
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", views[0].svg.getAttribute("aria-label") + ". Arrow keys give exact values.");
    for (const view of views) {
      view.cursor = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      view.cursor.setAttribute("class", "cursor off");
      view.svg.append(view.cursor);
    }
    let current = -1;
    const visible = () => views.find((view) => view.svg.getBoundingClientRect().width > 0) || views[0];
    const hide = () => {
      current = -1;
      box.hidden = true;
      for (const view of views) view.cursor.classList.add("off");
    };
    const tell = (index) => {
      const view = visible();
      const places = spots(view);
      if (places.length === 0) return hide();
      current = Math.max(0, Math.min(places.length - 1, index));
      const { x } = places[current];
      view.cursor.setAttribute("points", x + "," + view.top + " " + x + "," + view.bottom);
      view.cursor.classList.remove("off");
      show(current, box);
      place(stage, view, box, x);
    };
    const point = (event) => {
      const view = visible();
      const rect = view.svg.getBoundingClientRect();
      const scale = view.svg.viewBox.baseVal.width / rect.width;
      const x = (event.clientX - rect.left) * scale;
      const y = (event.clientY - rect.top) * scale;
      let nearest = -1;
      let least = Infinity;
      spots(view).forEach((spot, index) => {
        const far = Math.hypot(spot.x - x, spot.y === undefined ? 0 : spot.y - y);
        if (far < least) [nearest, least] = [index, far];
      });
      if (nearest >= 0) tell(nearest);
    };
    listen(stage, { point, hide, tell, current: () => current, count: () => spots(visible()).length });
    return hide;
  }

  function listen(stage, { point, hide, tell, current, count }) {
    stage.addEventListener("pointermove", point);
    stage.addEventListener("pointerdown", point);
    // A finger that is lifted leaves, and what it asked for stays.
    stage.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") hide();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!stage.contains(event.target)) hide();
    });
    stage.addEventListener("blur", hide);
    window.addEventListener("resize", () => {
      if (current() >= 0) tell(current());
    });
    stage.addEventListener("keydown", (event) => {
      const at = current();
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count() - 1 }[event.key];
      if (event.key === "Escape") hide();
      else if (to !== undefined) tell(at < 0 && event.key === "ArrowLeft" ? count() - 1 : to);
      else return;
      event.preventDefault();
    });
  }

  function hint(figure, text) {
    const after = figure.querySelector(".plot-legend, .plot-stage");
    after.insertAdjacentElement("afterend", element("p", text, "plot-hint"));
  }

  // Owners that are not away, stacked: what is positive upwards from zero, the rest downwards.
  function stacked(points, isAway) {
    let most = 0;
    let least = 0;
    const bands = points.map((point) => {
      let up = 0;
      let down = 0;
      return point.owners.map((bytes, owner) => {
        const from = bytes < 0 ? down : up;
        const to = isAway[owner] ? from : from + bytes;
        if (bytes < 0) down = to;
        else up = to;
        most = Math.max(most, to);
        least = Math.min(least, to);
        return [Math.min(from, to), Math.max(from, to)];
      });
    });
    return { bands, most, least };
  }

  function ledger(figure, data) {
    const views = viewsOf(figure);
    const points = data.points.map(([at, phase, probe, cycle, reading, rss, owners]) =>
      ({ at, phase: data.phases[phase], probe, cycle, reading, rss, owners }));
    const mostRss = Math.max(...points.map((point) => point.rss));
    for (const view of views) {
      view.areas = data.owners.map((owner) => view.svg.querySelector("polygon.o-" + owner));
      view.rss = view.svg.querySelector("polyline.rss");
      view.looks = view.svg.querySelector("polyline.looks");
    }
    const xOf = (view, at) => Math.round(view.left + (at / data.to) * (view.right - view.left));
    const draw = (away) => {
      const isAway = data.owners.map((owner) => away.has("o-" + owner));
      const all = !isAway.includes(true);
      const { bands, most, least } = stacked(points, isAway);
      const rss = all && !away.has("rss") ? mostRss : 0;
      const looks = all && !away.has("looks") ? data.looks : 0;
      for (const view of views) {
        const below = (view.bottom - view.zero) / (view.zero - view.top);
        const deep = below > 0 ? -least / below : 0;
        const reach = Math.max(most, rss, looks, deep);
        const step = away.size === 0 || reach <= 0 ? data.step : stepFor(reach / MIB);
        const top = step * STEPS * MIB;
        setLabels(view, step === data.step ? null : step);
        areas(view, bands, isAway, away.size === 0 ? null : top);
        for (const [shape, name] of [[view.rss, "rss"], [view.looks, "looks"]]) {
          if (!shape) continue;
          shape.classList.toggle("off", !all || away.has(name));
          stretch(view, shape, data.step / step);
        }
      }
      // They count what is away.
      for (const button of figure.querySelectorAll('[data-of="rss"], [data-of="looks"]')) button.disabled = !all;
    };
    // Without `top`, as they were drawn at first.
    const areas = (view, bands, isAway, top) => view.areas.forEach((area, owner) => {
      const first = firstPoints(area);
      area.classList.toggle("off", isAway[owner]);
      if (top === null) return area.setAttribute("points", first);
      // The first half of an area's points are its upper edge.
      const across = first.split(" ").map((point) => point.split(",")[0]);
      const half = across.length / 2;
      const band = (n) => bands[Math.min(n, bands.length - 1)][owner];
      const drawn = across.map((x, n) => {
        const value = n < half ? band(n)[1] : band(across.length - 1 - n)[0];
        return x + "," + yOf(view, value, top);
      });
      area.setAttribute("points", drawn.join(" "));
    });
    legend(figure, draw);
    const spots = (view) => points.map((point) => ({ x: xOf(view, point.at) }));
    explore(figure, views, spots, (index, box) => tellLedger(data, points[index], box));
    hint(figure, "Click a name to take it out of the picture; point at the picture for exact values.");
  }

  function tellLedger(data, point, box) {
    const words = [point.phase];
    if (point.probe) words[0] += " " + point.probe;
    if (point.cycle !== null) words.push("cycle " + point.cycle);
    if (point.reading !== null) words.push("reading " + point.reading);
    words.push((point.at / 1e9).toFixed(3) + " s");
    const row = (name, bytes, key) => ({ key, name, cells: [mebibytes(bytes), exact(bytes)] });
    const rows = data.owners.map((owner, n) => row(owner, point.owners[n], "o-" + owner));
    fill(box, words.join(", "), ["MiB", "bytes"], [row("RSS", point.rss), ...rows]);
  }

  function lines(figure, data) {
    const views = viewsOf(figure);
    const shown = () => data.lines.map((_, n) => n).filter((n) => !away.has(String(n)));
    const draw = () => {
      const values = shown().flatMap((n) => data.lines[n].points.map((point) => point[1]));
      const most = values.reduce((one, other) => Math.max(one, other), 0);
      const step = away.size === 0 || most <= 0 ? data.step : stepFor(most / MIB);
      for (const view of views) {
        setLabels(view, step === data.step ? null : step);
        data.lines.forEach((line, n) => drawLine(view, line, n, step));
      }
    };
    const drawLine = (view, line, n, step) => {
      const every = Math.max(1, Math.ceil(line.points.length / MARKED));
      let mark = 0;
      for (const shape of view.svg.querySelectorAll(".s" + n)) {
        shape.classList.toggle("off", away.has(String(n)));
        if (shape.localName === "polyline") {
          stretch(view, shape, data.step / step);
          continue;
        }
        const value = line.points[mark * every][1];
        const moved = yOf(view, value, step * STEPS * MIB) - yOf(view, value, data.step * STEPS * MIB);
        if (step === data.step) shape.removeAttribute("transform");
        else shape.setAttribute("transform", "translate(0," + moved + ")");
        mark += 1;
      }
    };
    const away = legend(figure, draw);
    const across = () =>
      Array.from(new Set(shown().flatMap((n) => data.lines[n].points.map((point) => point[0])))).sort((a, b) => a - b);
    const [from, to] = data.x;
    const spots = (view) => across().map((x) => ({ x: Math.round(view.left + ((x - from) / (to - from)) * (view.right - view.left)) }));
    explore(figure, views, spots, (index, box) => {
      const x = across()[index];
      const rows = shown().flatMap((n) => {
        const line = data.lines[n];
        const point = line.points.find((one) => one[0] === x);
        return point ? [{ key: "c" + (n % 8), name: line.name, cells: [mebibytes(point[1]), exact(point[1])] }] : [];
      });
      fill(box, data.title + " " + grouped(x, Number.isInteger(x) ? 0 : 3), ["MiB", "bytes"], rows);
    });
    hint(figure, "Click a name to take its line away; point at the picture for exact values.");
  }

  function scatter(figure, data) {
    const views = viewsOf(figure);
    const order = data.spots.map((_, n) => n).sort((a, b) => data.spots[a][2] - data.spots[b][2]);
    const spots = (view) => order.map((n) => {
      const [, , bytes, throughput] = data.spots[n];
      const x = Math.round(view.left + (bytes / data.x) * (view.right - view.left));
      return { x, y: yOf(view, throughput, data.y) };
    });
    explore(figure, views, spots, (index, box) => {
      const [name, group, bytes, throughput, best] = data.spots[order[index]];
      const rows = [
        { name: "peak RSS", cells: [mebibytes(bytes) + " MiB", exact(bytes) + " bytes"] },
        { name: "throughput", cells: [grouped(throughput, throughput < 10 ? 2 : throughput < 100 ? 1 : 0) + " " + data.unit, ""] },
      ];
      if (group) rows.unshift({ name: "group", cells: [group, ""] });
      if (best) rows.push({ name: "nothing has less memory and more throughput", cells: [] });
      fill(box, order[index] + 1 + " " + name, [], rows);
    });
  }

  const kinds = { ledger, lines, scatter };
  for (const figure of document.querySelectorAll("figure.plot[data-plot]")) {
    const data = figure.querySelector('script[type="application/json"]');
    const kind = kinds[figure.dataset.plot];
    if (!data || !kind) continue;
    kind(figure, JSON.parse(data.textContent));
    figure.classList.add("plot-live");
  }
})();
