// The quizzes of the site's pages, and what a search opened from the disk can do.
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".quiz")) return;
  event.preventDefault();
  const chosen = event.target.querySelector("input:checked");
  const output = event.target.querySelector("output");
  output.value = `${chosen.value}. ${chosen.dataset.feedback}`;
  output.className = chosen.value === "Right" ? "right" : "wrong";
});
document.addEventListener("change", (event) => {
  const output = event.target.closest(".quiz")?.querySelector("output");
  if (output) output.value = "";
});

// a browser reads no other page for an excerpt unless a server sends it
if (location.protocol === "file:" && document.getElementById("search-results")) {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  const note = document.createElement("p");
  note.className = "search-note";
  note.textContent =
    "This page was opened from the disk, so the search lists pages without excerpts. " +
    "A server, such as python3 -m http.server in the site's folder, shows excerpts too.";
  document.getElementById("search-results").before(note);
}
