// Numbers as people read them (as figures.py writes them), and scales with their ticks.

const SCALES = {
  byte: [[1e9, 'GB'], [1e6, 'MB'], [1e3, 'KB'], [1, 'B']],
  s: [[1, 's'], [1e-3, 'ms'], [1e-6, 'µs'], [1e-9, 'ns']],
  j: [[1, 'J'], [1e-3, 'mJ'], [1e-6, 'µJ'], [1e-9, 'nJ']],
};

function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

function trimmed(value, digits) {
  return String(Number(value.toPrecision(digits)));
}

// A short text for an SI value.
function quantity(value, unit) {
  if (!isNumber(value)) return '–';
  if (!SCALES[unit]) return plain(value);
  const rounded = Number(value.toPrecision(3));
  const scales = SCALES[unit];
  const [scale, name] = scales.find(([each]) => Math.abs(rounded) >= each) || scales[scales.length - 1];
  return `${trimmed(rounded / scale, 4)} ${name}`;
}

// A bare number with about four significant digits.
function plain(value) {
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(2);
  for (const [scale, name] of [[1e9, 'G'], [1e6, 'M']]) if (size >= scale) return `${trimmed(value / scale, 4)} ${name}`;
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  if (size < 1e-3) return value.toExponential(2);
  for (const [bound, digits] of [[1, 4], [10, 3], [100, 2], [1000, 1]]) if (size < bound) return value.toFixed(digits);
  return Math.round(value).toLocaleString('en-US');
}

// A tick's text: as few digits as tell it from its neighbours.
function tickText(value, unit) {
  if (SCALES[unit]) return quantity(value, unit);
  const size = Math.abs(value);
  if (size >= 1e6) return plain(value);
  if (size >= 1e-4 || value === 0) return Number(value.toPrecision(6)).toLocaleString('en-US', { maximumFractionDigits: 8 });
  return value.toExponential(0);
}

// A scale from values to pixels: {at, ticks, log}. Values must be finite; on a log scale positive.
function makeScale(values, { from, to, log, count, zero }) {
  let low = Math.min(...values), high = Math.max(...values);
  if (zero && low > 0 && low < high / 3) low = 0;
  if (log) {
    const spread = Math.max(Math.log10(high / low), 0.02);
    low = low / 10 ** (spread * 0.05 + 0.01);
    high = high * 10 ** (spread * 0.05 + 0.01);
    const span = Math.log10(high / low);
    const at = (value) => from + (Math.log10(value / low) / span) * (to - from);
    return { at, log, low, high, ticks: logTicks(low, high, count) };
  }
  const spread = high - low || Math.abs(high) * 0.2 || 1;
  if (!(zero && low === 0)) low -= spread * 0.06;
  high += spread * 0.06;
  const at = (value) => from + ((value - low) / (high - low)) * (to - from);
  return { at, log: false, low, high, ticks: linearTicks(low, high, count) };
}

function linearTicks(low, high, count) {
  const rough = (high - low) / Math.max(count, 2);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999) || rough;
  const ticks = [];
  for (let index = Math.ceil(low / step); index * step <= high && ticks.length < 50; index += 1) ticks.push(index * step);
  return ticks;
}

function logTicks(low, high, count) {
  const decades = Math.log10(high / low);
  if (decades < 0.7) return linearTicks(low, high, count).filter((value) => value > 0);
  const within = [[1, 2, 5], [1, 3], [1]].find((steps) => decades * steps.length <= count + 1) || [1];
  const every = Math.max(1, Math.ceil(decades / (count + 1)));
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    if (power % every) continue;
    for (const step of within) {
      const value = Number(`${step}e${power}`);
      if (value >= low && value <= high) ticks.push(value);
    }
  }
  return ticks.length >= 2 ? ticks : linearTicks(low, high, count).filter((value) => value > 0);
}
