window.asked = (() => {
  const isSeen = (element) => {
    const rect = element.getBoundingClientRect();
    return rect.width > 0 && rect.height > 0 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  };
  const WORDS = "svg text, button, h1, h2, h3, h4, td, th, p, li, dt, dd, figcaption, summary, .plot-phases span, .plot-groups span";
  const words = () => Array.from(document.querySelectorAll(WORDS))
    .filter((element) => element.textContent.trim() !== "" && isSeen(element));
  const named = (element) => {
    const figure = element.closest("figure");
    return element.localName + (figure ? " of " + figure.id : "") + " “" + element.textContent.trim().slice(0, 50) + "”";
  };
  // What a box that scrolls hides is not seen.
  const seenRect = (element) => {
    let { left, right, top, bottom } = element.getBoundingClientRect();
    for (let box = element.parentElement; box; box = box.parentElement) {
      if (getComputedStyle(box).overflow === "visible" || box === document.documentElement || box.localName === "svg") continue;
      const rect = box.getBoundingClientRect();
      left = Math.max(left, rect.left);
      right = Math.min(right, rect.right);
      top = Math.max(top, rect.top);
      bottom = Math.min(bottom, rect.bottom);
    }
    return { left, right, top, bottom };
  };
  const overlaps = () => {
    const all = words().map((element) => ({ element, rect: seenRect(element) }))
      .sort((one, other) => one.rect.top - other.rect.top);
    const found = [];
    all.forEach(({ element, rect }, index) => {
      for (const { element: other, rect: rest } of all.slice(index + 1)) {
        if (rest.top >= rect.bottom - 2) break;
        const across = Math.min(rect.right, rest.right) - Math.max(rect.left, rest.left);
        const down = Math.min(rect.bottom, rest.bottom) - Math.max(rect.top, rest.top);
        const within = element.contains(other) || other.contains(element);
        if (across > 1.5 && down > 2 && !within) found.push(named(element) + " and " + named(other));
      }
    });
    return found.slice(0, 20);
  };
  const numbers = (colour) => {
    const canvas = numbers.canvas ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (above, below) => [0, 1, 2].map((n) => above[n] * above[3] + below[n] * (1 - above[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let box = element; box; box = box.parentElement) layers.push(numbers(getComputedStyle(box).backgroundColor));
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = "Canvas";
    const canvas = numbers(getComputedStyle(probe).color);
    probe.remove();
    return layers.reverse().reduce((below, above) => over(above, below), canvas);
  };
  const light = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : Math.pow((part + 0.055) / 1.055, 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [more, less] = [light(one), light(other)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const tooFaint = (least) => words().filter((element) => !element.disabled).map((element) => {
    const style = getComputedStyle(element);
    const below = ground(element);
    const ink = over(numbers(element.localName === "text" ? style.fill : style.color), below);
    const found = contrast(ink, below);
    return found < least ? named(element) + " has a contrast of " + found.toFixed(2) : "";
  }).filter((one) => one !== "").slice(0, 20);
  const tooSmall = (least) => Array.from(document.querySelectorAll("svg text")).filter(isSeen).map((element) => {
    const svg = element.ownerSVGElement;
    const size = parseFloat(getComputedStyle(element).fontSize) * svg.getScreenCTM().a;
    return size < least ? named(element) + " is " + size.toFixed(1) + " px high" : "";
  }).filter((one) => one !== "").slice(0, 20);
  // Text of a picture that leaves it.
  const cutOff = () => Array.from(document.querySelectorAll(".plot-stage svg text")).filter(isSeen).filter((element) => {
    const inner = element.getBoundingClientRect();
    const outer = element.ownerSVGElement.getBoundingClientRect();
    return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 2 || inner.bottom > outer.bottom + 2;
  }).map(named).slice(0, 20);
  const seen = (selector) => Array.from(document.querySelectorAll(selector)).filter(isSeen);
  const middle = (selector, part) => {
    const [element] = seen(selector);
    if (!element) return null;
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const rect = element.getBoundingClientRect();
    return [rect.left + rect.width * part, rect.top + rect.height / 2];
  };
  // What can be compared before and after: the points of areas and lines, and the labels of the axis.
  const drawn = (selector) => seen(selector + " .plot-stage > svg").map((svg) => ({
    shapes: Array.from(svg.querySelectorAll("polygon, polyline:not(.cursor), circle"))
      .filter((shape) => getComputedStyle(shape).display !== "none")
      .map((shape) => shape.getAttribute("class") + " " + shape.getAttribute("points") + " " + (shape.getAttribute("transform") ?? "")),
    labels: Array.from(svg.querySelectorAll("text.y"), (one) => one.textContent),
  }))[0];
  const table = (selector) => seen(selector + " .plot-values tr")
    .map((row) => Array.from(row.children, (cell) => cell.textContent));
  return { overlaps, tooFaint, tooSmall, cutOff, seen, middle, drawn, table };
})()
