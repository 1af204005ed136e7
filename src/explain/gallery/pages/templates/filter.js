"use strict";
// Hides what a choice leaves out. Without this script everything is shown, and the choices are not.
const form = document.querySelector("form.filter");
const pairs = [...document.querySelectorAll("[data-pair]")];
const columns = [...document.querySelectorAll("[data-column]")];
const groups = [...document.querySelectorAll("[data-group]")];
const chosen = (name) => form.elements.namedItem(name)?.value ?? "";
const show = () => {
  const method = chosen("method"), model = chosen("model");
  for (const one of columns) one.hidden = model !== "" && one.dataset.column !== model;
  for (const one of pairs) {
    const { method: name, family, model: network } = one.dataset;
    const fits = (method === "" || method === name || method === `family ${family}`) && (model === "" || model === network);
    one.hidden = !fits;
  }
  for (const one of groups) one.hidden = !one.querySelector("[data-pair]:not([hidden])");
  const shown = pairs.filter((one) => !one.hidden).length;
  form.querySelector("[role=status]").textContent = `${shown} of ${pairs.length} shown`;
};
form.addEventListener("input", show);
form.addEventListener("reset", () => setTimeout(show));
form.hidden = false;
show();
