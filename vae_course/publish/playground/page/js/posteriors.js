/** The Gaussians q(z|x) of all garments, and how far a z lies from each. */

const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);

export class Posteriors {
  /**
   * @param {Float32Array} mean μ, garment by garment, [N × d]
   * @param {Float32Array} std σ, likewise
   * @param {number} latentDim d
   */
  constructor(mean, std, latentDim) {
    this.mean = mean;
    this.std = std;
    this.latentDim = latentDim;
    this.count = mean.length / latentDim;
    /** 1/σ of each garment and dimension */
    this.inverseStd = Float64Array.from(std, (sigma) => 1 / sigma);
    /** Σ log σ of each garment */
    this.logStd = new Float64Array(this.count);
    /** the root mean square of σ over all garments, for each dimension */
    this.rmsStd = new Float64Array(latentDim);
    std.forEach((sigma, i) => {
      this.logStd[Math.floor(i / latentDim)] += Math.log(sigma);
      this.rmsStd[i % latentDim] += sigma * sigma;
    });
    this.rmsStd = this.rmsStd.map((sum) => Math.sqrt(sum / this.count));
    /** (d/2) log 2π */
    this.logConstant = latentDim * HALF_LOG_TWO_PI;
  }

  /**
   * Return μ of one garment.
   * @param {number} garment
   * @returns {number[]}
   */
  meanOf(garment) {
    return Array.from(this.mean.subarray(garment * this.latentDim, (garment + 1) * this.latentDim));
  }

  /**
   * Return σ of one garment.
   * @param {number} garment
   * @returns {number[]}
   */
  stdOf(garment) {
    return Array.from(this.std.subarray(garment * this.latentDim, (garment + 1) * this.latentDim));
  }

  /**
   * Return ‖(z − μ)/σ‖², the Mahalanobis² of z to every garment.
   * @param {ArrayLike<number>} z
   * @returns {Float64Array}
   */
  mahalanobis2(z) {
    const { mean, inverseStd, latentDim, count } = this;
    const squares = new Float64Array(count);
    for (let garment = 0, i = 0; garment < count; garment++) {
      let sum = 0;
      for (let j = 0; j < latentDim; j++, i++) {
        const distance = (z[j] - mean[i]) * inverseStd[i];
        sum += distance * distance;
      }
      squares[garment] = sum;
    }
    return squares;
  }

  /**
   * Return the squared distance of z to every μ, each dimension in units of one scale.
   * @param {ArrayLike<number>} z
   * @param {ArrayLike<number>} scale d numbers
   * @returns {Float64Array}
   */
  squaredDistances(z, scale) {
    const { mean, latentDim, count } = this;
    const inverse = Float64Array.from(scale, (unit) => 1 / unit);
    const squares = new Float64Array(count);
    for (let garment = 0, i = 0; garment < count; garment++) {
      let sum = 0;
      for (let j = 0; j < latentDim; j++, i++) {
        const distance = (z[j] - mean[i]) * inverse[j];
        sum += distance * distance;
      }
      squares[garment] = sum;
    }
    return squares;
  }
}
