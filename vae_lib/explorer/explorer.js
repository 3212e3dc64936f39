// What the explorer needs of a browser, and ipywidgets has no trait for: names and texts for a
// screen reader, a line of help, the bands μ ± σ of the garment that a person points at, clicks on
// garments and on the map, and the copy of z. What a person chooses goes to the kernel through the
// boxes "z" and "garment", as if it had been typed there.
((style) => {
  const root = style.closest(".vae-explorer");
  const facts = JSON.parse(style.dataset.facts);
  const find = (selector) => root.querySelector(selector);
  const all = (selector) => root.querySelectorAll(selector);
  const exact = () => find("[data-z]")?.dataset.z;
  const zBox = () => find(".vae-z input");

  const set = (element, name, value) => {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
  };
  const type = (selector, text) => {
    const input = find(selector);
    input.value = text;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // --- what is drawn anew by ipywidgets, or by the kernel ---
  const describe = () => {
    for (const slider of all(".widget-slider")) {
      const handle = slider.querySelector("[role=slider]");
      if (!handle) continue;
      const label = slider.querySelector("label");
      set(handle, "aria-label", label.textContent);
      const value = handle.getAttribute("aria-valuetext"); // 0.04999999999999982, for example
      set(handle, "aria-valuetext", String(Number(Number(value).toFixed(3))));
      const strength = facts.strength[label.textContent.split(" ")[0]];
      if (strength === undefined || slider.querySelector(".vae-band")) continue;
      label.style.setProperty("--strength", strength);
      const band = document.createElement("div");
      band.className = "vae-band";
      slider.querySelector(".slider-container").append(band);
    }
    for (const label of all(".widget-checkbox .widget-label-basic")) {
      const name = label.textContent;
      for (const part of label.children) part.title = facts.ticks[name];
      if (facts.colors[name]) label.style.setProperty("--rule", facts.colors[name]);
    }
    const upload = find(".widget-upload")?.lastChild;
    if (upload?.data?.endsWith(")")) upload.data = upload.data.replace(/ \(\d+\)$/, "");
    for (const part of all(".vae-reading, .vae-message, .vae-status"))
      set(part, "aria-live", "polite");
    set(find(".vae-picture"), "alt", find("[data-alt]")?.dataset.alt ?? "");
    const z = JSON.parse(exact() ?? "[]");
    for (const plane of all(".vae-plane")) {
      const { low, high } = plane.dataset;
      const share = (value) => `${(100 * (value - low)) / (high - low)}%`;
      plane.style.setProperty("--x", share(z[0]));
      plane.style.setProperty("--y", share(z[1]));
    }
    if (lost && !root.contains(document.activeElement)) {
      const [rule, place] = lost;
      find(`[data-rule="${rule}"] li:nth-child(${place}) button`)?.focus({ preventScroll: true });
    }
    mark(find(".vae-item:hover") ?? find(".vae-item:focus"));
  };

  // --- a garment that a person points at: μ ± σ on every slider, and its parts of the score ---
  let marked = null;
  let lost = null; // the place in a row that had the focus, since its garment is replaced
  const mark = (item) => {
    if (item === marked) return;
    marked = item;
    const marks = item ? JSON.parse(item.dataset.marks) : [];
    const rule = item?.closest(".vae-row")?.style.getPropertyValue("--rule");
    root.style.setProperty("--mark", rule ?? "#888");
    root.classList.toggle("vae-marking", Boolean(item));
    for (const slider of all(".widget-slider")) {
      const band = slider.querySelector(".vae-band");
      const name = slider.querySelector("label").textContent;
      const of = marks[parseInt(name.slice(1)) - 1];
      if (!band || !of) continue;
      const [low, mean, high, part] = of;
      band.style.left = `${low}%`;
      band.style.width = `${high - low}%`;
      band.style.setProperty("--mean", `${high > low ? (100 * (mean - low)) / (high - low) : 50}%`);
      band.parentElement.dataset.part = part;
    }
    for (const ellipse of all(".vae-ellipse")) {
      if (!item) break;
      const [[left, , right], [bottom, , top]] = marks;
      ellipse.style.left = `${left}%`;
      ellipse.style.width = `${right - left}%`;
      ellipse.style.bottom = `${bottom}%`;
      ellipse.style.height = `${top - bottom}%`;
    }
  };

  const say = (text) => {
    const help = find(".vae-help .widget-html-content");
    if (help && text && help.textContent !== text) help.textContent = text;
  };
  const point = (event) => {
    if (event.pointerType) finger = event.pointerType === "touch";
    const item = event.target.closest(".vae-item");
    mark(item ?? find(".vae-item:focus"));
    if (item) {
      const name = item.parentElement.title;
      const unit = item.querySelector(".vae-unit").textContent;
      const sum = unit === "distance" ? "the square of its distance" : `its ${unit}`;
      const go = finger ? "Tap it again to go to its z." : "A click goes to its z.";
      say(`${name}: the bands are μ ± σ, the numbers add up to ${sum}. ${go}`);
    } else {
      say(event.target.closest("[title]")?.title);
    }
  };
  // A finger cannot hover: its first tap on a garment marks it, and the second goes there. What is
  // marked does not tell them apart, since a touch sends "pointerover" and the focus before "click".
  let finger = false;
  let tapped = null;
  root.addEventListener("pointerdown", point, true);
  root.addEventListener("pointerover", point);
  root.addEventListener("focusin", (event) => {
    point(event);
    const row = event.target.closest(".vae-row");
    const items = row ? [...row.children] : [];
    lost = row && [row.dataset.rule, items.indexOf(event.target.closest("li")) + 1];
    if (event.target === zBox() && exact()) showExact();
  });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget) lost = null;
    if (event.target === zBox() && event.target.value === exact())
      event.target.value = event.target.dataset.short ?? event.target.value;
  });
  root.addEventListener("pointerleave", () => mark(find(".vae-item:focus")));
  root.addEventListener("click", (event) => {
    const item = event.target.closest(".vae-item");
    const first = finger && event.detail > 0 && item !== tapped; // a key's click has a detail of 0
    tapped = finger ? item : null;
    if (first) mark(item);
    else if (item) type(".vae-garment input", item.parentElement.dataset.garment);
    const copy = event.target.closest(".vae-copy");
    if (copy) copyZ(copy);
  });

  // --- the box z: rounded for the eye, exact for whoever works in it ---
  const showExact = () => {
    const box = zBox();
    if (!box.value.startsWith("≈")) return;
    box.dataset.short = box.value;
    box.value = exact();
    box.select(); // as a browser does where the Tab key leads, so that typing replaces all
  };
  const copyZ = (button) => {
    const done = (text) => {
      button.textContent = text;
      setTimeout(() => (button.textContent = "Copy z"), 2500);
    };
    if (!navigator.clipboard) return done("Copying needs https"); // or this machine's own address
    navigator.clipboard.writeText(exact()).then(() => done("Copied"), () => done("Not allowed"));
  };

  // --- the map of a latent plane ---
  let waiting = null;
  const drag = (event) => {
    const plane = event.target.closest(".vae-plane");
    if (!plane || !(event.buttons & 1)) return;
    const box = plane.getBoundingClientRect();
    const [low, high] = [Number(plane.dataset.low), Number(plane.dataset.high)];
    const at = (share) => (low + (high - low) * Math.min(Math.max(share, 0), 1)).toFixed(3);
    const z = [
      at((event.clientX - box.left) / box.width),
      at((box.bottom - event.clientY) / box.height),
    ];
    if (!waiting) requestAnimationFrame(() => (type(".vae-z input", waiting), (waiting = null)));
    waiting = `[${z}]`;
  };
  root.addEventListener("pointerdown", drag);
  root.addEventListener("pointermove", drag);

  describe();
  let due = false; // once for all that changes between two frames: a key press changes much
  const soon = () => {
    if (!due) requestAnimationFrame(() => ((due = false), describe()));
    due = true;
  };
  const changes = { childList: true, subtree: true, attributeFilter: ["aria-valuetext"] };
  new MutationObserver(soon).observe(root, changes);
})(this);
