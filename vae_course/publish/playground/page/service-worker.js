/** Keeps the whole page, so that it opens without a network once it has been loaded. */

const CACHE = "playground-VERSION_OF_THE_PAGE";
const FILES = ["FILES_OF_THE_PAGE"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldVersions().then(() => self.clients.claim()));
});

async function removeOldVersions() {
  const old = (await caches.keys()).filter(
    (name) => name.startsWith("playground-") && name !== CACHE,
  );
  await Promise.all(old.map((name) => caches.delete(name)));
}

self.addEventListener("fetch", (event) => {
  event.respondWith(answer(event.request));
});

/** @param {Request} request */
async function answer(request) {
  const kept = await (await caches.open(CACHE)).match(request, { ignoreSearch: true });
  return kept ?? fetch(request);
}
