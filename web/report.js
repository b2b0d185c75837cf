/* report.js: draws the report from the JSON in the page. Text from models is only ever set as textContent. */
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const stages = data.stages;
const palette = ["#3454d1", "#d1495b", "#0a8f6a", "#b7791f", "#7b4fc9", "#2b9eb3", "#8d6e63", "#607d8b", "#c2185b"];

function make(tag, attributes, ...children) {
  const node = Object.assign(document.createElement(tag), attributes || {});
  node.append(...children);
  return node;
}
const percent = (x) => (100 * x).toFixed(1) + " %";
const known = (x) => typeof x === "number" && isFinite(x);

document.title = data.title;
document.getElementById("title").textContent = data.title;
document.getElementById("version").textContent = `openr1 ${data.version} (${data.commit})`;

/* One row a stage and task; the greedy and the sampled evaluation of a stage share a row. */
function evaluationRows() {
  const rows = [];
  for (const stage of stages) {
    const byTask = new Map();
    for (const evaluation of stage.evals || [])
      for (const [task, r] of Object.entries(evaluation.results || {})) {
        if (!byTask.has(task)) byTask.set(task, { stage, task });
        byTask.get(task)[r.num_samples > 1 || r.n_samples > 1 ? "sampled" : "greedy"] = r;
      }
    rows.push(...byTask.values());
  }
  return rows;
}

function valueCell(value, error, asPercent) {
  if (!known(value)) return make("td", { textContent: "–" });
  const cell = make("td", {}, asPercent ? percent(value) : value.toFixed(1));
  if (known(error)) cell.append(make("span", { className: "se", textContent: ` ± ${(100 * error).toFixed(1)}` }));
  if (asPercent) {
    const bar = make("span", { className: "bar" });
    bar.style.width = Math.max(1, 100 * value) + "%";
    cell.append(bar);
  }
  return cell;
}

function passAtMost(r) {
  const ks = Object.keys(r || {}).map((k) => /^pass@(\d+)$/.exec(k)).filter(Boolean).map((m) => +m[1]);
  const k = Math.max(...ks, 1);
  return k > 1 ? { k, value: r[`pass@${k}`] } : null;
}

function drawTable() {
  const rows = evaluationRows();
  const section = document.getElementById("table-section");
  if (!rows.length) return section.remove();
  const some = rows.map((r) => passAtMost(r.sampled)).find(Boolean);
  const k = some ? some.k : 0;
  const tasks = new Set(rows.map((r) => r.task));
  const head = ["stage", ...(tasks.size > 1 ? ["task"] : []), "greedy", k ? `mean@${k}` : "sampled", k ? `pass@${k}` : "pass@k",
    "answer length (tokens)", "problems"];
  const table = document.getElementById("table");
  table.append(make("tr", {}, ...head.map((h) => make("th", { textContent: h }))));
  for (const row of rows) {
    const { greedy, sampled } = row, best = passAtMost(sampled);
    const any = greedy || sampled;
    table.append(make("tr", {},
      make("td", { textContent: row.stage.name }),
      ...(tasks.size > 1 ? [make("td", { textContent: row.task })] : []),
      valueCell(greedy && greedy["pass@1"], greedy && greedy.stderr, true),
      valueCell(sampled && sampled["pass@1"], sampled && sampled.stderr, true),
      valueCell(best && best.value, null, true),
      valueCell(any.mean_length, null, false),
      make("td", { textContent: any.n_items === undefined ? "–" : any.n_items })));
  }
}

/* What a look before the first step found: a row a stage and way of asking. */
function drawPreflight() {
  const looked = stages.filter((s) => s.preflight && s.preflight.plain);
  if (!looked.length) return document.getElementById("preflight-section").remove();
  const ways = [["plain", "as it is"], ["thinking_forced", "thinking"], ["thinking_forbidden", "not thinking"]];
  const table = document.getElementById("preflight");
  const head = ["stage", "asked", "pass@1", "pass@k", "groups with variance", "cut off", "length (tokens)"];
  table.append(make("tr", {}, ...head.map((h) => make("th", { textContent: h }))));
  for (const stage of looked) {
    for (const [key, name] of ways) {
      const look = stage.preflight[key];
      if (!look) continue;
      const best = passAtMost(look);
      table.append(make("tr", {}, make("td", { textContent: stage.name }), make("td", { textContent: name }),
        valueCell(look["pass@1"], null, true), valueCell(best && best.value, null, true),
        valueCell(look.groups_with_variance, null, true), valueCell(look.clipped_ratio, null, true),
        valueCell(look.mean_length, null, false)));
    }
    document.getElementById("verdicts").append(make("li", { textContent: `${stage.name}: ${stage.preflight.verdict}` }));
  }
}

