/** Elements of the page: finding them, and making them. */

/**
 * Return the element with an id, of a kind.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind HTMLButtonElement, say
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`there is no ${kind.name} #${id}`);
  return found;
}

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * Make a button.
 * @param {string} text
 * @param {() => void} action
 * @param {Record<string, string>} [attributes]
 */
export function button(text, action, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

/**
 * Make a canvas for one garment.
 * @param {string} [className]
 */
export function garmentCanvas(className = "") {
  return element("canvas", { width: 28, height: 28, class: className, "aria-hidden": "true" });
}

/**
 * Return a canvas's context, for drawing in the plane.
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function context(canvas) {
  const found = canvas.getContext("2d");
  if (!found) throw new Error("this browser cannot draw on a canvas");
  return found;
}

/**
 * Set the text of an element where it differs; the browser has less to do then.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Draw a decoded picture: 784 numbers in [0, 1].
 * @param {HTMLCanvasElement} canvas of 28×28 pixels
 * @param {ArrayLike<number>} pixels
 */
export function drawPixels(canvas, pixels) {
  const image = new ImageData(28, 28);
  for (let i = 0; i < 784; i++) {
    const grey = Math.round(255 * pixels[i]);
    image.data.set([grey, grey, grey, 255], 4 * i);
  }
  context(canvas).putImageData(image, 0, 0);
}
