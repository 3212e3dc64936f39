// FloatSlider shows its description beside the handle, but a screen reader that comes to the handle
// is not told. Give each handle its description as its name, now and whenever one is drawn anew;
// and have the reading spoken when it changes.
((style) => {
  const root = style.closest(".widget-vbox");
  const label = () => {
    for (const slider of root.querySelectorAll(".widget-slider")) {
      const name = slider.querySelector("label").textContent;
      slider.querySelector("[role=slider]")?.setAttribute("aria-label", name);
    }
    root.querySelector(".vae-reading")?.setAttribute("aria-live", "polite");
  };
  label();
  new MutationObserver(label).observe(root, { childList: true, subtree: true });
})(this);
