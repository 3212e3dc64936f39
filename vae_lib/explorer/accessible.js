// What a screen reader needs, and ipywidgets has no trait for. FloatSlider shows its description
// beside the handle, but does not name the handle by it; Image has no alt text. This names the
// handles, rounds the values that they tell, passes the text that the reading brings along on to the
// picture, says what each tick does, and has the reading spoken when it changes; now, and whenever
// something is drawn anew.
((style) => {
  const root = style.closest(".widget-vbox");
  const ticks = JSON.parse(style.dataset.ticks);
  const describe = () => {
    for (const slider of root.querySelectorAll(".widget-slider")) {
      const handle = slider.querySelector("[role=slider]");
      if (!handle) continue;
      handle.setAttribute("aria-label", slider.querySelector("label").textContent);
      const value = handle.getAttribute("aria-valuetext"); // 0.04999999999999982, for example
      const text = String(Number(Number(value).toFixed(3)));
      if (text !== value) handle.setAttribute("aria-valuetext", text);
    }
    for (const label of root.querySelectorAll(".widget-checkbox .widget-label-basic")) {
      for (const part of label.children) part.title = ticks[label.textContent];
    }
    const reading = root.querySelector(".vae-reading");
    const picture = root.querySelector(".vae-picture");
    reading?.setAttribute("aria-live", "polite");
    picture?.setAttribute("alt", root.querySelector("[data-alt]")?.dataset.alt ?? "");
  };
  describe();
  const changes = { childList: true, subtree: true, attributeFilter: ["aria-valuetext"] };
  new MutationObserver(describe).observe(root, changes);
})(this);