/* Rewards that never moved, completions that never ended: a curve at zero is easily taken for none. */
function drawWarnings() {
  const lines = stages.flatMap((s) => (s.warnings || []).map((w) => `${s.name}: ${w}`));
  if (!lines.length) return document.getElementById("warnings-section").remove();
  document.getElementById("warnings").append(...lines.map((textContent) => make("li", { textContent })));
}

function drawHeadline() {
  const rows = evaluationRows().filter((r) => r.greedy || r.sampled);
  const box = document.getElementById("headline");
  const add = (big, what) => box.append(make("div", { className: "card" }, make("div", { className: "big", textContent: big }),
    make("div", { className: "what", textContent: what })));
  const accuracy = (r) => (r.greedy || r.sampled)["pass@1"];
  if (rows.length > 1) {
    const best = rows.reduce((a, b) => (accuracy(b) > accuracy(a) ? b : a));
    add(percent(accuracy(rows[0])), `${rows[0].stage.name}: held-out accuracy at the start`);
    add(percent(accuracy(best)), `${best.stage.name}: the best stage`);
  }
  const trained = stages.filter((s) => s.metrics);
  add(String(trained.length), trained.length === 1 ? "training run" : "training runs");
  add(trained.reduce((n, s) => n + s.metrics[s.metrics.length - 1].step, 0).toLocaleString("en"), "optimiser steps");
  document.getElementById("subtitle").textContent = data.subtitle || (stages.length === 1 ? "1 stage" : `${stages.length} stages`);
}

/* ---- curves -------------------------------------------------------------------------------------------- */

const plots = [
  ["Reward", ["reward"]], ["Answer length (tokens)", ["completions/mean_length"]],
  ["Entropy", ["entropy"]], ["KL to the reference", ["kl"]], ["Gradient norm", ["grad_norm"]], ["Loss", ["loss"]],
  ["Token accuracy", ["mean_token_accuracy"]], ["Groups without variance", ["frac_reward_zero_std"]],
  ["Cut-off completions", ["completions/clipped_ratio"]], ["Learning rate", ["learning_rate"]],
  ["Held-out reward", ["eval_reward"]], ["Held-out pass@1", ["eval_pass@1"]], ["Held-out loss", ["eval_loss"]],
  ["Held-out token accuracy", ["eval_mean_token_accuracy"]], ["Held-out answer length", ["eval_completions/mean_length"]],
];
/* Each reward by itself, where a run has several. */
function rewardPlots() {
  const names = new Set();
  for (const s of trained) {
    const own = new Set(s.metrics.flatMap((m) => Object.keys(m)).filter((k) => /^rewards\/.*\/mean$/.test(k)));
    if (own.size > 1) own.forEach((k) => names.add(k));
  }
  return [...names].map((k) => ["Reward: " + k.slice("rewards/".length, -"/mean".length), [k]]);
}
/* Chart.js writes 2.200000E-5 for a learning rate. */
const tick = (y) => (y !== 0 && Math.abs(y) < 1e-3 ? y.toExponential(1) : String(Number(y.toPrecision(6))));
const charts = [];
const trained = stages.filter((s) => s.metrics);
const shown = new Set(trained);

function curveData(key) {
  return trained.map((s, i) => ({
    stage: s, label: s.name, borderColor: palette[i % palette.length], backgroundColor: palette[i % palette.length],
    borderWidth: 1.8, pointRadius: s.metrics.length > 1 && !key.startsWith("eval_") ? 0 : 3, tension: 0, hidden: !shown.has(s),
    data: (key.startsWith("eval_") ? s.evaluations : s.metrics).filter((m) => known(m[key])).map((m) => ({ x: m.step, y: m[key] })),
  })).filter((d) => d.data.length);
}

function drawCurves() {
  const grid = document.getElementById("curves");
  if (!trained.length || typeof Chart === "undefined") return document.getElementById("curves-section").remove();
  const style = getComputedStyle(document.documentElement);
  Chart.defaults.color = style.getPropertyValue("--soft");
  Chart.defaults.borderColor = style.getPropertyValue("--line");
  Chart.defaults.animation = false;
  for (const [title, [key]] of [plots[0], ...rewardPlots(), ...plots.slice(1)]) {
    const datasets = curveData(key);
    if (!datasets.length) continue;
    const canvas = make("canvas");
    grid.append(make("div", { className: "chart" }, make("h3", { textContent: title }), make("div", { className: "box" }, canvas)));
    charts.push(new Chart(canvas, {
      type: "line", data: { datasets },
      options: {
        maintainAspectRatio: false, interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: { display: false } },
        scales: { x: { type: "linear", title: { display: true, text: "step" } }, y: { beginAtZero: !/Loss|rate/.test(title), ticks: { callback: tick } } },
      },
    }));
  }
  const legend = document.getElementById("legend");
  trained.forEach((s, i) => {
    const dot = make("i");
    dot.style.background = palette[i % palette.length];
    const button = make("button", { type: "button" }, dot, s.name);
    button.setAttribute("aria-pressed", "true");
    button.onclick = () => {
      shown.has(s) ? shown.delete(s) : shown.add(s);
      button.setAttribute("aria-pressed", String(shown.has(s)));
      for (const chart of charts) {
        chart.data.datasets.forEach((d) => (d.hidden = !shown.has(d.stage)));
        chart.update();
      }
    };
    legend.append(button);
  });
}

