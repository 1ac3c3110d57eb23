"use strict";
// A plot of the systems over other axes than those it came with: the front, the scales and the
// places of names are found anew. As in colbench.report.charts (marks, frame, labels), which makes
// the plots that stand in files.
const onAxes = (() => {
  const NEAR = 9;
  const DISTANCES = [NEAR, 20, 32, 46, 62, 80];
  const DIRECTIONS = [
    [1, 0, "left"], [-1, 0, "right"], [0, -1.6, "center"], [0, 1.6, "center"],
    [0.8, -0.7, "left"], [0.8, 0.7, "left"], [-0.8, -0.7, "right"], [-0.8, 0.7, "right"],
  ];
  const CHARACTER = 7; // pixels of a letter, a little on the safe side
  const LINE = 14;
  const POINT = 7;
  const TICK = 46;
  const FEW = 12;

  // Those that no other one equals or betters in both and betters in one, the cheapest first.
  const front = (points) => {
    const order = [...points].sort((a, b) => a.even[0] - b.even[0] || b.even[1] - a.even[1]);
    const found = [];
    let last = [Infinity, -Infinity];
    for (const point of order) {
      const [cost, effect] = point.even;
      if (effect > last[1] || (cost === last[0] && effect === last[1])) {
        found.push(point);
        last = point.even;
      }
    }
    return found;
  };

  // What is printed alike is equal.
  const placed = (plane, across, up) => {
    const costs = new Map();
    const effects = new Map();
    const even = (known, [value, printed]) => {
      if (!known.has(printed)) known.set(printed, value);
      return known.get(printed);
    };
    return plane.systems
      .filter(({ values }) => across in values && up in values)
      .map((system) => ({
        ...system,
        cost: system.values[across][0],
        effect: system.values[up][0],
        even: [even(costs, system.values[across]), even(effects, system.values[up])],
      }));
  };

  const scale = (values, pixels, log) => {
    const flat = log ? values.map(Math.log10) : values;
    const [least, most] = [Math.min(...flat), Math.max(...flat)];
    const pad = Math.max(log ? 0.15 : 0.005, 0.08 * (most - least));
    const low = log || least < 0 ? least - pad : Math.max(0, least - pad);
    const high = most + pad;
    const to = (value) => (pixels * ((log ? Math.log10(value) : value) - low)) / (high - low);
    const from = (place) => {
      const value = low + ((high - low) * place) / pixels;
      return log ? 10 ** value : value;
    };
    return { ends: log ? [10 ** low, 10 ** high] : [low, high], to, from };
  };

  const ticks = ([low, high], pixels) => {
    let values = [];
    for (const digits of [[1, 2, 5], [1, 3], [1]]) {
      values = [];
      for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) {
        values.push(...digits.map((digit) => Number(`${digit}e${e}`)));
      }
      values = values.filter((value) => low <= value && value <= high);
      if (values.length * TICK <= pixels) break;
    }
    return values;
  };

  const overlap = (one, other) => {
    const across = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
    const down = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
    return across > 0 && down > 0 ? across * down : 0;
  };

  // Places for names, the nearest that is free, as colbench.report.charts.labels finds them.
  const labels = (named, others, line, width, height) => {
    const around = ([x, y]) => [x - POINT, y - POINT, x + POINT, y + POINT];
    const taken = [...named, ...others].map((point) => around(point.at));
    for (let place = 1; place < line.length; place += 1) {
      const [[x, y], [u, v]] = [line[place - 1], line[place]];
      taken.push([Math.min(x, u) - 1, Math.min(y, v) - 1, Math.max(x, u) + 1, Math.max(y, v) + 1]);
    }
    return named.map((point) => {
      const own = around(point.at);
      const wide = point.label.length * CHARACTER;
      let best = null;
      search: for (const distance of DISTANCES) {
        for (const [right, down, align] of DIRECTIONS) {
          const x = point.at[0] + right * distance;
          const y = point.at[1] + down * distance;
          const left = x - { left: 0, center: wide / 2, right: wide }[align];
          const box = [left, y - LINE / 2, left + wide, y + LINE / 2];
          const covered = taken
            .filter((other) => other.some((side, i) => side !== own[i]))
            .reduce((sum, other) => sum + overlap(box, other), 0);
          const outside = wide * LINE - overlap(box, [0, 0, width, height]);
          const cost = covered + 4 * outside;
          if (!best || cost < best.cost) best = { cost, x, y, align, distance, box };
          if (cost < 1) break search;
        }
      }
      taken.push(best.box);
      return { point, ...best };
    });
  };

  const layersOf = (specification, role) =>
    specification.layer.filter((layer) => (layer.name ?? "").startsWith(role));

  // Returns { specification, left }: the plot, and the names of systems that lack one of the values.
  return (base, plane, across, up) => {
    const specification = structuredClone(base);
    const { width, height } = specification;
    const points = placed(plane, across.key, up.key);
    const left = plane.systems.map(({ name }) => name)
      .filter((name) => !points.some((point) => point.name === name));
    if (!points.length) return { specification: null, left };
    const best = front(points);
    const x = scale(points.map(({ cost }) => cost), width, true);
    const y = scale(points.map(({ effect }) => effect), height, false);
    for (const point of points) point.at = [x.to(point.cost), height - y.to(point.effect)];

    const byName = new Map(points.map((point) => [point.name, point]));
    const systems = layersOf(specification, "systems");
    const rows = (layer) => (specification.datasets[layer.data.name] ?? layer.data.values)
      .filter((row) => byName.has(row.name))
      .map((row) => {
        const point = byName.get(row.name);
        const onFront = best.includes(point);
        return {
          ...row,
          cost: point.cost,
          effect: point.effect,
          front: onFront,
          standing: onFront ? plane.standings[0] : plane.standings[1],
        };
      });
    const references = new Set(systems.flatMap(rows).filter((row) => row.reference)
      .map((row) => row.name));
    const isNamed = (point) => !plane.sweep || best.includes(point) || references.has(point.name);
    const rank = (point) => (references.has(point.name) ? 0 : best.includes(point) ? 1 : 2);
    const named = points.filter(isNamed).sort((a, b) => rank(a) - rank(b) || a.cost - b.cost);
    const corners = [];
    for (const [u, v] of best.map(({ at }) => at).sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
      if (corners.length) corners.push([u, corners[corners.length - 1][1]]);
      corners.push([u, v]);
    }
    const others = points.filter((point) => !isNamed(point));
    const texts = labels(named, others, corners, width, height)
      .filter(({ cost, point }) => cost < 1
        || (points.length <= FEW && (!plane.sweep || references.has(point.name))))
      .map(({ point, x: u, y: v, align, distance }) => ({
        label: point.label,
        cost: x.from(u),
        effect: y.from(height - v),
        align,
        far: distance > NEAR,
        cost2: point.cost,
        effect2: point.effect,
        front: best.includes(point),
      }));

    const data = {
      systems: rows,
      front: () => best.map(({ cost, effect }) => ({ cost, effect })),
      leaders: () => texts.filter(({ far }) => far),
      names: () => texts,
    };
    const step = (y.ends[1] - y.ends[0]) / Math.floor(height / 50);
    const digits = Math.min(4, Math.max(step >= 1 ? 0 : 2, Math.ceil(-Math.log10(step))));
    for (const layer of specification.layer) {
      const role = Object.keys(data).find((name) => (layer.name ?? "").startsWith(name));
      layer.data = { values: data[role](layer) };
      const axes = layer.encoding;
      axes.x.title = `${across.name} (log scale)`;
      axes.x.scale.domain = x.ends;
      Object.assign(axes.x.axis, { values: ticks(x.ends, width), labelExpr: across.tick });
      axes.y.title = up.name;
      axes.y.scale.domain = y.ends;
      axes.y.axis.format = `.${digits}f`;
    }
    delete specification.datasets;
    return { specification, left };
  };
})();
