// What a screen reader needs, and ipywidgets has no trait for. FloatSlider shows its description
// beside the handle, but does not name the handle by it; Image has no alt text. This names the
// handles, passes the text that the reading brings along on to the picture, and has the reading
// spoken when it changes; now, and whenever something in the explorer is drawn anew.
((style) => {
  const root = style.closest(".widget-vbox");
  const describe = () => {
    for (const slider of root.querySelectorAll(".widget-slider")) {
      const name = slider.querySelector("label").textContent;
      slider.querySelector("[role=slider]")?.setAttribute("aria-label", name);
    }
    const reading = root.querySelector(".vae-reading");
    const picture = root.querySelector(".vae-picture");
    reading?.setAttribute("aria-live", "polite");
    picture?.setAttribute("alt", root.querySelector("[data-alt]")?.dataset.alt ?? "");
  };
  describe();
  new MutationObserver(describe).observe(root, { childList: true, subtree: true });
})(this);
