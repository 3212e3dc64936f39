/** A walk between two codes. */

/**
 * Return the point between a and b, linearly: a at t = 0, b at t = 1.
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} t
 */
export function between(a, b, t) {
  return a.map((value, j) => value + t * (b[j] - value));
}

/** Moves t from 0 to 1 and back, frame by frame, until it is paused. */
export class Walk {
  /**
   * @param {(t: number) => void} step called once a frame
   * @param {number} seconds from one end to the other
   */
  constructor(step, seconds = 4) {
    this.step = step;
    this.seconds = seconds;
    this.t = 0;
    this.direction = 1;
    this.playing = false;
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    let last = performance.now();
    /** @param {number} now */
    const frame = (now) => {
      if (!this.playing) return;
      this.advance(Math.max(0, now - last) / 1000);
      last = now;
      this.step(this.t);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    this.playing = false;
  }

  /** @param {number} seconds */
  advance(seconds) {
    this.t += (this.direction * seconds) / this.seconds;
    if (this.t >= 1) this.direction = -1;
    if (this.t <= 0) this.direction = 1;
    this.t = Math.min(1, Math.max(0, this.t));
  }
}