/* ---- samples ------------------------------------------------------------------------------------------- */

const promptText = (p) => (typeof p === "string" ? p : Array.isArray(p) ? p.map((m) => `${m.role}: ${m.content}`).join("\n") : JSON.stringify(p));

function sampleIndex() {
  const index = new Map();
  for (const stage of stages)
    for (const evaluation of (stage.evals || []).slice(0, 1))
      for (const sample of evaluation.samples || []) {
        const name = promptText(sample.prompt);
        if (!index.has(name)) index.set(name, []);
        index.get(name).push({ stage, sample });
      }
  return index;
}

function drawSamples() {
  const index = sampleIndex();
  if (!index.size) return document.getElementById("samples-section").remove();
  const select = document.getElementById("problem"), box = document.getElementById("samples");
  for (const name of index.keys()) select.append(make("option", { value: name, textContent: name.slice(-110) }));
  const show = () => {
    box.replaceChildren();
    for (const { stage, sample } of index.get(select.value)) {
      const c = sample.completions[0] || {}, text = typeof c === "string" ? c : c.text;
      const right = c.correct === true || c.correct === 1 || c.score === 1;
      const card = make("div", { className: "sample " + (right ? "right" : "wrong") },
        make("span", { className: "verdict", textContent: right ? "✓ correct" : "✗ wrong" }),
        make("h3", { textContent: stage.name }), make("pre", { textContent: text || "(empty)" }));
      if (c.reason) card.append(make("div", { className: "hint", textContent: c.reason }));
      box.append(card);
    }
  };
  select.onchange = show;
  show();
}

/* ---- what was sampled while training --------------------------------------------------------------------- */

const number = (x) => (known(x) ? String(Number(x.toPrecision(4))) : "none");

function sightCard(record) {
  const better = record.advantage > 0 ? " right" : record.advantage < 0 ? " wrong" : "";
  const card = make("div", { className: "sample" + better },
    make("span", { className: "verdict", textContent: `reward ${number(record.reward)}, advantage ${number(record.advantage)}` }),
    make("h3", { textContent: `${record.tokens} tokens${record.truncated ? ", cut off" : ""}` }),
    make("pre", { textContent: record.completion || "(empty)" }));
  for (const [name, value] of Object.entries(record.rewards || {}))
    card.append(make("div", { className: "hint", textContent: `${name} ${number(value)}: ${(record.reasons || {})[name] || ""}` }));
  return card;
}

function drawSights() {
  const list = stages.flatMap((s) => (s.completions || []).filter((c) => c.length).map((records) => ({ s, records })));
  if (!list.length) return document.getElementById("sights-section").remove();
  const select = document.getElementById("sight"), box = document.getElementById("sights");
  list.forEach(({ s, records }, i) => select.append(make("option", { value: i,
    textContent: (stages.length > 1 ? s.name + ", " : "") + "step " + records[0].step })));
  select.value = list.length - 1;
  const show = () => {
    const { records } = list[select.value], asked = records[0].prompt;
    document.getElementById("asked").textContent = asked;
    box.replaceChildren(...records.filter((r) => r.prompt === asked).map(sightCard));
  };
  select.onchange = show;
  show();
}

/* ---- where it comes from ----------------------------------------------------------------------------------- */

function drawConfigs() {
  for (const s of stages.filter((x) => x.config))
    document.getElementById("configs").append(make("details", {}, make("summary", { textContent: `${s.name}: every setting` }),
      make("pre", { textContent: s.config })));
}

function drawProvenance() {
  const table = document.getElementById("provenance");
  table.classList.add("left");
  table.append(make("tr", {}, ...["stage", "folder", "made from", "seed", "SHA-256 of the final weights"].map((h) => make("th", { textContent: h }))));
  for (const s of stages) {
    const m = s.manifest || {};
    const hash = m.weights || "";
    table.append(make("tr", {}, make("td", { textContent: s.name }), make("td", { className: "note", textContent: s.dir }),
      make("td", { className: "note", textContent: Object.values(m.inputs || {}).map((x) => x.path).join(", ") }),
      make("td", { textContent: m.seed === undefined ? "" : m.seed }), make("td", { className: "hash", textContent: hash })));
  }
}

drawHeadline();
drawTable();
drawPreflight();
drawWarnings();
drawCurves();
drawSamples();
drawSights();
drawProvenance();
drawConfigs();
