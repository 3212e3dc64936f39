/** The positions that a person left, for the Undo button. */

const MOST = 200;

/** @template T */
export class Undo {
  constructor() {
    /** @type {T[]} */
    this.left = [];
    /** @type {string | undefined} */
    this.gesture = undefined;
  }

  /**
   * Keep a position that is about to be left. A gesture, one drag of a slider say, counts once.
   * @param {T} position
   * @param {string} [gesture] the name of a gesture that may go on
   */
  leave(position, gesture) {
    if (gesture !== undefined && gesture === this.gesture) return;
    this.gesture = gesture;
    this.left.push(position);
    if (this.left.length > MOST) this.left.shift();
  }

  /** Let the next move count as a new gesture. */
  settle() {
    this.gesture = undefined;
  }

  /**
   * Return the last position that was left, or undefined.
   * @returns {T | undefined}
   */
  back() {
    this.settle();
    return this.left.pop();
  }
}
