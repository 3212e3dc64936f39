/** Tabs: one panel is open; arrow keys move between the tabs. */

/**
 * Make a list of tabs work, and return a function that opens a panel by its name.
 * @param {HTMLElement} list with a tab `tab-NAME` for each panel `panel-NAME`
 * @param {(name: string) => void} opened
 * @returns {(name: string) => void}
 */
export function tabs(list, opened) {
  const all = Array.from(list.querySelectorAll("button"));
  /** @param {HTMLButtonElement} tab */
  const nameOf = (tab) => tab.id.replace("tab-", "");

  /** @param {string} name */
  function open(name) {
    if (!all.some((tab) => nameOf(tab) === name)) return;
    for (const tab of all) {
      const chosen = nameOf(tab) === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      const panel = document.getElementById(`panel-${nameOf(tab)}`);
      if (panel) panel.hidden = !chosen;
    }
    opened(name);
  }

  all.forEach((tab, i) => {
    tab.addEventListener("click", () => open(nameOf(tab)));
    tab.addEventListener("keydown", ({ key }) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const goal =
        { Home: 0, End: all.length - 1 }[key] ?? (steps && (i + steps + all.length) % all.length);
      if (goal === undefined) return;
      all[goal].focus();
      open(nameOf(all[goal]));
    });
  });
  return open;
}
