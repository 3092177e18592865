"use strict";
(() => {
  const block = document.getElementById("data");
  if (!block) return;
  const data = JSON.parse(block.textContent);
  const scroller = document.getElementById("scroller");
  const spacer = document.getElementById("spacer");
  const svg = document.getElementById("lanes");
  const card = document.getElementById("card");
  const only = document.getElementById("only-flagged");
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const seconds = Math.max(data.seconds, 0.001);
  // Lanes from the top: place and height in pixels.
  const AXIS = 20;
  const lanes = { source: [22, 46], dub: [70, 46], lines: [128, 34], cuts: [176, 26] };
  const HEIGHT = 212;
  const LABEL_ROOM = 46;
  const LABEL_HEIGHT = 11;
  // Closer together, dotted lines are a grey cloth.
  const CLOSEST_SHOTS = 16;
  const MOST_PIXELS_PER_SECOND = 240;
  // Browsers cap the width of a box near 2^24 pixels.
  const WIDEST = 8e6;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const waves = { source: bytes(data.sourcePeaks), dub: bytes(data.dubPeaks) };
  const items = [
    ...data.lines.map((line, index) => ({ ...line, kind: "line", index, id: `line-${index}` })),
    ...data.cuts.map((cut, index) => ({ ...cut, kind: "cut", index, id: `cut-${index}` })),
  ];
  const byId = new Map(items.map((item) => [item.id, item]));
  let scale = 0;
  let chosen = null;

  const width = () => scroller.clientWidth;
  const fitted = () => width() / seconds;
  const clock = (at) => {
    const tenths = Math.round(at * 10);
    const hours = Math.floor(tenths / 36000);
    const minutes = Math.floor(tenths / 600) % 60;
    const rest = `${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  const shape = (name, attributes, parent = svg) => {
    const node = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };
  const words = (x, y, text, kind, parent = svg) => {
    shape("text", { x, y, class: kind }, parent).textContent = text;
  };

  function zoom(next, at = scroller.scrollLeft + width() / 2) {
    const moment = scale ? at / scale : 0;
    const offset = at - scroller.scrollLeft;
    const most = Math.min(MOST_PIXELS_PER_SECOND, WIDEST / seconds);
    scale = Math.max(fitted(), Math.min(next, Math.max(most, fitted())));
    spacer.style.width = `${Math.round(seconds * scale)}px`;
    scroller.scrollLeft = moment * scale - offset;
    draw();
  }

  function drawAxis(from, to) {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600];
    const step = steps.find((each) => each * scale >= 64) ?? 7200;
    for (let tick = Math.floor(from / step) * step; tick <= to; tick += step) {
      const x = Math.round((tick - from) * scale) + 0.5;
      shape("line", { class: "tick", x1: x, x2: x, y1: AXIS - 5, y2: HEIGHT });
      words(x + 3, AXIS - 7, clock(tick).replace(step >= 1 ? /\.0$/ : /$^/, ""), "time");
    }
  }

  function drawWave(name, from, to) {
    const [top, height] = lanes[name];
    const peaks = waves[name];
    const middle = top + height / 2;
    const up = [];
    const down = [];
    for (let x = 0; x < width(); x += 1) {
      const first = Math.floor((from + x / scale) * data.peaksPerSecond);
      const last = Math.max(first + 1, Math.floor((from + (x + 1) / scale) * data.peaksPerSecond));
      let most = 0;
      for (let bin = first; bin < last && bin < peaks.length; bin += 1) most = Math.max(most, peaks[bin]);
      const reach = Math.max(0.5, (most / 255) * (height / 2));
      up.push(`${x},${(middle - reach).toFixed(1)}`);
      down.push(`${x},${(middle + reach).toFixed(1)}`);
      if (from + x / scale > to) break;
    }
    shape("polygon", { class: `wave ${name}`, points: [...up, ...down.reverse()].join(" ") });
    words(6, top + 11, name === "source" ? "source" : "dub", "name");
  }

  function group(item, title) {
    const classes = ["item", item === chosen ? "chosen" : "", only.checked && !item.flagged ? "dim" : ""];
    const node = shape("g", { class: classes.join(" ").trim(), [`data-${item.kind}`]: item.index });
    shape("title", {}, node).textContent = title;
    return node;
  }

  function drawLine(line, from) {
    const [top, height] = lanes.lines;
    const x = (line.start - from) * scale;
    const wide = Math.max(1.5, line.seconds * scale - 1);
    const fit = `${line.seconds.toFixed(2)} s in ${line.slot.toFixed(2)} s, rate ${line.rate}, stretch ${line.stretch}`;
    const node = group(line, `${line.name} ${clock(line.start)}\n${fit}`);
    shape("rect", { class: "slot", x, y: top + 8, width: Math.max(1.5, line.slot * scale - 1), height: height - 8, rx: 2 }, node);
    shape("rect", { class: `speaker-${line.speaker % 8}`, x, y: top + 13, width: wide, height: height - 18, rx: 2 }, node);
    if (line.over > 0) {
      const over = line.over * scale;
      shape("rect", { class: "over", x: x + wide - over, y: top + 13, width: Math.max(2, over), height: height - 18 }, node);
    }
    if (line.flagged) shape("path", { class: "flag", d: `M${x},${top} l8,0 l-4,6 z` }, node);
    if (wide > LABEL_ROOM) words(x + 5, top + 25, line.name, "label", node);
    if (wide > 2.6 * LABEL_ROOM) words(x + 50, top + 25, `×${(line.rate * line.stretch).toFixed(2)}`, "label", node);
  }

  function drawCut(cut, from) {
    // Faces of one shot share the lane.
    const height = lanes.cuts[1] / cut.rows - (cut.rows > 1 ? 1 : 0);
    const top = lanes.cuts[0] + cut.row * (lanes.cuts[1] / cut.rows);
    const x = (cut.start - from) * scale;
    const wide = Math.max(1.5, cut.seconds * scale - 1);
    const said = { drawn: "drawn", partly: "drawn with gaps", passed: "left as filmed", failed: "failed, left as filmed" }[cut.state];
    const node = group(cut, `Cut ${cut.index + 1} ${clock(cut.start)}\n${said}${cut.why ? `: ${cut.why}` : ""}`);
    shape("rect", { class: `cut-${cut.state}`, x, y: top, width: wide, height, rx: 2 }, node);
    if (height < LABEL_HEIGHT) return;
    if (wide > LABEL_ROOM) words(Math.max(x, 0) + 5, top + height / 2 + 4, `cut ${cut.index + 1}`, "label", node);
    if (cut.why && wide > 3 * LABEL_ROOM) words(Math.max(x, 0) + 52, top + height / 2 + 4, cut.why.split(":")[0], "label", node);
  }

  function draw() {
    const from = scroller.scrollLeft / scale;
    const to = Math.min(seconds, from + width() / scale);
    svg.replaceChildren();
    svg.setAttribute("width", width());
    svg.setAttribute("height", HEIGHT);
    drawAxis(from, to);
    drawWave("source", from, to);
    drawWave("dub", from, to);
    const seen = data.shots.filter((shot) => shot > 0 && shot >= from && shot <= to);
    for (const shot of seen.length * CLOSEST_SHOTS > width() ? [] : seen) {
      const x = (shot - from) * scale;
      shape("line", { class: "shot", x1: x, x2: x, y1: AXIS, y2: HEIGHT - 6 });
    }
    const [top, height] = lanes.lines;
    for (const line of data.silent) {
      if (line.start === null || line.start > to || line.start + line.seconds < from) continue;
      const node = shape("g", { "data-silent": line.name });
      shape("title", {}, node).textContent = `${line.name}: not heard`;
      shape("rect", { class: "silent", x: (line.start - from) * scale, y: top + 9, width: Math.max(2, line.seconds * scale), height: height - 10 }, node);
    }
    for (const item of items) {
      if (item.start > to || item.start + Math.max(item.seconds, item.slot ?? 0) < from) continue;
      if (item.kind === "line") drawLine(item, from);
      else drawCut(item, from);
    }
    words(6, lanes.lines[0] + 3, "lines", "name");
    words(6, lanes.cuts[0] - 4, "cuts", "name");
    document.getElementById("range").textContent = `${clock(from)} – ${clock(to)}`;
  }

  const element = (name, text, kind) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };

  function wipe(figure) {
    const pictures = [...figure.querySelectorAll("img")].map((image) => image.cloneNode());
    const holder = element("div");
    const frame = element("div", undefined, "wipe");
    frame.append(...pictures);
    holder.append(frame);
    if (pictures.length < 2) return holder;
    frame.append(element("i"));
    const bar = element("div", undefined, "wiper");
    const range = element("input");
    Object.assign(range, { type: "range", min: 0, max: 100, value: 50 });
    range.setAttribute("aria-label", "Move the border between before and after");
    range.addEventListener("input", () => frame.style.setProperty("--cut", `${range.value}%`));
    bar.append(element("span", "before"), range, element("span", "after"));
    holder.append(bar);
    return holder;
  }

  function cells(row) {
    const list = element("dl");
    for (const cell of row.querySelectorAll("td[data-label]")) {
      const pair = element("div");
      const value = element("dd", undefined, cell.classList.contains("said") ? "said" : "");
      value.append(...[...cell.childNodes].map((node) => (node.nodeName === "A" ? node.textContent : node.cloneNode(true))));
      pair.append(element("dt", cell.dataset.label), value);
      list.append(pair);
    }
    return list;
  }

  function show(item) {
    const title = item.kind === "cut" ? `Cut ${item.index + 1}` : `Line ${item.name}`;
    const head = element("header");
    const close = element("button", "close");
    close.type = "button";
    close.addEventListener("click", () => choose(null));
    head.append(element("h3", `${title}, ${clock(item.start)}`), close);
    const row = document.querySelector(`[data-${item.kind}-row="${item.index}"]`);
    const parts = [];
    const figures = [...row.querySelectorAll("figure")];
    if (figures.length) {
      const holder = element("div", undefined, "wipes");
      holder.append(...figures.map(wipe));
      parts.push(holder);
    }
    const facts = item.kind === "cut" ? row.querySelector("dl").cloneNode(true) : cells(row);
    if (!figures.length) facts.classList.add("wide-only");
    card.replaceChildren(head, ...parts, facts);
    card.dataset.shows = item.id;
    card.hidden = false;
  }

  function choose(item, move = true) {
    chosen = item;
    if (!item) {
      card.hidden = true;
      delete card.dataset.shows;
    } else {
      show(item);
      const from = scroller.scrollLeft / scale;
      const to = from + width() / scale;
      if (move && (item.start < from || item.start + item.seconds > to)) {
        scroller.scrollLeft = (item.start + item.seconds / 2) * scale - width() / 2;
      }
    }
    draw();
  }

  function step(by) {
    const kind = chosen ? chosen.kind : "line";
    const own = items.filter((item) => item.kind === kind && (!only.checked || item.flagged));
    if (!own.length) return;
    const place = chosen ? own.indexOf(chosen) : by > 0 ? -1 : own.length;
    choose(own[Math.max(0, Math.min(own.length - 1, place + by))]);
  }

  function cross() {
    const kind = chosen && chosen.kind === "line" ? "cut" : "line";
    const at = chosen ? chosen.start + chosen.seconds / 2 : 0;
    const away = (item) => Math.abs(item.start + item.seconds / 2 - at);
    const own = items.filter((item) => item.kind === kind).sort((one, other) => away(one) - away(other));
    if (own.length) choose(own[0]);
  }

  const keys = {
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    ArrowUp: cross,
    ArrowDown: cross,
    "+": () => zoom(scale * 2),
    "=": () => zoom(scale * 2),
    "-": () => zoom(scale / 2),
    0: () => zoom(0),
    Escape: () => choose(null),
  };
  scroller.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  scroller.addEventListener("click", (event) => {
    const node = event.target.closest("g.item");
    if (!node) return;
    const kind = "line" in node.dataset ? "line" : "cut";
    choose(byId.get(`${kind}-${node.dataset[kind]}`), false);
  });
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const left = scroller.getBoundingClientRect().left;
    zoom(scale * Math.exp(-event.deltaY / 300), scroller.scrollLeft + event.clientX - left);
  }, { passive: false });
  let waiting = false;
  scroller.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom({ in: scale * 2, out: scale / 2, fit: 0 }[button.dataset.zoom]));
  }
  only.addEventListener("change", () => {
    filter();
    draw();
  });

  const find = document.getElementById("find");
  const rows = [...document.querySelectorAll("table.lines tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  function filter() {
    const wanted = find ? find.value.trim().toLowerCase() : "";
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !texts[index].includes(wanted) || (only.checked && !row.classList.contains("flagged"));
      shown += row.hidden ? 0 : 1;
    });
    for (const cut of document.querySelectorAll(".cut")) {
      cut.hidden = only.checked && !cut.classList.contains("flagged");
    }
    const found = document.getElementById("found");
    if (found) found.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} lines`;
  }
  if (find) find.addEventListener("input", filter);

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-show], [data-go]");
    if (!link) return;
    const row = document.getElementById(link.dataset.go ?? "");
    const fold = row?.closest("details");
    if (fold && !byId.has(row.id)) fold.open = true;
    const item = byId.get(link.dataset.show ?? link.dataset.go);
    if (!item) return;
    event.preventDefault();
    choose(item);
    scroller.focus({ preventScroll: true });
    document.getElementById("timeline").scrollIntoView({ block: "start" });
  });

  for (const node of document.querySelectorAll(".tools, .legend, .scroller")) node.hidden = false;
  zoom(0);
  new ResizeObserver(() => zoom(scale)).observe(scroller);
})();
