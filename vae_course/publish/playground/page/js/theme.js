// Sets light or dark, and the view that the address names, before the page is drawn; loaded as a
// plain script, so that nothing flashes.
(() => {
  const KEY = "playground-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  /** @returns {string | null} */
  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a browser may refuse to remember anything
    }
  }

  function apply() {
    root.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
  }

  apply();
  root.dataset.view = /[#&]view=map(&|$)/.test(location.hash) ? "map" : "sliders";
  system.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const other = root.dataset.theme === "dark" ? "light" : "dark";
      root.dataset.theme = other;
      try {
        localStorage.setItem(KEY, other);
      } catch {
        // then the choice lasts as long as the page
      }
    });
  });
})();
