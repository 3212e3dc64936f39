// Fit each slide as it comes: a figure stands below its text or beside it, whichever shows it
// larger, and the text grows into the room that is left.
(() => {
  const [LARGEST, SMALLEST] = [1.5, 0.8];
  const figures = (slide) => [...slide.querySelectorAll("img")];
  const area = (slide) =>
    figures(slide).reduce((sum, img) => {
      const scale = Math.min(
        img.clientWidth / img.naturalWidth, img.clientHeight / img.naturalHeight,
      );
      return sum + scale ** 2 * img.naturalWidth * img.naturalHeight;
    }, 0);
  const spills = (slide) =>
    [slide, ...slide.querySelectorAll("div, p, li, pre, table")].some(
      (box) =>
        !box.closest("aside") && getComputedStyle(box).display !== "inline" &&
        (box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1),
    );
  const fits = (slide, factor, shown) => {
    slide.style.setProperty("--grow", factor);
    return !spills(slide) && area(slide) >= 0.98 * shown;
  };

  const fit = (slide) => {
    if (!slide || slide.querySelector("h1")) return; // the title has a layout of its own
    const text = [...slide.querySelectorAll("p, li, pre, table, mjx-container")].some(
      (part) => !part.closest("aside, .fragment:has(img)"),
    );
    slide.classList.remove("beside");
    slide.style.setProperty("--grow", 1);
    const below = area(slide);
    if (text && figures(slide).length === 1) slide.classList.add("beside");
    if (spills(slide) || area(slide) < below) slide.classList.remove("beside");
    const shown = area(slide);
    slide.classList.add("growing"); // into some of the room only, and no line of code is broken
    let factor = LARGEST;
    while (factor > 1 && !fits(slide, factor, shown)) factor -= 0.1;
    slide.classList.remove("growing");
    while (factor > SMALLEST && !fits(slide, factor, factor > 1 ? shown : 0)) factor -= 0.05;
  };
  const fitCurrent = () => fit(Reveal.getCurrentSlide());
  Reveal.on("slidechanged", fitCurrent);
  addEventListener("load", () => MathJax.startup.promise.then(fitCurrent));
})();
